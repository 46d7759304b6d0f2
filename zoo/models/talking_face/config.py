"""Parts of the configurations of talking-face models: face crop, sync expert, discriminator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zoo.hub.config import ZooConfig
from zoo.video.face_boxes import BoxRule


@dataclass(frozen=True, kw_only=True)
class CropConfig(ZooConfig):
    """How a face is cut out of a picture."""

    track_box: tuple[float, float, float] = (0.5, 0.45, 0.64)
    """Centre x, centre y and side in an LRS-style face track, as shares of its shorter side."""
    landmark_box: tuple[float, float, float] = (0.43, 2.0, 2.65)
    """Centre below the eyes, width and height in distances from eyes to mouth (about an S3FD box)."""
    antialias: bool = False
    """Smooth before shrinking; OpenCV's resize, with which the released weights live, does not."""

    @classmethod
    def tiny(cls) -> CropConfig:
        """The faces of the tiny corpora: eyes to chin, the mouth in the lower half."""
        return cls(track_box=(0.5, 0.565, 0.52), landmark_box=(0.74, 1.81, 1.81), antialias=True)

    @property
    def rule(self) -> BoxRule:
        """As the box finder takes it."""
        return BoxRule(track=self.track_box, landmarks=self.landmark_box)


@dataclass(frozen=True, kw_only=True)
class ExpertConfig(ZooConfig):
    """The sync expert."""

    face_channels: tuple[int, ...] = (32, 64, 128, 256, 512)
    """Five widths of the face tower."""
    audio_channels: tuple[int, ...] = (32, 64, 128, 256, 512)
    """Five widths of the audio encoder."""


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(ZooConfig):
    """The visual quality discriminator."""

    channels: tuple[int, ...] = (32, 64, 128, 256, 512)
    """Five widths."""


@dataclass(frozen=True, kw_only=True)
class ExpertTrainingConfig(ZooConfig):
    """Stage "expert" (paper, section 3.1)."""

    lr: float = 1e-4
    """Of Adam."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Of Adam."""
    total_steps: int = 1_000_000
    """Optimizer steps; the official script runs until it is stopped."""
    final_lr_share: float = 1.0
    """The learning rate falls along a cosine to this share of itself; 1 keeps it."""
    loss: Literal["bce", "contrast"] = "bce"
    """"bce": one pair a clip, right or wrong with equal chance, cross-entropy on the cosine (the
    paper's). "contrast": all windows of a clip against each other (ours, for small experts)."""
    guide: Literal["loudness", "mouth"] = "loudness"
    """What the embeddings of either side also have to follow: the sound's loudness, or the
    opening and width of the drawn mouth, which generated corpora know."""
    guide_weight: float = 0.0
    """Weight of that, with "contrast"; 0 leaves it out, as the paper does."""
