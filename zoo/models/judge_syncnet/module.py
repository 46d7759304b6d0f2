"""The small SyncNet as a LightningModule: contrastive training, judging clips."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from zoo.hub.module import ZooModule
from zoo.models.judge_syncnet.config import JudgeSyncNetConfig, TrainingConfig
from zoo.nn.sync_clips import COLUMNS_A_FRAME, Sync, embed_clip, sync_of
from zoo.nn.syncnet import COLUMNS, WINDOW, SyncNet, shifted_distances
from zoo.training.recipe import Recipe, Stage

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
            },
        )

    def forward(self, windows: Tensor, mfcc_windows: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (N, D) of (N, 3, 5, H, H) BGR frames and (N, 1, 13, 20) MFCC."""
        embedded: tuple[Tensor, Tensor] = self.network(windows, mfcc_windows)
        return embedded

    # training

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Contrastive loss."""
        loss = contrastive_loss(self.pair_distances(batch))
        self.log("train/loss", loss, batch_size=len(batch["frames"]))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss, and how often a window finds its sound within its own stretch, +-1."""
        distances, clips = self.pair_distances(batch), len(batch["frames"])
        self.log("val/loss", contrastive_loss(distances), batch_size=clips)
        each = len(distances) // clips
        own = distances.view(clips, each, clips, each).diagonal(dim1=0, dim2=2)
        nearest = own.movedim(-1, 0).argmin(dim=-1)
        right = torch.arange(nearest.shape[1], device=nearest.device)
        found = ((nearest - right).abs() <= 1).float().mean()
        self.log("val/within_one", 100 * found, batch_size=clips, prog_bar=True)

    def pair_distances(self, batch: Batch) -> Tensor:
        """L2 distance (N, N) of every lip window of the batch from every sound window.

        Args:
            batch: `frames` (B, R, 3, H, H) uint8 RGB, `mfcc` (B, C, 13); N = B (R - 4).
        """
        frames = batch["frames"].flip(2).to(self.dtype)
        windows = frames.unfold(1, WINDOW, 1).movedim(-1, 3).flatten(0, 1)
        sound = batch["mfcc"].unfold(1, COLUMNS, COLUMNS_A_FRAME).flatten(0, 1)
        lips, heard = self(windows, sound[:, None])
        squares: Tensor = (lips[:, None] - heard[None]).square().sum(dim=-1)
        return (squares + _EPSILON).sqrt()

    def configure_optimizers(self) -> Any:
        """Adam; linear growth, then linear decay to zero."""
        settings = self.config.training
        optimizer = torch.optim.Adam(self.parameters(), lr=settings.lr)
        schedule = LambdaLR(optimizer, lambda step: _rate(step, settings))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

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
            lips, sound = embed_clip(self.network, frames, samples)
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


def _rate(step: int, settings: TrainingConfig) -> float:
    """Factor on the learning rate at a step, from 0."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    left = (settings.total_steps - step) / max(1, settings.total_steps - settings.warmup_steps)
    return max(0.0, left)
