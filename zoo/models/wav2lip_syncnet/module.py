"""Wav2Lip as a LightningModule: the sync expert first, then the generator against it."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from zoo.errors import ConfigError
from zoo.models.talking_face.training import (
    Batch,
    StageName,
    TrainedAnimator,
    pictures,
    recipe,
)
from zoo.models.wav2lip_syncnet.config import Wav2LipConfig
from zoo.nn.face_windows import by_clip, generator_input
from zoo.nn.lip_sync_losses import discriminator_loss, perceptual_loss, weighted_l1
from zoo.nn.quality_discriminator import QualityDiscriminator
from zoo.nn.sync_expert import SyncExpert
from zoo.nn.wav2lip import AudioEncoder, Wav2LipGenerator
from zoo.training.recipe import Recipe


class Wav2Lip(TrainedAnimator):
    """A face and speech in, the face saying it out (arXiv 2008.10010).

    Args:
        config: which networks there are, and their training.
        stage: what `fit` trains: "expert", then "generator" (and discriminator).
    """

    slug: ClassVar[str] = "wav2lip_syncnet"
    Config: ClassVar[type[Wav2LipConfig]] = Wav2LipConfig
    float32_keys: ClassVar[tuple[str, ...]] = (r".*\.norm\..*",)

    def __init__(self, config: Wav2LipConfig, stage: StageName | None = None) -> None:
        super().__init__(config, stage)
        self.config: Wav2LipConfig = config
        size = config.image_size
        generator, expert, judge = config.generator, config.expert, config.discriminator
        self.generator = self.expert = self.discriminator = None
        if generator is not None:
            self.generator = Wav2LipGenerator(
                generator.channels, size, copy_gate=generator.copy_gate
            )
        if expert is not None:
            self.expert = SyncExpert(expert.face_channels, expert.audio_channels, size)
        if judge is not None:
            self.discriminator = QualityDiscriminator(judge.channels, size)
        judged = config.training.perceptual_weight > 0
        if judged and self.discriminator is None:
            raise ConfigError("training.perceptual_weight is above 0: give a discriminator, too")
        painting = [self.generator, self.discriminator if judged else None]
        self.train_only([self.expert] if stage == "expert" else painting)

    @classmethod
    def does_its_task(cls, config: Wav2LipConfig) -> bool:
        """A sync expert alone paints nothing."""
        return config.generator is not None

    @classmethod
    def recipe(cls, config: Wav2LipConfig) -> Recipe:
        """Stages of `zoo train`: those whose networks the configuration has."""
        return recipe(config, generator=config.generator is not None)

    def encode_audio(self, mel: Tensor) -> Tensor:
        """Latents (B, T, C) of mel windows (B, T, 1, 80, 16); gradients flow."""
        return by_clip(self._generator.encode_audio(mel.flatten(0, 1)), mel)

    def generate(self, latent: Tensor, faces: Tensor) -> Tensor:
        """Faces (B, T, 3, S, S) BGR in [0, 1]; arguments as `Animator.generate`."""
        return by_clip(self._generator(latent.flatten(0, 1), faces.flatten(0, 1)), faces)

    @property
    def audio_encoder_in_use(self) -> AudioEncoder:
        """The generator's audio encoder."""
        return self._generator.audio_encoder

    @property
    def _generator(self) -> Wav2LipGenerator:
        if self.generator is None:
            raise ConfigError(
                "this checkpoint holds no generator, only "
                f"{'a sync expert' if self.expert is not None else 'a discriminator'}; load "
                "wav2lip_syncnet.wav2lip or a model of your own"
            )
        return self.generator

    def generator_loss(self, batch: Batch) -> Tensor:
        """Weighted sum of sync loss, discriminator and L1 (paper, section 3.4)."""
        settings = self.config.training
        latent = self.encode_audio(batch["frame_mel"])
        target, painted = self._paint(batch, latent)
        perceptual = settings.perceptual_weight
        sync = self.sync_share()
        l1 = weighted_l1(painted, target, settings.mouth_weight)
        loss = (1 - sync - perceptual) * l1 + self.guidance(batch)
        if sync > 0:
            loss = loss + sync * self.sync_loss(batch, painted)
        if perceptual > 0:
            assert self.discriminator is not None
            loss = loss + perceptual * perceptual_loss(self.discriminator, painted)
            # the generator's gradient does not reach the discriminator nor the other way round, so
            # one step on the sum is the official pair of steps
            loss = loss + discriminator_loss(self.discriminator, target, painted)
        self.log("train/l1", l1.detach(), batch_size=len(target))
        return loss

    def _paint(self, batch: Batch, latent: Tensor) -> tuple[Tensor, Tensor]:
        """True and generated frames (B, 5, 3, S, S) of the first window of each clip."""
        target, reference = pictures(batch["faces"][:, 0]), pictures(batch["reference"])
        return target, self.generate(latent, generator_input(target, reference))

    def validate_generator(self, batch: Batch) -> None:
        """Log L1, sync loss, and the loss as it is once the sync loss counts."""
        settings, size = self.config.training, len(batch["faces"])
        target, painted = self._paint(batch, self.encode_audio(batch["frame_mel"]))
        self.log_faces(batch, target, painted)
        sync = self.sync_loss(batch, painted)
        self.log("val/sync", sync, prog_bar=True, batch_size=size)
        l1, share = weighted_l1(painted, target, settings.mouth_weight), settings.sync_weight
        self.log("val/loss", share * sync + (1 - share) * l1, batch_size=size)
