"""Configuration of the landmark detector of the tiny corpora."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from zoo.hub.config import ZooConfig
from zoo.training.settings import DecayedTrainingSettings


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(DecayedTrainingSettings):
    """How it is trained."""

    batch_size: int = 24
    """Frames in a global batch."""
    clips: int = 1200
    """Clips that frames are taken of."""
    frames_per_clip: int = 4
    """Frames of each, kept in memory at 150 kB."""
    lr: float = 2e-3
    weight_decay: float = 1e-2
    warmup_steps: int = 100
    """Steps of linear growth; linear decay to zero follows."""
    total_steps: int = 800
    gradient_clip: float = 5.0


@dataclass(frozen=True, kw_only=True)
class JudgeLandmarksConfig(ZooConfig):
    """A locator that sees the whole frame, and a pointer that sees the face."""

    PRESETS: ClassVar[tuple[str, ...]] = ("tiny",)

    locator_size: int = 64
    """Side of the whole frame as the locator sees it."""
    locator_channels: tuple[int, ...] = (16, 32, 48, 64)
    """Outputs of its convolutions, each of which halves the map."""
    locator_hidden: int = 128
    """Width of its hidden layer."""
    crop_size: int = 96
    """Side of the face as the pointer sees it."""
    margin: float = 1.35
    """Side of that crop in sides of the box around the points."""
    stem_channels: int = 32
    """Outputs of the pointer's first convolution."""
    channels: tuple[int, int, int] = (48, 64, 96)
    """Widths of the pointer at a quarter, an eighth and a sixteenth of the crop."""
    num_points: int = 68
    """Landmarks, numbered as dlib and FAN do."""
    threshold: float = 0.5
    """Face scores below it mean that there is no face."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """How it is trained."""

    @classmethod
    def tiny(cls) -> JudgeLandmarksConfig:
        """The only one: 0.8 M parameters."""
        return cls()
