"""Sizes of an AV-HuBERT encoder, with the two released ones (arXiv 2201.02184, section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from zoo.hub.config import ZooConfig


@dataclass(frozen=True, kw_only=True)
class AVHuBERTConfig(ZooConfig):
    """Architecture of one encoder; the defaults are AV-HuBERT Base."""

    PRESETS: ClassVar[tuple[str, ...]] = ("base", "large", "tiny")

    stem_widths: tuple[int, ...] = (64, 128, 256, 512)
    """Channels of the four stages of the visual front-end."""
    audio_size: int = 104
    """Numbers a frame of sound: four stacked filter banks."""
    hidden_size: int = 768
    """Width D of the transformer."""
    num_layers: int = 12
    """Transformer layers."""
    num_heads: int = 12
    """Attention heads."""
    ffn_size: int = 3072
    """Width of the feed-forward parts."""
    position_kernel: int = 128
    """Frames of the positional convolution."""
    position_groups: int = 16
    """Its groups."""
    pre_norm: bool = True
    """Norms before the parts, as in every released model."""
    fusion: Literal["concat", "add"] = "concat"
    """Streams side by side and projected, or added."""
    dropout: float = 0.1
    """After every part."""
    attention_dropout: float = 0.1
    """On the attention weights."""
    activation_dropout: float = 0.0
    """Inside the feed-forward parts."""
    input_dropout: float = 0.1
    """On the fused features."""
    layer_drop: float = 0.05
    """Share of layers left out of a training step."""
    feature_grad_scale: float = 0.1
    """Factor on the gradients of both front-ends."""
    modality_dropout: float = 0.5
    """How often a training step has only one stream."""
    audio_dropout: float = 0.5
    """How often that leaves out the sound."""

    @classmethod
    def base(cls) -> AVHuBERTConfig:
        """12 layers of 768: 103 M parameters."""
        return cls()

    @classmethod
    def large(cls) -> AVHuBERTConfig:
        """24 layers of 1024: 325 M parameters."""
        return cls(hidden_size=1024, num_layers=24, num_heads=16, ffn_size=4096)

    @classmethod
    def tiny(cls) -> AVHuBERTConfig:
        """For small corpora on a CPU: 1.2 M parameters."""
        return cls(
            stem_widths=(16, 32, 48, 96),
            hidden_size=128,
            num_layers=4,
            num_heads=4,
            ffn_size=384,
            position_kernel=32,
            position_groups=8,
            layer_drop=0.0,
            feature_grad_scale=1.0,
        )
