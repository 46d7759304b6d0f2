"""Configuration of the SyncNet that judges the tiny corpora."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from zoo.hub.config import ZooConfig
from zoo.training.settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(TrainingSettings):
    """How it is trained."""

    batch_size: int = 16
    """Clips in a global batch."""
    stretch: int = 17
    """Frames taken of each clip."""
    window_step: int = 3
    """Frames from window to window of a stretch: five windows, each the others' negative."""
    clips: int = 800
    """Clips that are kept in memory, 3.5 MB each."""
    mouth_weight: float = 2.0
    """Of telling the drawn mouth's opening and width from either side; the contrast alone finds
    what to look at much later."""
    lr: float = 1.5e-3
    warmup_steps: int = 100
    """Steps of linear growth; linear decay to zero follows."""
    total_steps: int = 1000
    gradient_clip: float = 5.0


@dataclass(frozen=True, kw_only=True)
class JudgeSyncNetConfig(ZooConfig):
    """SyncNet at a quarter of the width; it sees the lower middle of a frame only."""

    PRESETS: ClassVar[tuple[str, ...]] = ("tiny",)

    audio_channels: tuple[int, ...] = (24, 48, 64, 64, 64, 128)
    """Outputs of the six convolutions over MFCC."""
    lip_channels: tuple[int, ...] = (24, 48, 64, 64, 64, 128)
    """Outputs of the six convolutions over frames."""
    head_size: int = 128
    """Hidden width of the heads."""
    embedding_size: int = 128
    """Width of the common space."""
    image_size: int = 112
    """Side of the part of a frame of 224 pixels that it sees."""
    corner: tuple[int, int] = (96, 56)
    """Upper left corner of that part, top and left: the mouth of an LRS-style face track."""
    max_shift: int = 15
    """Largest offset that is searched, in video frames."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """How it is trained."""

    @classmethod
    def tiny(cls) -> JudgeSyncNetConfig:
        """The only one: 0.9 M parameters."""
        return cls()
