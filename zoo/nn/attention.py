"""Multi-head attention, plain and with relative positions, over projected keys and values.

Masks are boolean, True = may be attended to, and broadcast to (B, N, L, S). The projections of
keys and values can be made once and kept (`project`), which is what cached decoding does.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.nn.positions import relative_sinusoids


class KeysValues(NamedTuple):
    """Projected keys and values, each (B, N, S, D)."""

    keys: Tensor
    values: Tensor

    def append(self, new: KeysValues) -> KeysValues:
        """These followed by later ones, along the sequence."""
        return KeysValues(
            torch.cat([self.keys, new.keys], dim=2), torch.cat([self.values, new.values], dim=2)
        )

    def select(self, items: Tensor) -> KeysValues:
        """Those of the items (B',) of the batch, in that order."""
        return KeysValues(self.keys.index_select(0, items), self.values.index_select(0, items))

    def gather(self, places: Tensor) -> KeysValues:
        """Those at the places (B, S') of every item's sequence."""
        index = places[:, None, :, None]
        return KeysValues(
            self.keys.take_along_dim(index, dim=2), self.values.take_along_dim(index, dim=2)
        )


def key_mask(mask: Tensor | None) -> Tensor | None:
    """Valid positions (B, S) in the form that attention takes: (B, 1, 1, S)."""
    return None if mask is None else mask[:, None, None, :]


def causal_mask(length: int, device: torch.device) -> Tensor:
    """(L, L) bool: position i sees positions up to i."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention with separate projections.

    Args:
        size: width of the queries and of the output.
        num_heads: heads; they divide `size`.
        dropout: on the attention weights, in training.
        memory_size: width of what is attended to; None is `size`.
    """

    def __init__(
        self, size: int, num_heads: int, dropout: float = 0.0, memory_size: int | None = None
    ) -> None:
        super().__init__()
        if size % num_heads:
            raise ValueError(f"{num_heads} heads do not divide a width of {size}")
        self.num_heads, self.dropout = num_heads, dropout
        self.query = nn.Linear(size, size)
        self.key = nn.Linear(memory_size or size, size)
        self.value = nn.Linear(memory_size or size, size)
        self.output = nn.Linear(size, size)

    def forward(
        self, x: Tensor, memory: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Attend from `x` (B, L, C) to `memory` (B, S, M), or to itself: (B, L, C)."""
        return self.attend(x, self.project(x if memory is None else memory), mask)

    def project(self, memory: Tensor) -> KeysValues:
        """Keys and values of `memory` (B, S, M)."""
        return KeysValues(self._heads(self.key(memory)), self._heads(self.value(memory)))

    def attend(
        self, x: Tensor, memory: KeysValues, mask: Tensor | None = None, *, causal: bool = False
    ) -> Tensor:
        """Attend from `x` (B, L, C) to projected keys and values: (B, L, C).

        `causal` says that the queries are the positions of the keys, each seeing up to itself.
        """
        return self._attend(self._heads(self.query(x)), memory, mask, causal)

    def _attend(
        self, query: Tensor, memory: KeysValues, mask: Tensor | None, causal: bool = False
    ) -> Tensor:
        if causal and mask is not None:
            mask = mask & causal_mask(query.shape[2], query.device)
        attended = F.scaled_dot_product_attention(
            query,
            memory.keys,
            memory.values,
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=causal and mask is None,
        )
        return torch.as_tensor(self.output(attended.transpose(1, 2).flatten(2)))

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self.num_heads, -1).transpose(1, 2)


class RelativeMultiHeadAttention(MultiHeadAttention):
    """Self-attention that also scores how far apart two positions are (Transformer-XL).

    The score of query q and key k is (q + u) k / sqrt(D) plus the position term
    (q + v) p(i - j) / sqrt(D). The position term enters as an additive mask, so that the fused
    attention computes exactly this.
    """

    def __init__(self, size: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__(size, num_heads, dropout)
        self.position = nn.Linear(size, size, bias=False)
        self.content_bias = nn.Parameter(torch.empty(num_heads, size // num_heads))
        self.position_bias = nn.Parameter(torch.empty(num_heads, size // num_heads))
        nn.init.xavier_uniform_(self.content_bias)
        nn.init.xavier_uniform_(self.position_bias)

    def forward(
        self,
        x: Tensor,
        table: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Self-attention over `x` (B, L, C).

        Args:
            x: the sequence.
            table: (2L - 1, C) of `relative_sinusoids`; None makes it.
            mask: True = may be attended to.
        """
        if table is None:
            table = relative_sinusoids(x.shape[1], x.shape[2], x)
        query = self.query(x).view(*x.shape[:-1], self.num_heads, -1)
        positions = self._heads(self.position(table).unsqueeze(0))
        # scaling the smaller factor saves a pass over the (L, 2L - 1) scores
        scale = 1 / math.sqrt(query.shape[-1])
        places = ((query + self.position_bias) * scale).transpose(1, 2) @ positions.transpose(2, 3)
        bias = shift_relative(places)
        if mask is not None:
            bias = bias.masked_fill(~mask, float("-inf"))
        return self._attend((query + self.content_bias).transpose(1, 2), self.project(x), bias)


def shift_relative(scores: Tensor) -> Tensor:
    """Scores by offset (B, N, L, 2L - 1), largest first, as scores by key (B, N, L, L)."""
    length = scores.shape[2]
    # with one more column, reading the same numbers row by row moves row i left by L - 1 - i
    padded = F.pad(scores, (1, 0)).flatten(2)[..., length:]
    return padded.view(*scores.shape)[..., :length]
