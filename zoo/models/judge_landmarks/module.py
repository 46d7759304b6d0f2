"""The landmark detector as a LightningModule: training on drawn faces, detection."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.nn import functional as F

from zoo.errors import MediaError
from zoo.hub.module import ZooModule
from zoo.hub.usage import Usage
from zoo.models.judge_landmarks import augment
from zoo.models.judge_landmarks.config import JudgeLandmarksConfig
from zoo.models.judge_landmarks.network import LandmarkNetwork
from zoo.models.judge_landmarks.views import Squares, mirrored
from zoo.training.recipe import Recipe, Stage
from zoo.training.schedules import polynomial, scheduled
from zoo.video.landmarks import Landmarks

Batch = dict[str, Tensor]
_EYES = (slice(36, 42), slice(42, 48))
_USUAL = 224
_CHUNK = 32  # frames of 224 x 224 at once
_SEEN, _GONE = 0.9, 0.2  # shares of the points in a view above and below which a label is sure


class JudgeLandmarks(ZooModule):
    """68 points and a face score of the one face of a drawn picture; a `LandmarkDetector`.

    Args:
        config: sizes and training.
        stage: "points", the only one.
    """

    slug: ClassVar[str] = "judge_landmarks"
    Config: ClassVar[type[JudgeLandmarksConfig]] = JudgeLandmarksConfig
    usage: ClassVar[Usage | None] = Usage(
        name="face landmarks",
        input="frames (T, 3, H, W) uint8, RGB, one face each",
        output="Landmarks: points (T, 68, 2) in pixels, NaN where there is no face",
        example=(
            "from zoo.video import load_video\n\n"
            'landmarks = model.detect(load_video("clip.mp4").frames)\n'
            "print(landmarks.points.shape)  # (T, 68, 2)\n"
        ),
        pipeline_tag="keypoint-detection",
    )
    float32_keys: ClassVar[tuple[str, ...]] = (r".*\.running_(mean|var)",)

    def __init__(self, config: JudgeLandmarksConfig, stage: Literal["points"] = "points") -> None:
        super().__init__(config)
        self.config: JudgeLandmarksConfig = config
        self.stage = stage
        self.network = LandmarkNetwork(config)

    @classmethod
    def recipe(cls, config: JudgeLandmarksConfig) -> Recipe:
        """One stage on frames with ground truth."""
        from zoo.data.face_frames import FaceFramesDataModule

        stage = Stage(
            name="points",
            monitor="val/error",
            max_steps="training.total_steps",
            gradient_clip="training.gradient_clip",
        )
        return Recipe(
            stages=(stage,),
            datamodule=FaceFramesDataModule,
            links={
                "training.batch_size": "batch_size",
                "training.clips": "clips",
                "training.frames_per_clip": "per_clip",
            },
        )

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Face scores (N,) and landmarks (N, 68, 2) in pixels of pictures (N, 3, H, W), 0..255."""
        found: tuple[Tensor, Tensor] = self.network(pictures)
        return found

    # training

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Distance of points, place of the box, presence of a face."""
        frames, points = batch["frame"].float(), batch["points"]
        if torch.rand(()) < 0.5:
            frames, points = mirrored(frames, points)
        present = torch.isfinite(points).all(dim=2).all(dim=1)
        place, score = self._locator_losses(frames, points, present)
        distance = self._pointer_loss(frames[present], points[present])
        count = len(frames)
        self.log("train/points", distance, batch_size=count)
        self.log("train/box", place, batch_size=count)
        self.log("train/face", score, batch_size=count)
        return 10 * distance + place + 0.5 * score

    def _pointer_loss(self, frames: Tensor, points: Tensor) -> Tensor:
        """Mean absolute distance in percent of the crop's half side; the mouth counts twice."""
        around = Squares.around(points).scaled(self.config.margin)
        squares = augment.jittered(around)
        views = augment.recoloured(self.network.pointer_view(frames, squares))
        errors = (self.network.point(views) - squares.inside(points)).abs()
        weights = torch.ones(points.shape[1], device=points.device)
        weights[48:] = 2.0
        return (errors.mean(dim=-1) * weights).sum(dim=1).mean() / weights.sum()

    def _locator_losses(
        self, frames: Tensor, points: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Of the box where there is a face, and of the decision whether there is one."""
        squares = augment.random_views(frames)
        places = squares.inside(points.nan_to_num(1e4))
        share = (places.abs().amax(dim=-1) < 1).float().mean(dim=1)
        face = present & (share > _SEEN)
        sure = face | (share < _GONE)
        others = augment.without_face(frames, self.config.locator_size)
        views = torch.cat([self.network.locator_view(frames, squares), others])
        found = self.network.locate(augment.recoloured(views))
        around = Squares.around(places)
        wanted = torch.cat([around.centre, around.side.log()[:, None]], dim=1)
        place = F.smooth_l1_loss(found[: len(frames)][face, 1:], wanted[face], beta=0.1)
        label = torch.cat([face.float(), torch.zeros(len(others), device=frames.device)])
        counted = torch.cat([sure, torch.ones(len(others), dtype=torch.bool, device=frames.device)])
        return place, F.binary_cross_entropy_with_logits(found[counted, 0], label[counted])

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the error in percent of the distance of the eyes, and the accuracy of the score."""
        scores, found = self(batch["frame"].float())
        present = torch.isfinite(batch["points"]).all(dim=2).all(dim=1)
        error = relative_errors(found[present], batch["points"][present]).mean()
        self.log("val/error", 100 * error, batch_size=int(present.sum()), prog_bar=True)
        right = ((scores > self.config.threshold) == present).float().mean()
        self.log("val/face_accuracy", 100 * right, batch_size=len(scores), prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW; linear growth, then linear decay to zero."""
        settings = self.config.training
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=settings.lr, weight_decay=settings.weight_decay
        )
        schedule = polynomial(settings.warmup_steps, settings.total_steps)
        return scheduled(optimizer, schedule)

    # detection

    def detect(self, frames: Tensor) -> Landmarks:
        """Landmarks of frames (T, 3, H, W) uint8, RGB; NaN where the score is too low.

        Raises:
            MediaError: no frame has a face, or these are no frames.
        """
        scores, points = self.score_and_points(frames)
        seen = scores >= self.config.threshold
        if not seen.any():
            raise MediaError(
                f"none of the {len(frames)} frames has a face that this detector knows (highest "
                f"score {float(scores.max()):.2f}, threshold {self.config.threshold}); it was "
                "trained on the drawn faces of the tiny corpora"
            )
        found = points.double().numpy()
        found[~seen.numpy()] = np.nan
        return Landmarks(found)

    @torch.inference_mode()
    def score_and_points(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Face scores (T,) and landmarks (T, 68, 2) in pixels, whatever the score.

        Raises:
            MediaError: not (T, 3, H, W) uint8.
        """
        if (
            frames.ndim != 4
            or frames.shape[1] != 3
            or frames.dtype != torch.uint8
            or not len(frames)
        ):
            raise MediaError(
                f"expected frames (T, 3, H, W) uint8, got {tuple(frames.shape)} {frames.dtype}"
            )
        factor = max(1, round(max(frames.shape[-2:]) / (1.5 * _USUAL)))
        was_training = self.training
        self.eval()
        try:
            parts = [
                self(_reduced(part.to(self.device), factor))
                for part in torch.split(frames, _chunk(frames))
            ]
        finally:
            self.train(was_training)
        scores, points = (torch.cat(both).cpu() for both in zip(*parts, strict=True))
        return scores, (points + 0.5) * factor - 0.5


def relative_errors(found: Tensor, truth: Tensor) -> Tensor:
    """Distances (N, P) of landmarks (N, 68, 2), in distances between the middles of the eyes."""
    right, left = (truth[:, eye].mean(dim=1) for eye in _EYES)
    distances: Tensor = torch.linalg.vector_norm(found - truth, dim=-1)
    between: Tensor = torch.linalg.vector_norm(right - left, dim=-1)
    return distances / between[:, None]


def _chunk(frames: Tensor) -> int:
    return max(1, _CHUNK * _USUAL**2 // (frames.shape[-1] * frames.shape[-2]))


def _reduced(frames: Tensor, factor: int) -> Tensor:
    """Frames as float, smaller by a whole factor; incomplete blocks at the edges are left out."""
    pictures = frames.float()
    return F.avg_pool2d(pictures, factor) if factor > 1 else pictures
