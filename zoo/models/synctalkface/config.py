"""Configuration of SyncTalkFace. No code was released: what the paper does not say is marked ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from zoo.hub.config import ZooConfig
from zoo.models.talking_face.config import (
    CropConfig,
    DiscriminatorConfig,
    ExpertConfig,
    ExpertTrainingConfig,
)


@dataclass(frozen=True, kw_only=True)
class MemoryConfig(ZooConfig):
    """The audio-lip memory (paper, section 3.2)."""

    slots: int = 96
    """Pairs of keys and values."""
    kappa: float = 16.0
    """Factor on the cosine before the softmax."""
    recall: bool = True
    """False replaces what is recalled by one learned vector: the ablation without a memory."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(ZooConfig):
    """Stage "generator": the paper's losses; their weights are ours, none are published."""

    lr: float = 1e-4
    """Of Adam."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Of Adam."""
    total_steps: int = 200_000
    """Optimizer steps."""
    final_lr_share: float = 1.0
    """The learning rate falls along a cosine to this share of itself; 1 keeps it."""
    sync_weight: float = 0.03
    """Share of the audio-visual sync loss."""
    lip_weight: float = 0.03
    """Share of the visual-visual sync loss."""
    gan_weight: float = 0.07
    """Share of the discriminator's verdict; 0 trains without one."""
    store_weight: float = 1.0
    """Of the loss that makes the values a dictionary of lip features."""
    align_weight: float = 0.1
    """Of the loss that makes sound address what lips do."""
    mouth_weight: float = 0.0
    """Extra weight of the mouth in the L1 loss."""
    sync_below: float | None = 0.75
    """Both sync losses count once the first is below this in validation."""
    sync_after: int | None = None
    """They also count from this step on."""
    expert_batch_statistics: bool = False
    """Run the frozen expert in train mode, as Wav2Lip's scripts do."""


@dataclass(frozen=True, kw_only=True)
class SyncTalkFaceConfig(ZooConfig):
    """Sizes and training; the defaults are the paper's where it says them."""

    PRESETS: ClassVar[tuple[str, ...]] = ("paper", "tiny")

    image_size: int = 128
    """Side of a face in pixels."""
    width: int = 16
    """Channels at full resolution; features have 32 times as many (512)."""
    copy_gate: bool = False
    """Mix the painted pixels with the given ones (ours; see `zoo.nn.wav2lip.FaceGenerator`)."""
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    """The memory."""
    expert: ExpertConfig = field(default_factory=ExpertConfig)
    """The sync expert, a loss only."""
    discriminator: DiscriminatorConfig | None = field(default_factory=DiscriminatorConfig)
    """None where `training.gan_weight` is 0."""
    crop: CropConfig = field(default_factory=CropConfig)
    """How faces are cut out."""
    train_shift: int = -1
    """Frame, counted from its own, with which the mel window of a frame starts in training."""
    inference_shift: int = 0
    """The same in use."""
    batch_size: int = 16
    """Clips a step, over all processes."""
    windows: int = 2
    """Windows a clip in stage "expert"."""
    context: int = 2
    """Frames on either side that the lip encoder sees of each frame."""
    expert_training: ExpertTrainingConfig = field(default_factory=ExpertTrainingConfig)
    """Stage "expert"."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Stage "generator"."""

    @classmethod
    def paper(cls) -> SyncTalkFaceConfig:
        """128 pixels, 96 slots."""
        return cls()

    @classmethod
    def tiny(cls) -> SyncTalkFaceConfig:
        """A quarter of the width at 64 pixels, 16 slots; trains in minutes on a processor."""
        narrow = (8, 16, 32, 64, 128)
        return cls(
            image_size=64,
            width=4,
            copy_gate=True,
            memory=MemoryConfig(slots=16),
            expert=ExpertConfig(face_channels=narrow, audio_channels=narrow),
            discriminator=None,
            crop=CropConfig.tiny(),
            train_shift=-2,
            inference_shift=-2,
            batch_size=6,
            windows=8,
            expert_training=ExpertTrainingConfig(
                lr=2e-3,
                total_steps=1500,
                loss="contrast",
                guide="mouth",
                guide_weight=2.0,
                final_lr_share=0.05,
            ),
            training=TrainingConfig(
                lr=1e-3,
                betas=(0.9, 0.999),
                total_steps=800,
                final_lr_share=0.05,
                sync_weight=0.05,
                lip_weight=0.05,
                gan_weight=0.0,
                store_weight=0.05,
                mouth_weight=3.0,
                sync_below=None,
                sync_after=350,
            ),
        )
