"""Configuration of SyncTalkFace. No code was released: what the paper does not say is marked ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from zoo.hub.config import ZooConfig
from zoo.models.talking_face.config import (
    AnimatorConfig,
    CropConfig,
    DiscriminatorConfig,
    ExpertConfig,
    ExpertTrainingConfig,
    GeneratorSettings,
)


@dataclass(frozen=True, kw_only=True)
class MemoryConfig(ZooConfig):
    """The audio-lip memory (paper, section 3.2)."""

    slots: int = 96
    """Pairs of keys and values."""
    kappa: float = 16.0
    """Factor on the cosine before the softmax."""
    fill_from: int = 0
    """Batches of training clips whose sound, clustered, fills the keys before the first step, and
    whose lips the values (ours); 0 starts at random, as the paper does. Few slots that start alike
    all become the mean."""
    recall: bool = True
    """False replaces what is recalled by one learned vector: the ablation without a memory."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(GeneratorSettings):
    """Stage "generator": the paper's losses; their weights are ours, none are published."""

    betas: tuple[float, float] = (0.5, 0.999)
    total_steps: int = 200_000
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
    sync_below: float | None = 0.75
    """Both sync losses count once the first is below this in validation."""
    trunk_source: str | None = None
    """Wav2Lip checkpoint of the same sizes whose encoders and decoder this one's start from (ours);
    None starts at random, as the paper does."""


@dataclass(frozen=True, kw_only=True)
class SyncTalkFaceConfig(AnimatorConfig):
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
    expert: ExpertConfig | None = field(default_factory=ExpertConfig)
    """The sync expert, a loss only; None in a checkpoint for use."""
    discriminator: DiscriminatorConfig | None = field(default_factory=DiscriminatorConfig)
    """None where `training.gan_weight` is 0."""
    context: int = 2
    """Frames on either side that the lip encoder sees of each frame."""
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
            memory=MemoryConfig(slots=16, fill_from=40),
            expert=ExpertConfig(face_channels=narrow, audio_channels=narrow),
            discriminator=None,
            crop=CropConfig.tiny(),
            train_shift=-2,
            inference_shift=-2,
            reference="first",
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
                total_steps=650,
                final_lr_share=0.05,
                sync_weight=0.3,
                lip_weight=0.05,
                gan_weight=0.0,
                store_weight=0.01,
                align_weight=0.3,
                sync_sees="mouth",
                mouth_weight=8.0,
                guide="mouth",
                guide_weight=1.0,
                from_expert=True,
                trunk_source="wav2lip.tiny",
                sync_below=None,
                sync_after=100,
            ),
        )
