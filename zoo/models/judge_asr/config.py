"""Configuration of the speech recogniser that judges the tiny corpora."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from zoo.hub.config import ZooConfig
from zoo.training.settings import DecayedTrainingSettings


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(DecayedTrainingSettings):
    """How it is trained."""

    batch_size: int = 16
    """Utterances in a global batch."""
    lr: float = 1.5e-3
    weight_decay: float = 1e-2
    warmup_steps: int = 100
    """Steps of linear growth; linear decay to zero follows."""
    total_steps: int = 2400
    gradient_clip: float = 5.0
    time_masks: int = 2
    """Stretches of a spectrogram that are blanked."""
    time_mask_size: int = 10
    """Longest of them, in frames of 10 ms."""
    band_masks: int = 2
    """Groups of mel bands that are blanked."""
    band_mask_size: int = 10
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
    hidden_size: int = 192
    """Width of the convolutions and of each direction of the GRU."""
    num_convolutions: int = 3
    """Convolutions over five frames; the first gives one frame for three."""
    num_layers: int = 3
    """Layers of the GRU."""
    dropout: float = 0.15
    """Between the layers of the GRU and before the output."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """How it is trained."""

    @classmethod
    def tiny(cls) -> JudgeASRConfig:
        """The only one: 2.2 M parameters."""
        return cls()
