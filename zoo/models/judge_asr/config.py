"""Configuration of the speech recogniser that judges the tiny corpora."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from zoo.hub.config import ZooConfig


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(ZooConfig):
    """How it is trained."""

    batch_size: int = 16
    """Utterances in a global batch."""
    lr: float = 2e-3
    """Peak learning rate of AdamW."""
    weight_decay: float = 1e-2
    """Decoupled weight decay."""
    warmup_steps: int = 200
    """Steps of linear growth; linear decay to zero follows."""
    total_steps: int = 2000
    """Optimizer steps."""
    gradient_clip: float = 5.0
    """Limit of the gradient norm."""
    time_masks: int = 2
    """Stretches of a spectrogram that are blanked."""
    time_mask_size: int = 10
    """Longest of them, in frames of 10 ms."""
    band_masks: int = 2
    """Groups of mel bands that are blanked."""
    band_mask_size: int = 12
    """Widest of them, in bands."""


@dataclass(frozen=True, kw_only=True)
class JudgeASRConfig(ZooConfig):
    """Log-mel bands to characters."""

    PRESETS: ClassVar[tuple[str, ...]] = ("tiny",)

    num_mels: int = 80
    """Mel bands of the front-end (10 ms a frame)."""
    dynamic_range: float = 6.5
    """Nepers below an utterance's peak that are still heard (56 dB), so that the noise floor of a
    recording does not matter."""
    hidden_size: int = 160
    """Width of the encoder, which runs at 25 frames a second."""
    num_blocks: int = 5
    """Blocks of attention, convolution and feed-forward."""
    num_heads: int = 4
    """Attention heads."""
    ffn_size: int = 640
    """Width of the feed-forward parts."""
    kernel_size: int = 15
    """Frames that a convolution spans; odd."""
    outputs_per_frame: int = 2
    """CTC outputs a frame: fast speech has more than 12 characters a second."""
    dropout: float = 0.1
    """On the output of every part of a block."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """How it is trained."""

    @classmethod
    def tiny(cls) -> JudgeASRConfig:
        """The only one: 2.1 M parameters."""
        return cls()
