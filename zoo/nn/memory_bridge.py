"""Vectors read out of a small memory of audio knowledge by attention (MemoryBridge).

LMDecoder (arXiv 2308.09311) reads the embeddings of a unit-to-text model with the features of lips
and keeps nothing of these; AKVSR (arXiv 2308.07593) reads centroids of audio features and adds what
it finds to the lips.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from zoo.nn.attention import MultiHeadAttention

Residual = Literal["none", "add", "concat"]


class MemoryBridge(nn.Module):
    """Every frame looks for what it needs in the same K vectors.

    Args:
        size: width of the frames.
        num_heads: attention heads.
        memory_size: width of the memory; None is `size`.
        residual: what becomes of the frame itself: dropped, added to what was read, or joined with
            it by a linear layer whose outcome is added.
        dropout: on the attention weights.
    """

    def __init__(
        self,
        size: int,
        num_heads: int,
        *,
        memory_size: int | None = None,
        residual: Residual = "none",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.attention = MultiHeadAttention(size, num_heads, dropout, memory_size)
        self.join = nn.Linear(2 * size, size) if residual == "concat" else None
        self.norm = nn.LayerNorm(size)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """Frames `x` (B, T, C) with what they read in `memory` (K, M): (B, T, C)."""
        keys_values = self.attention.project(memory.unsqueeze(0))
        # the memory is the same for all, so that a batch is one long clip
        frames = x.reshape(1, -1, x.shape[-1])
        read = self.attention.attend(frames, keys_values).view_as(x)
        if self.join is not None:
            read = x + self.join(torch.cat([x, read], dim=-1))
        elif self.residual == "add":
            read = x + read
        return cast(Tensor, self.norm(read))

    def slot_weights(self, x: Tensor, memory: Tensor) -> Tensor:
        """How much each frame takes of each slot: (B, T, K), the mean over heads."""
        attention = self.attention
        query = attention.query(x).unflatten(-1, (attention.num_heads, -1))
        key = attention.key(memory).unflatten(-1, (attention.num_heads, -1))
        scores = torch.einsum("btnd,knd->bntk", query, key) / query.shape[-1] ** 0.5
        return torch.as_tensor(scores.softmax(-1).mean(1))


def slot_perplexity(weights: Tensor, mask: Tensor) -> Tensor:
    """How many slots are in use: perplexity of their mean share over valid frames, 1 to K.

    Args:
        weights: (B, T, K) of `slot_weights`.
        mask: (B, T) bool, True = valid.
    """
    share = weights[mask].mean(0)
    return (-(share * share.clamp_min(1e-9).log()).sum()).exp()
