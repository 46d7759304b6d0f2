"""Parts of the configurations of talking-face models: face crop, sync expert, discriminator."""

from __future__ import annotations

from dataclasses import dataclass, field
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
class AdamSettings(ZooConfig):
    """What every stage says of its optimizer."""

    lr: float = 1e-4
    """Of Adam."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Of Adam."""
    total_steps: int
    """Optimizer steps."""
    final_lr_share: float = 1.0
    """The learning rate falls along a cosine to this share of itself; 1 keeps it."""


@dataclass(frozen=True, kw_only=True)
class GeneratorSettings(AdamSettings):
    """What the stage "generator" of every model says."""

    sync_weight: float
    """Share of the sync loss."""
    sync_sees: Literal["face", "mouth"] = "face"
    """What the sync loss is shown: the painted face, as published; or the painted mouth in the true
    face, so that nothing beside the mouth is painted to please the expert."""
    mouth_weight: float = 0.0
    """Extra weight of the mouth in the L1 loss; 0 is the paper's."""
    guide: Literal["none", "mouth"] = "none"
    """What the sound's features have to follow: nothing but what painting needs, as in the paper;
    or the opening and width of the drawn mouth, which generated corpora know."""
    guide_weight: float = 0.0
    """Weight of that."""
    from_expert: bool = False
    """Start the audio encoder as a copy of the expert's (all blocks but one are alike), which
    already hears what lips do, and a lip encoder as a copy of its face tower; False starts at
    random, as the papers do."""
    sync_below: float | None = 0.75
    """The sync loss counts once it is below this in validation."""
    sync_after: int | None = None
    """It also counts from this step on."""
    expert_batch_statistics: bool = False
    """Run the frozen expert in train mode, as Wav2Lip's scripts do."""


@dataclass(frozen=True, kw_only=True)
class ExpertTrainingConfig(AdamSettings):
    """Stage "expert" (paper, section 3.1)."""

    total_steps: int = 1_000_000
    """Optimizer steps; the official script runs until it is stopped."""
    loss: Literal["bce", "contrast"] = "bce"
    """"bce": one pair a clip, right or wrong with equal chance, cross-entropy on the cosine (the
    paper's). "contrast": all windows of a clip against each other (ours, for small experts)."""
    guide: Literal["loudness", "mouth"] = "loudness"
    """What the embeddings of either side also have to follow: the sound's loudness, or the
    opening and width of the drawn mouth, which generated corpora know."""
    guide_weight: float = 0.0
    """Weight of that, with "contrast"; 0 leaves it out, as the paper does."""


@dataclass(frozen=True, kw_only=True)
class AnimatorConfig(ZooConfig):
    """Crops, windows and the training of the expert, which all models have in common."""

    crop: CropConfig = field(default_factory=CropConfig)
    """How faces are cut out."""
    train_shift: int = -1
    """Frame, counted from its own, with which the mel window of a frame starts in training."""
    inference_shift: int = 0
    """The same in use. parity: the official code differs from its own training by one frame."""
    reference: Literal["same", "first"] = "same"
    """Whose looks a frame gets in use: its own, mouth and all, as in the official code; or those of
    the clip's first frame, which leave nothing but the sound to say where the lips are."""
    batch_size: int = 16
    """Clips a step, over all processes; 64 for Wav2Lip's expert."""
    windows: int = 2
    """Windows a clip in stage "expert": two make a right and a wrong pair."""
    expert_training: ExpertTrainingConfig = field(default_factory=ExpertTrainingConfig)
    """Stage "expert"."""
