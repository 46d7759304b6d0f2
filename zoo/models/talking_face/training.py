"""Training that the talking-face models share: the sync expert first, then the generator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zoo.errors import ConfigError
from zoo.hub.config import ZooConfig
from zoo.models.talking_face.animation import Animator
from zoo.models.talking_face.config import CropConfig, GeneratorSettings
from zoo.nn.face_windows import by_clip, expert_input
from zoo.nn.lip_sync_losses import (
    cosine_bce,
    expert_contrast,
    loudness,
    mouth_region,
    sync_loss,
    tracking_loss,
    with_mouth_of,
)
from zoo.nn.sync_expert import SyncExpert
from zoo.nn.wav2lip import AudioEncoder
from zoo.training.recipe import Recipe, Stage
from zoo.training.schedules import cosine, scheduled

StageName = Literal["expert", "generator"]
Batch = dict[str, Any]

LINKS = {
    "image_size": "image_size",
    "batch_size": "batch_size",
    "windows": "windows",
    "train_shift": "mel_shift",
    "crop.track_box": "track_box",
    "crop.landmark_box": "landmark_box",
    "crop.antialias": "antialias",
}
"""Path into the config -> argument of `FaceWindowDataModule`."""


class TrainedAnimator(Animator):
    """An `Animator` with its training; a subclass builds the networks and gives the loss.

    Args:
        config: of the model.
        stage: what `fit` trains: "expert", then "generator".
    """

    config: Any
    expert: SyncExpert | None

    def __init__(self, config: ZooConfig, stage: StageName | None) -> None:
        super().__init__(config)
        self.stage = stage
        self.sync_counts = False
        """Whether the sync loss has begun to count."""

    def setup(self, stage: str) -> None:
        """Start from the expert's encoders where the configuration says so."""
        super().setup(stage)
        fresh = stage == "fit" and self.stage == "generator"
        if fresh and self.settings.from_expert:
            # what a run resumes from is read after this
            self.start_from_expert()

    def start_from_expert(self) -> None:
        """Copy what the expert has learned."""
        self.audio_encoder_in_use.start_from(self.sync_expert.audio_encoder)

    @property
    def audio_encoder_in_use(self) -> AudioEncoder:
        """The generator's audio encoder."""
        raise NotImplementedError

    def guidance(self, batch: Batch) -> Tensor:
        """Weighted distance of the sound's features from the mouth, in all windows of the clips."""
        settings = self.settings
        if settings.guide == "none" or settings.guide_weight == 0:
            return torch.zeros((), device=self.device)
        # what is heard in a window belongs to the frame that it is shifted from
        middle = -self.config.train_shift
        latent = self.encode_audio(batch["window_mel"])
        loss = tracking_loss(latent, batch["mouth"][:, :, middle])
        self.log("train/mouth", loss.detach(), batch_size=len(latent))
        return settings.guide_weight * loss

    def train_only(self, networks: Iterable[nn.Module | None]) -> None:
        """Freeze everything but these."""
        self.requires_grad_(False)
        for network in networks:
            if network is not None:
                network.requires_grad_(True)

    def generator_loss(self, batch: Batch) -> Tensor:
        """Loss of the stage "generator"."""
        raise NotImplementedError

    def validate_generator(self, batch: Batch) -> None:
        """Log `val/loss` and what else says how good the generator is."""
        raise NotImplementedError

    @property
    def crop(self) -> CropConfig:
        """How faces are cut out."""
        crop: CropConfig = self.config.crop
        return crop

    @property
    def image_size(self) -> int:
        """Side of a face in pixels."""
        return int(self.config.image_size)

    @property
    def one_reference(self) -> bool:
        """Whether a film's first frame shows the looks of all, instead of each its own."""
        return bool(self.config.reference == "first")

    @property
    def mel_shift(self) -> int:
        """Frame, counted from its own, with which the mel window of a frame starts."""
        return int(self.config.inference_shift)

    @property
    def sync_expert(self) -> SyncExpert:
        """The expert.

        Raises:
            ConfigError: the configuration has none.
        """
        if self.expert is None:
            raise ConfigError("this configuration has no sync expert, which training needs")
        return self.expert

    @property
    def settings(self) -> GeneratorSettings:
        """Of the stage "generator"."""
        settings: GeneratorSettings = self.config.training
        return settings

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of the stage."""
        step = self.expert_loss if self.stage == "expert" else self.generator_loss
        loss = step(batch)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch["faces"]))
        return loss

    def expert_loss(self, batch: Batch) -> Tensor:
        """Sound and faces of the windows of a clip, brought together or apart."""
        faces, mel = pictures(batch["faces"]), batch["window_mel"]
        if self.config.expert_training.loss == "contrast":
            sound, seen = self._embed_windows(mel, faces)
            return expert_contrast(sound, seen) + self._guidance(batch, sound, seen)
        # the sound is that of the first window, the face half the time that of another
        right = torch.rand(len(faces), device=faces.device) < 0.5
        chosen = torch.where(right[:, None, None, None, None], faces[:, 0], faces[:, -1])
        sound, seen = self.sync_expert(mel[:, 0], expert_input(chosen))
        return cosine_bce(sound, seen, right)

    def _guidance(self, batch: Batch, sound: Tensor, seen: Tensor) -> Tensor:
        settings = self.config.expert_training
        if settings.guide_weight == 0:
            return sound.new_zeros(())
        if settings.guide == "mouth":
            target = batch["mouth"].flatten(2)
        else:
            target = loudness(batch["window_mel"])
        weight: float = settings.guide_weight
        return weight * (tracking_loss(sound, target) + tracking_loss(seen, target))

    def sync_share(self) -> float:
        """Weight of the sync loss at this step."""
        after = self.settings.sync_after
        counts = self.sync_counts or (after is not None and self.global_step >= after)
        return self.settings.sync_weight if counts else 0.0

    def sync_loss(self, batch: Batch, frames: Tensor) -> Tensor:
        """What the expert says of frames (B, 5, 3, S, S) of the first window of each clip."""
        if self.settings.sync_sees == "mouth":
            frames = with_mouth_of(pictures(batch["faces"][:, 0]), frames)
        official = self.training and self.settings.expert_batch_statistics
        mel = batch["window_mel"][:, 0]
        return sync_loss(self.sync_expert, mel, frames, batch_statistics=official)

    def log_faces(self, batch: Batch, target: Tensor, painted: Tensor) -> None:
        """Log L1 of the face and of the mouth, beside that of copying the reference."""
        reference, size = pictures(batch["reference"]), len(target)
        mouth = mouth_region(painted - target).abs().mean()
        copied = mouth_region(reference - target).abs().mean()
        self.log("val/l1", (painted - target).abs().mean(), batch_size=size)
        self.log("val/mouth_l1", mouth, prog_bar=True, batch_size=size)
        self.log("val/copied_mouth_l1", copied, batch_size=size)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Expert: loss, and how often the right sound of a clip's windows is found; generator: see
        `validate_generator`."""
        step = self._validate_expert if self.stage == "expert" else self.validate_generator
        step(batch)

    def _validate_expert(self, batch: Batch) -> None:
        faces, mel = pictures(batch["faces"]), batch["window_mel"]
        clips, windows = faces.shape[:2]
        sound, seen = self._embed_windows(mel, faces)
        cosine = seen @ sound.transpose(1, 2)  # (B, K, K)
        right = torch.arange(windows, device=faces.device)
        found = (cosine.argmax(dim=2) == right).float().mean()
        self.log("val/accuracy", found, prog_bar=True, batch_size=clips)
        self.log("val/loss", self.expert_loss(batch), prog_bar=True, batch_size=clips)

    def _embed_windows(self, mel: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (B, K, C) of mel (B, K, 1, 80, 16) and faces (B, K, 5, 3, S, S)."""
        sound, seen = self.sync_expert(mel.flatten(0, 1), expert_input(faces.flatten(0, 1)))
        return by_clip(sound, mel), by_clip(seen, mel)

    def on_validation_epoch_end(self) -> None:
        """Let the sync loss count once the generator has learned enough to be judged."""
        below, sync = self.settings.sync_below, self.trainer.callback_metrics.get("val/sync")
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
        own = self.config.expert_training if self.stage == "expert" else self.settings
        trainable = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(trainable, lr=own.lr, betas=tuple(own.betas))
        return scheduled(optimizer, cosine(0, own.total_steps, own.final_lr_share))


def recipe(
    config: Any,
    *,
    generator: bool = True,
    links: Mapping[str, str] | None = None,
    ablations: Mapping[str, Mapping[str, Any]] | None = None,
) -> Recipe:
    """Stages and data of `zoo train`.

    Args:
        config: of the model.
        generator: whether there is one.
        links: further paths into the config -> arguments of the datamodule.
        ablations: see `Recipe`.

    Raises:
        ConfigError: the configuration has no expert, without which nothing can be trained.
    """
    from zoo.data.face_windows import FaceWindowDataModule

    if config.expert is None:
        raise ConfigError(
            "this configuration has no sync expert, so nothing can be trained; choose a preset "
            "that has one (tiny, paper), or give --model.config.expert"
        )
    guide = {"expert_training.guide": "guide"}
    stages = [Stage(name="expert", max_steps="expert_training.total_steps", links=guide)]
    if generator:
        guide = {"training.guide": "guide"}
        stages.append(Stage(name="generator", max_steps="training.total_steps", links=guide))
    return Recipe(
        stages=tuple(stages),
        datamodule=FaceWindowDataModule,
        links={**LINKS, **(links or {})},
        ablations=ablations or {},
    )


def pictures(pixels: Tensor) -> Tensor:
    """uint8 as float in [0, 1]."""
    return pixels / 255
