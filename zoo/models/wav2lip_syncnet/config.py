"""Configuration of Wav2Lip: generator, sync expert, quality discriminator and their training."""

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
from zoo.nn.wav2lip import GeneratorChannels


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(ZooConfig):
    """The generator; the defaults are those of the released weights."""

    face_channels: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    """Face encoder: full resolution, then one for every halving."""
    audio_channels: tuple[int, ...] = (32, 64, 128, 256, 512)
    """Audio encoder; the last one is the width of the audio latent."""
    decoder_channels: tuple[int, ...] = (512, 512, 512, 384, 256, 128, 64)
    """Decoder, from one pixel up."""
    output_channels: int = 32
    """Hidden layer of the output."""
    copy_gate: bool = False
    """Mix the painted pixels with the given ones (ours; see `zoo.nn.wav2lip.FaceGenerator`)."""

    @property
    def channels(self) -> GeneratorChannels:
        """The widths as the network takes them."""
        return GeneratorChannels(
            face=self.face_channels,
            audio=self.audio_channels,
            decoder=self.decoder_channels,
            output=self.output_channels,
        )

    @classmethod
    def scaled(cls, width: int, *, copy_gate: bool = False) -> GeneratorConfig:
        """The paper's widths (`width` 16) scaled."""
        own = GeneratorChannels.scaled(width)
        return cls(
            face_channels=own.face,
            audio_channels=own.audio,
            decoder_channels=own.decoder,
            output_channels=own.output,
            copy_gate=copy_gate,
        )


@dataclass(frozen=True, kw_only=True)
class GeneratorTrainingConfig(GeneratorSettings):
    """Stage "generator" (paper, sections 3.2 to 3.4)."""

    lr: float = 1e-4
    """Of Adam, also for the discriminator."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Of Adam; 0.5 and 0.999 with a discriminator."""
    total_steps: int = 300_000
    sync_weight: float = 0.01
    """Share of the sync loss; 0.03 with a discriminator."""
    perceptual_weight: float = 0.0
    """Share of the discriminator's verdict, 0.07 in the paper; needs a discriminator."""


@dataclass(frozen=True, kw_only=True)
class Wav2LipConfig(AnimatorConfig):
    """Which networks there are, and how they are trained; the defaults are the released generator."""

    PRESETS: ClassVar[tuple[str, ...]] = (
        "wav2lip",
        "sync_expert",
        "quality",
        "paper",
        "paper_gan",
        "tiny",
    )

    image_size: int = 96
    """Side of a face in pixels: 64, 96 or 128."""
    generator: GeneratorConfig | None = field(default_factory=GeneratorConfig)
    """None where a file holds another part only."""
    expert: ExpertConfig | None = None
    """Needed to train a generator."""
    discriminator: DiscriminatorConfig | None = None
    """Needed to train with `perceptual_weight`."""
    training: GeneratorTrainingConfig = field(default_factory=GeneratorTrainingConfig)
    """Stage "generator"."""

    @classmethod
    def wav2lip(cls) -> Wav2LipConfig:
        """The released generators, `wav2lip.pth` and `wav2lip_gan.pth`."""
        return cls()

    @classmethod
    def sync_expert(cls) -> Wav2LipConfig:
        """The released sync expert, `lipsync_expert.pth`."""
        return cls(generator=None, expert=ExpertConfig(), batch_size=64)

    @classmethod
    def quality(cls) -> Wav2LipConfig:
        """The released discriminator, `visual_quality_disc.pth`."""
        return cls(generator=None, discriminator=DiscriminatorConfig())

    @classmethod
    def paper(cls) -> Wav2LipConfig:
        """What is needed to train the generator without a discriminator."""
        return cls(expert=ExpertConfig())

    @classmethod
    def paper_gan(cls) -> Wav2LipConfig:
        """What is needed to train the generator with the discriminator."""
        training = GeneratorTrainingConfig(
            betas=(0.5, 0.999), sync_weight=0.03, perceptual_weight=0.07
        )
        return cls(expert=ExpertConfig(), discriminator=DiscriminatorConfig(), training=training)

    @classmethod
    def tiny(cls) -> Wav2LipConfig:
        """A quarter of the width at 64 pixels; trains in minutes on a processor."""
        return cls(
            image_size=64,
            generator=GeneratorConfig.scaled(4, copy_gate=True),
            expert=ExpertConfig(
                face_channels=(8, 16, 32, 64, 128), audio_channels=(8, 16, 32, 64, 128)
            ),
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
            training=GeneratorTrainingConfig(
                lr=1e-3,
                total_steps=4000,
                sync_weight=0.3,
                sync_below=None,
                sync_after=450,
                sync_sees="mouth",
                mouth_weight=8.0,
                guide="mouth",
                guide_weight=1.0,
                from_expert=True,
                final_lr_share=0.05,
            ),
        )
