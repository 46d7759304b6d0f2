"""The small SyncNet as a LightningModule: contrastive training, judging clips."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.hub.module import ZooModule
from zoo.hub.usage import Usage
from zoo.models.judge_syncnet.config import JudgeSyncNetConfig
from zoo.nn.sync_clips import COLUMNS_A_FRAME, Sync, embed_clip, sync_of
from zoo.nn.syncnet import COLUMNS, WINDOW, SyncNet, shifted_distances
from zoo.training.recipe import Recipe, Stage
from zoo.training.schedules import polynomial, scheduled

Batch = dict[str, Any]
_EPSILON = 1e-6  # keeps the gradient of a distance of zero finite


class JudgeSyncNet(ZooModule):
    """Offset, confidence and distance of lips and sound on the tiny corpora.

    A judge must not have trained what it judges: no training loss of the zoo uses it.

    Args:
        config: widths and training.
        stage: "contrastive", the only one.
    """

    slug: ClassVar[str] = "judge_syncnet"
    Config: ClassVar[type[JudgeSyncNetConfig]] = JudgeSyncNetConfig
    usage: ClassVar[Usage | None] = Usage(
        name="lip-sync judgement",
        input="frames (T, 3, 224, 224) uint8, RGB, 25 a second; samples (S,) int16 at 16 kHz",
        output="Sync: confidence (LSE-C), distance (LSE-D), offset in frames",
        example=(
            "from zoo.metrics.lse import LSE\n\n"
            'frames, samples = LSE().prepare("clip.mp4")\n'
            "sync = model.judge(frames, samples)\n"
            "print(sync.confidence, sync.distance, sync.offset)\n"
        ),
    )
    float32_keys: ClassVar[tuple[str, ...]] = (r".*\.norm\..*",)

    def __init__(
        self, config: JudgeSyncNetConfig, stage: Literal["contrastive"] = "contrastive"
    ) -> None:
        super().__init__(config)
        self.config: JudgeSyncNetConfig = config
        self.stage = stage
        self.network = SyncNet(
            config.audio_channels,
            config.lip_channels,
            config.head_size,
            config.embedding_size,
            config.image_size,
        )
        # opening and width in every frame of a window; used in training only
        self.seen_mouth = nn.Linear(config.lip_channels[-1], 2 * WINDOW)
        self.heard_mouth = nn.Linear(config.audio_channels[-1], 2 * WINDOW)

    @classmethod
    def recipe(cls, config: JudgeSyncNetConfig) -> Recipe:
        """One stage on stretches of talking faces."""
        from zoo.data.talking_stretches import TalkingStretchesDataModule

        stage = Stage(
            name="contrastive",
            max_steps="training.total_steps",
            gradient_clip="training.gradient_clip",
        )
        return Recipe(
            stages=(stage,),
            datamodule=TalkingStretchesDataModule,
            links={
                "training.batch_size": "batch_size",
                "training.stretch": "stretch",
                "training.clips": "clips",
                "image_size": "size",
                "corner": "corner",
            },
        )

    def forward(self, windows: Tensor, mfcc_windows: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (N, D) of (N, 3, 5, H, H) BGR frames and (N, 1, 13, 20) MFCC."""
        embedded: tuple[Tensor, Tensor] = self.network(windows, mfcc_windows)
        return embedded

    # training

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Contrast, and the mouth from lips and from sound."""
        distances, mouth = self._losses(batch)
        contrast, count = contrastive_loss(distances), len(batch["frames"])
        self.log("train/contrast", contrast, batch_size=count)
        self.log("train/mouth", mouth, batch_size=count)
        return contrast + self.config.training.mouth_weight * mouth

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the contrast, and how often a window finds its sound within its own stretch."""
        distances, mouth = self._losses(batch)
        clips = len(batch["frames"])
        each = len(distances) // clips
        own = distances.view(clips, each, clips, each).diagonal(dim1=0, dim2=2).movedim(-1, 0)
        right = torch.arange(each, device=own.device)
        found = (own.argmin(dim=-1) == right).float().mean()
        self.log("val/loss", contrastive_loss(distances), batch_size=clips)
        self.log("val/mouth", mouth, batch_size=clips)
        self.log("val/own_sound", 100 * found, batch_size=clips, prog_bar=True)

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Distances (N, N) of all lip windows from all sound windows, and the mouths' loss.

        Args:
            batch: `frames` (B, R, 3, H, H) uint8 RGB, `mfcc` (B, 4 R, 13), `mouth` (B, R, 2).
        """
        step = self.config.training.window_step
        frames = batch["frames"].flip(2).to(self.dtype)
        windows = frames.unfold(1, WINDOW, step).movedim(-1, 3).flatten(0, 1)
        sound = batch["mfcc"].unfold(1, COLUMNS, step * COLUMNS_A_FRAME).flatten(0, 1)
        truth = batch["mouth"].unfold(1, WINDOW, step).flatten(0, 1).flatten(1)
        seen = self.network.lip_tower(windows)
        heard = self.network.audio_tower(sound[:, None])
        mouth = F.mse_loss(self.seen_mouth(seen), truth) + F.mse_loss(
            self.heard_mouth(heard), truth
        )
        lips, tones = self.network.lip_head(seen), self.network.audio_head(heard)
        squares: Tensor = (lips[:, None] - tones[None]).square().sum(dim=-1)
        return (squares + _EPSILON).sqrt(), mouth

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Adam; linear growth, then linear decay to zero."""
        settings = self.config.training
        optimizer = torch.optim.Adam(self.parameters(), lr=settings.lr)
        schedule = polynomial(settings.warmup_steps, settings.total_steps)
        return scheduled(optimizer, schedule)

    # judging

    def judge(self, frames: Tensor, samples: NDArray[np.int16]) -> Sync:
        """Offset, confidence and distance of a clip.

        Args:
            frames: (T, 3, 224, 224) uint8 RGB at 25 frames a second.
            samples: (S,) int16 at 16 kHz.

        Raises:
            MediaError: the frames are of another size, or fewer than six are usable.
        """
        was_training = self.training
        self.eval()
        try:
            lips, sound = embed_clip(self.network, frames, samples, self.config.corner)
        finally:
            self.train(was_training)
        return sync_of(shifted_distances(lips.float(), sound.float(), self.config.max_shift))


def contrastive_loss(distances: Tensor) -> Tensor:
    """Cross entropy of finding the own partner among all by distance, from both sides.

    Args:
        distances: (N, N); pairs lie on the diagonal.
    """
    partner = torch.arange(len(distances), device=distances.device)
    return (F.cross_entropy(-distances, partner) + F.cross_entropy(-distances.T, partner)) / 2
