"""Sizes of a HuBERT encoder, with the two released ones (arXiv 2106.07447)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal

from zoo.hub.config import ZooConfig


@dataclass(frozen=True, kw_only=True)
class HuBERTConfig(ZooConfig):
    """Architecture of one HuBERT encoder; the defaults are HuBERT Base."""

    PRESETS: ClassVar[tuple[str, ...]] = ("base", "large")

    conv_channels: tuple[int, ...] = (512,) * 7
    """Output channels of the convolutions over the waveform."""
    conv_kernels: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    """Their kernel sizes; the first one counts samples."""
    conv_strides: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    """Their strides; the product is the number of samples a frame stands for."""
    conv_bias: bool = False
    """Whether the convolutions have a bias (some copies of HuBERT Large)."""
    conv_norm: Literal["group", "layer"] = "group"
    """One GroupNorm after the first convolution (Base), or a LayerNorm after each (Large)."""
    hidden_size: int = 768
    """Width of the transformer."""
    num_layers: int = 12
    """Transformer layers."""
    num_heads: int = 12
    """Attention heads."""
    ffn_size: int = 3072
    """Width of the feed-forward part."""
    position_kernel: int = 128
    """Kernel of the positional convolution, in frames."""
    position_groups: int = 16
    """Its groups."""
    pre_norm: bool = False
    """LayerNorm before each block (Large) instead of after it (Base)."""
    normalize_waveform: bool = False
    """Layer-normalise each waveform over its own length (Large), without affine."""
    dropout: float = 0.1
    """After attention, feed-forward output, projection and positional convolution."""
    attention_dropout: float = 0.1
    """On the attention weights."""

    @classmethod
    def base(cls) -> HuBERTConfig:
        """`hubert_base_ls960` and mHuBERT: 95 M parameters."""
        return cls()

    @classmethod
    def large(cls) -> HuBERTConfig:
        """`hubert_large_ll60k`: 316 M parameters, trained without dropout."""
        return cls(
            conv_norm="layer",
            hidden_size=1024,
            num_layers=24,
            num_heads=16,
            ffn_size=4096,
            pre_norm=True,
            normalize_waveform=True,
            dropout=0.0,
            attention_dropout=0.0,
        )

    @property
    def stride(self) -> int:
        """Samples a frame: 320 in the released models."""
        return prod(self.conv_strides)

    @property
    def receptive_field(self) -> int:
        """Samples the first frame sees, which is also the shortest usable waveform."""
        field = 1
        for kernel, stride in zip(
            reversed(self.conv_kernels), reversed(self.conv_strides), strict=True
        ):
            field = (field - 1) * stride + kernel
        return field
