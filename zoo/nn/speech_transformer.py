"""The transformer of wav2vec 2.0 and its kin (arXiv 2006.11477), as fairseq computes it.

A wide grouped convolution stands for positions. AV-HuBERT uses it with the norms before the parts,
the unit encoder of LMDecoder with the norms after them.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from zoo.nn.attention import KeysValues, MultiHeadAttention, key_mask


class PositionalConvolution(nn.Module):
    """Relative positions: a convolution over time whose outcome is added to the input."""

    def __init__(self, size: int, kernel: int, groups: int) -> None:
        super().__init__()
        conv = nn.Conv1d(size, size, kernel, padding=kernel // 2, groups=groups)
        if not conv.weight.is_meta:
            nn.init.normal_(conv.weight, std=(4 / (kernel * size)) ** 0.5)
            nn.init.zeros_(cast(Tensor, conv.bias))
        self.conv = weight_norm(conv, dim=2)
        self.surplus = 1 - kernel % 2

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        y = self.conv(x.transpose(1, 2))
        # an even kernel with this padding gives a frame too many, at the end
        return F.gelu(y[..., : y.shape[-1] - self.surplus]).transpose(1, 2)


class SpeechTransformerLayer(nn.Module):
    """Self-attention and a feed-forward part with GELU."""

    def __init__(
        self,
        size: int,
        num_heads: int,
        ffn_size: int,
        *,
        pre_norm: bool = True,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        activation_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.pre_norm = pre_norm
        self.attention = MultiHeadAttention(size, num_heads, attention_dropout)
        self.attention_norm = nn.LayerNorm(size)
        self.up = nn.Linear(size, ffn_size)
        self.down = nn.Linear(ffn_size, size)
        self.ffn_norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(dropout)
        self.activation_dropout = nn.Dropout(activation_dropout)

    def forward(
        self, x: Tensor, mask: Tensor | None, prompt: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """One layer.

        Args:
            x: (B, T, C) frames.
            mask: bool, broadcasting to (B, N, T, T): what a frame may look at.
            prompt: (B, P, C) tokens that look at the frames and each other, but that no frame
                looks at, so that the frames come out as they would without them.

        Returns:
            The frames and the prompt, changed.
        """
        source = self._before(x, self.attention_norm)
        own = self.attention.project(source)
        if prompt is not None:
            asking = self._before(prompt, self.attention_norm)
            seen = own.append(self.attention.project(asking))
            prompt = self._attend(prompt, asking, seen, _prompt_mask(mask, prompt))
            prompt = self._feed_forward(prompt)
        return self._feed_forward(self._attend(x, source, own, mask)), prompt

    def _attend(self, x: Tensor, source: Tensor, seen: KeysValues, mask: Tensor | None) -> Tensor:
        return self._after(x, self.attention.attend(source, seen, mask), self.attention_norm)

    def _feed_forward(self, x: Tensor) -> Tensor:
        hidden = self.activation_dropout(F.gelu(self.up(self._before(x, self.ffn_norm))))
        return self._after(x, self.down(hidden), self.ffn_norm)

    def _before(self, x: Tensor, norm: nn.LayerNorm) -> Tensor:
        return cast(Tensor, norm(x)) if self.pre_norm else x

    def _after(self, x: Tensor, change: Tensor, norm: nn.LayerNorm) -> Tensor:
        x = x + self.dropout(change)
        return x if self.pre_norm else cast(Tensor, norm(x))


class SpeechTransformer(nn.Module):
    """Positional convolution and layers, with every layer's output.

    Args:
        size: width C.
        num_layers: layers.
        num_heads: attention heads.
        ffn_size: width of the feed-forward parts.
        position_kernel: frames of the positional convolution.
        position_groups: its groups.
        pre_norm: norms before the parts and one at the end, instead of one in front of the layers
            and one after every part.
        dropout: after every part and in front of the layers.
        attention_dropout: on the attention weights.
        activation_dropout: inside the feed-forward parts.
        layer_drop: share of layers left out of a training step.
    """

    def __init__(
        self,
        size: int,
        num_layers: int,
        num_heads: int,
        ffn_size: int,
        *,
        position_kernel: int = 128,
        position_groups: int = 16,
        pre_norm: bool = True,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        activation_dropout: float = 0.0,
        layer_drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.pre_norm, self.layer_drop = pre_norm, layer_drop
        self.positions = PositionalConvolution(size, position_kernel, position_groups)
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            SpeechTransformerLayer(
                size,
                num_heads,
                ffn_size,
                pre_norm=pre_norm,
                dropout=dropout,
                attention_dropout=attention_dropout,
                activation_dropout=activation_dropout,
            )
            for _ in range(num_layers)
        )
        self.apply(initialise_linear)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        *,
        last_layer: int | None = None,
        prompt: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Raw outputs of the layers, without the final norm.

        Args:
            x: (B, T, C); what stands on padded frames does not matter.
            mask: (B, T) bool, True = valid.
            last_layer: stop after this layer (1-based); None runs all.
            prompt: (B, P, C) tokens that read the frames and leave them as they are; every state
                then has them in front.
            attention_mask: bool, broadcasting to (B, N, T, T), which frame may look at which.

        Returns:
            last_layer + 1 tensors (B, P + T, C); entry 0 is the input of layer 1.
        """
        allowed = _both(key_mask(mask), attention_mask)
        if mask is not None:
            # parity: padding is zero for the convolution, and is masked as keys ever after
            x = x.masked_fill(~mask.unsqueeze(-1), 0.0)
        x = x + self.positions(x)
        x = self.dropout(x if self.pre_norm else self.norm(x))
        states = [_joined(prompt, x)]
        for layer in self.layers[:last_layer]:
            if not self._is_dropped():
                x, prompt = layer(x, allowed, prompt)
            states.append(_joined(prompt, x))
        return tuple(states)

    def final_norm(self, last: Tensor) -> Tensor:
        """The norm at the end of the layers (norms before the parts), else `last` itself."""
        return cast(Tensor, self.norm(last)) if self.pre_norm else last

    def _is_dropped(self) -> bool:
        return self.training and self.layer_drop > 0 and bool(torch.rand(()) < self.layer_drop)


def initialise_linear(module: nn.Module) -> None:
    """Draw linear layers as BERT does: N(0, 0.02), no bias."""
    if isinstance(module, nn.Linear) and not module.weight.is_meta:
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _joined(prompt: Tensor | None, x: Tensor) -> Tensor:
    return x if prompt is None else torch.cat([prompt, x], dim=1)


def _both(one: Tensor | None, two: Tensor | None) -> Tensor | None:
    return two if one is None else one if two is None else one & two


def _prompt_mask(mask: Tensor | None, prompt: Tensor) -> Tensor | None:
    """What prompts may look at: valid frames and all prompts, (B, N, 1, T + P)."""
    if mask is None:
        return None
    # a prompt sees whatever any frame may see
    frames = mask.any(dim=2, keepdim=True)
    return F.pad(frames, (0, prompt.shape[1]), value=True)
