"""Wav2Lip as a LightningModule: the sync expert first, then the generator against it."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from zoo.errors import ConfigError
from zoo.models.animation import Animator
from zoo.models.face_crop import CropConfig
from zoo.models.wav2lip_syncnet.config import Wav2LipConfig
from zoo.nn.face_windows import expert_input, generator_input
from zoo.nn.lip_sync_losses import (
    cosine_bce,
    discriminator_loss,
    expert_contrast,
    mouth_region,
    perceptual_loss,
    sync_loss,
    weighted_l1,
)
from zoo.nn.quality_discriminator import QualityDiscriminator
from zoo.nn.sync_expert import SyncExpert
from zoo.nn.wav2lip import Wav2LipGenerator
from zoo.training.recipe import Recipe, Stage

StageName = Literal["expert", "generator"]
Batch = dict[str, Any]


class Wav2Lip(Animator):
    """A face and speech in, the face saying it out (arXiv 2008.10010).

    Args:
        config: which networks there are, and their training.
        stage: what `fit` trains: "expert", then "generator" (and discriminator).
    """

    slug: ClassVar[str] = "wav2lip_syncnet"
    Config: ClassVar[type[Wav2LipConfig]] = Wav2LipConfig
    float32_keys: ClassVar[tuple[str, ...]] = (r".*\.norm\..*",)

    def __init__(self, config: Wav2LipConfig, stage: StageName = "generator") -> None:
        super().__init__(config)
        self.config: Wav2LipConfig = config
        self.stage = stage
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
        self.sync_counts = False
        """Whether the sync loss has begun to count."""
        self._choose_trainable()

    @classmethod
    def recipe(cls, config: Wav2LipConfig) -> Recipe:
        """Stages of `zoo train`: those whose networks the configuration has.

        Raises:
            ConfigError: it has no expert, without which nothing can be trained.
        """
        from zoo.data.face_windows import FaceWindowDataModule

        if config.expert is None:
            raise ConfigError(
                "this configuration has no sync expert, so nothing can be trained; use the preset "
                "paper, paper_gan or tiny, or add model.config.expert"
            )
        stages = [Stage(name="expert", max_steps="expert_training.total_steps")]
        if config.generator is not None:
            stages.append(Stage(name="generator", max_steps="training.total_steps"))
        return Recipe(
            stages=tuple(stages),
            datamodule=FaceWindowDataModule,
            links={
                "image_size": "image_size",
                "batch_size": "batch_size",
                "windows": "windows",
                "train_shift": "mel_shift",
                "crop.track_box": "track_box",
                "crop.landmark_box": "landmark_box",
                "crop.antialias": "antialias",
            },
        )

    def _choose_trainable(self) -> None:
        self.requires_grad_(False)
        if self.stage == "expert":
            trained = [self.expert]
        else:
            painted = self.config.training.perceptual_weight > 0
            trained = [self.generator, self.discriminator if painted else None]
        for network in trained:
            if network is not None:
                network.requires_grad_(True)

    @property
    def crop(self) -> CropConfig:
        """How faces are cut out."""
        return self.config.crop

    @property
    def image_size(self) -> int:
        """Side of a face in pixels."""
        return self.config.image_size

    @property
    def mel_shift(self) -> int:
        """Frame, counted from its own, with which the mel window of a frame starts."""
        return self.config.inference_shift

    def encode_audio(self, mel: Tensor) -> Tensor:
        """Latents (B, T, C) of mel windows (B, T, 1, 80, 16); gradients flow."""
        latent = self._generator.encode_audio(mel.flatten(0, 1))
        return latent.unflatten(0, mel.shape[:2])

    def generate(self, latent: Tensor, faces: Tensor) -> Tensor:
        """Faces (B, T, 3, S, S) BGR in [0, 1]; arguments as `Animator.generate`."""
        painted: Tensor = self._generator(latent.flatten(0, 1), faces.flatten(0, 1))
        return painted.unflatten(0, faces.shape[:2])

    @property
    def _generator(self) -> Wav2LipGenerator:
        if self.generator is None:
            raise ConfigError(
                "this checkpoint holds no generator, only "
                f"{'a sync expert' if self.expert is not None else 'a discriminator'}; load "
                "wav2lip.tiny or wav2lip_syncnet.wav2lip"
            )
        return self.generator

    @property
    def _expert(self) -> SyncExpert:
        if self.expert is None:
            raise ConfigError("this configuration has no sync expert, which training needs")
        return self.expert

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of the stage."""
        if self.stage == "expert":
            loss = self._expert_loss(batch)
        else:
            loss = self._generator_loss(batch)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch["faces"]))
        return loss

    def _expert_loss(self, batch: Batch) -> Tensor:
        faces, mel = pictures(batch["faces"]), batch["window_mel"]
        if self.config.expert_training.loss == "contrast":
            clips = torch.arange(len(faces), device=faces.device)
            groups = clips.repeat_interleave(faces.shape[1])
            sound, seen = self._expert(mel.flatten(0, 1), expert_input(faces.flatten(0, 1)))
            return expert_contrast(sound, seen, groups)
        # the sound is that of the first window, the face half the time that of the second
        right = torch.rand(len(faces), device=faces.device) < 0.5
        chosen = torch.where(right[:, None, None, None, None], faces[:, 0], faces[:, -1])
        sound, seen = self._expert(mel[:, 0], expert_input(chosen))
        return cosine_bce(sound, seen, right)

    def _generator_loss(self, batch: Batch) -> Tensor:
        settings = self.config.training
        target, painted = self._paint(batch)
        perceptual = settings.perceptual_weight
        sync = settings.sync_weight if self._sync_counts() else 0.0
        l1 = weighted_l1(painted, target, settings.mouth_weight)
        loss = (1 - sync - perceptual) * l1
        if sync > 0:
            loss = loss + sync * self._sync_loss(batch, painted)
        if perceptual > 0:
            assert self.discriminator is not None
            loss = loss + perceptual * perceptual_loss(self.discriminator, painted)
            # the generator's gradient does not reach the discriminator nor the other way round, so
            # one step on the sum is the official pair of steps
            loss = loss + discriminator_loss(self.discriminator, target, painted)
        self.log("train/l1", l1.detach(), batch_size=len(target))
        return loss

    def _paint(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """True and generated frames (B, 5, 3, S, S) of the first window of each clip."""
        target, reference = pictures(batch["faces"][:, 0]), pictures(batch["reference"])
        latent = self.encode_audio(batch["frame_mel"])
        return target, self.generate(latent, generator_input(target, reference))

    def _sync_loss(self, batch: Batch, frames: Tensor) -> Tensor:
        training = self.training and self.config.training.expert_batch_statistics
        mel = batch["window_mel"][:, 0]
        return sync_loss(self._expert, mel, frames, batch_statistics=training)

    def _sync_counts(self) -> bool:
        after = self.config.training.sync_after
        return self.sync_counts or (after is not None and self.global_step >= after)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Expert: loss, and how often the right sound of a clip's windows is found. Generator: L1
        of the face and of the mouth (beside copying the reference), sync loss."""
        if self.stage == "expert":
            self._validate_expert(batch)
            return
        settings, size = self.config.training, len(batch["faces"])
        target, painted = self._paint(batch)
        copied = mouth_region(pictures(batch["reference"]) - target).abs().mean()
        sync = self._sync_loss(batch, painted)
        l1 = weighted_l1(painted, target, settings.mouth_weight)
        self.log("val/l1", (painted - target).abs().mean(), batch_size=size)
        mouth = mouth_region(painted - target).abs().mean()
        self.log("val/mouth_l1", mouth, prog_bar=True, batch_size=size)
        self.log("val/copied_mouth_l1", copied, batch_size=size)
        self.log("val/sync", sync, prog_bar=True, batch_size=size)
        share = settings.sync_weight
        self.log("val/loss", share * sync + (1 - share) * l1, batch_size=size)

    def _validate_expert(self, batch: Batch) -> None:
        faces, mel = pictures(batch["faces"]), batch["window_mel"]
        clips, windows = faces.shape[:2]
        sound, seen = self._expert(mel.flatten(0, 1), expert_input(faces.flatten(0, 1)))
        sound, seen = (x.unflatten(0, (clips, windows)) for x in (sound, seen))
        cosine = seen @ sound.transpose(1, 2)  # (B, K, K)
        right = torch.arange(windows, device=faces.device)
        found = (cosine.argmax(dim=2) == right).float().mean()
        self.log("val/accuracy", found, prog_bar=True, batch_size=clips)
        self.log("val/loss", self._expert_loss(batch), prog_bar=True, batch_size=clips)

    def on_validation_epoch_end(self) -> None:
        """Let the sync loss count once the generator has learned enough to be judged."""
        below, sync = self.config.training.sync_below, self.trainer.callback_metrics.get("val/sync")
        if below is not None and sync is not None and float(sync) < below:
            self.sync_counts = True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the switch: the official scripts forget it when they are resumed."""
        checkpoint["sync_counts"] = self.sync_counts

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the switch."""
        self.sync_counts = bool(checkpoint.get("sync_counts", False))

    def configure_optimizers(self) -> Any:
        """Adam for everything that the stage trains."""
        if self.stage == "expert":
            own = self.config.expert_training
            lr, steps, share, betas = own.lr, own.total_steps, own.final_lr_share, (0.9, 0.999)
        else:
            settings = self.config.training
            lr, steps, share = settings.lr, settings.total_steps, settings.final_lr_share
            betas = settings.betas
        trainable = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(trainable, lr=lr, betas=betas)
        schedule = LambdaLR(optimizer, lambda step: cosine_fall(step / steps, share))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def pictures(pixels: Tensor) -> Tensor:
    """uint8 as float in [0, 1]."""
    return pixels / 255


def cosine_fall(progress: float, share: float) -> float:
    """Factor on the learning rate after a part of the training: from 1 along a cosine to `share`."""
    return share + (1 - share) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
