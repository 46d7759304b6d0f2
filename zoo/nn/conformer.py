"""Conformer and pre-norm Transformer encoders (arXiv 2005.08100), as the lip-reading models use it.

The variant is the one of the published audio-visual recognisers: macaron halves, relative
positions whose table is not added to the input, ReLU in the feed-forward parts and Swish only in
the convolution, layer norms with an epsilon of 1e-12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.hub.config import ZooConfig
from zoo.nn.attention import MultiHeadAttention, RelativeMultiHeadAttention, key_mask
from zoo.nn.positions import relative_sinusoids, sinusoids

ActivationName = Literal["relu", "gelu", "swish"]


@dataclass(frozen=True, kw_only=True)
class ConformerConfig(ZooConfig):
    """Sizes of an encoder."""

    size: int = 256
    """Width D of the layers."""
    num_layers: int = 12
    """Blocks."""
    num_heads: int = 4
    """Attention heads."""
    ffn_size: int = 2048
    """Width of the feed-forward parts."""
    kernel: int | None = 31
    """Frames of the depthwise convolution, odd; None leaves the convolution out (Transformer)."""
    macaron: bool = True
    """A second feed-forward part before the attention, both at half weight."""
    relative: bool = True
    """Relative positions in the attention; otherwise absolute ones are added to the input."""
    activation: ActivationName = "relu"
    """Of the feed-forward parts."""
    dropout: float = 0.1
    """After every part, inside the feed-forward parts and after the positions."""
    attention_dropout: float = 0.0
    """On the attention weights."""
    norm_eps: float = 1e-12
    """Of the layer norms."""
    mask_convolution: bool = False
    """Keep padded frames out of the convolution (official code lets them in)."""


def activation(name: ActivationName) -> nn.Module:
    """The activation of that name."""
    kinds: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "swish": nn.SiLU}
    return kinds[name]()


class FeedForward(nn.Module):
    """Two linear layers with an activation and dropout between them."""

    def __init__(self, size: int, ffn_size: int, kind: ActivationName, dropout: float) -> None:
        super().__init__()
        self.up = nn.Linear(size, ffn_size)
        self.down = nn.Linear(ffn_size, size)
        self.activation = activation(kind)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        return torch.as_tensor(self.down(self.dropout(self.activation(self.up(x)))))


class ConvolutionModule(nn.Module):
    """Gated pointwise convolution, depthwise convolution, batch norm, Swish, pointwise."""

    def __init__(self, size: int, kernel: int) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"the kernel of a conformer must be odd to keep the length: {kernel}")
        # a pointwise convolution is a linear layer; as such it needs no transposed copy
        self.expand = nn.Linear(size, 2 * size)
        self.depthwise = nn.Conv1d(size, size, kernel, padding=kernel // 2, groups=size)
        self.norm = nn.BatchNorm1d(size)
        self.project = nn.Linear(size, size)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, D) -> (B, T, D); frames outside `mask` (B, T) are zeroed before they mix."""
        x = F.glu(self.expand(x), dim=-1)
        if mask is not None:
            x = x * mask.unsqueeze(-1)
        x = F.silu(self.norm(self.depthwise(x.transpose(1, 2)))).transpose(1, 2)
        return torch.as_tensor(self.project(x))


class ConformerLayer(nn.Module):
    """One block: [half feed-forward], attention, [convolution], feed-forward, [final norm]."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        size, eps = config.size, config.norm_eps
        self.mask_convolution = config.mask_convolution
        self.scale = 0.5 if config.macaron else 1.0
        self.dropout = nn.Dropout(config.dropout)
        self.ffn_in = _feed_forward(config) if config.macaron else None
        self.ffn_in_norm = nn.LayerNorm(size, eps=eps) if config.macaron else None
        kind = RelativeMultiHeadAttention if config.relative else MultiHeadAttention
        self.attention = kind(size, config.num_heads, config.attention_dropout)
        self.attention_norm = nn.LayerNorm(size, eps=eps)
        convolves = config.kernel is not None
        self.convolution = ConvolutionModule(size, config.kernel) if config.kernel else None
        self.convolution_norm = nn.LayerNorm(size, eps=eps) if convolves else None
        self.ffn = _feed_forward(config)
        self.ffn_norm = nn.LayerNorm(size, eps=eps)
        self.final_norm = nn.LayerNorm(size, eps=eps) if convolves else None

    def forward(self, x: Tensor, table: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """One block over `x` (B, T, D); `table` of relative positions, `mask` (B, T)."""
        if self.ffn_in is not None and self.ffn_in_norm is not None:
            x = x + self.scale * self.dropout(self.ffn_in(self.ffn_in_norm(x)))
        x = x + self.dropout(self._attend(self.attention_norm(x), table, mask))
        if self.convolution is not None and self.convolution_norm is not None:
            inside = mask if self.mask_convolution else None
            x = x + self.dropout(self.convolution(self.convolution_norm(x), inside))
        x = x + self.scale * self.dropout(self.ffn(self.ffn_norm(x)))
        return x if self.final_norm is None else torch.as_tensor(self.final_norm(x))

    def _attend(self, x: Tensor, table: Tensor | None, mask: Tensor | None) -> Tensor:
        if isinstance(self.attention, RelativeMultiHeadAttention):
            return torch.as_tensor(self.attention(x, table, key_mask(mask)))
        return torch.as_tensor(self.attention(x, mask=key_mask(mask)))


def _feed_forward(config: ConformerConfig) -> FeedForward:
    return FeedForward(config.size, config.ffn_size, config.activation, config.dropout)


class ConformerEncoder(nn.Module):
    """Blocks between the embedding of positions and a last layer norm.

    Args:
        config: sizes.
        input_size: width of the input, which a linear layer brings to D; None: it is D already,
            and there is no such layer.
    """

    def __init__(self, config: ConformerConfig, input_size: int | None = None) -> None:
        super().__init__()
        self.config = config
        self.embed = None if input_size is None else nn.Linear(input_size, config.size)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(ConformerLayer(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(config.size, eps=config.norm_eps)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode.

        Args:
            x: (B, T, input_size).
            mask: (B, T) bool, True = valid; None: everything is.

        Returns:
            (B, T, D).
        """
        return torch.as_tensor(self.norm(self.states(x, mask)[-1]))

    def states(self, x: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        """Output (B, T, D) of every block, before the last norm."""
        if self.embed is not None:
            x = self.embed(x)
        # parity: the factor stays with relative positions, although nothing is added to x there
        x = x * self.config.size**0.5
        table = None
        if self.config.relative:
            table = self.dropout(relative_sinusoids(x.shape[1], self.config.size, x))
        else:
            x = x + sinusoids(torch.arange(x.shape[1], device=x.device), x.shape[2]).to(x.dtype)
        x = self.dropout(x)
        states = []
        for layer in self.layers:
            x = layer(x, table, mask)
            states.append(x)
        return states
