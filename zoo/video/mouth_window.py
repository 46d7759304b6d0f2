"""Which square of a mouth crop a lip reader sees, and whether mouths are looked for at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from torch import Tensor

from zoo.errors import MediaError
from zoo.hub.config import ZooConfig
from zoo.tasks import VideoLike
from zoo.video.mouth import CROP_SIZE
from zoo.video.mouth_input import INPUT_SIZE, eval_input
from zoo.video.mouth_source import FIXED, Source, cut_mouths, mouth_crops
from zoo.video.read import as_video

MARGIN: Final = 4
"""Pixels around the square by which training moves it."""


@dataclass(frozen=True, kw_only=True)
class MouthWindow(ZooConfig):
    """The default is AV-HuBERT's: the middle 88 pixels of an aligned crop of 96."""

    mouths: Literal["aligned", "fixed"] = "aligned"
    """Crops by landmarks; or the same part of every face track, which looks for no mouth."""
    size: int = INPUT_SIZE
    """Side of the square in pixels."""
    row: int = CROP_SIZE // 2
    """Row of its centre in the crop."""
    column: int = CROP_SIZE // 2
    """Column of its centre."""

    def cut(self, crops: Tensor) -> Tensor:
        """The square with `MARGIN` on every side, as far as the crop (T, 96, 96) goes."""
        side = self.size + 2 * MARGIN
        rows, columns = crops.shape[-2:]
        if min(rows, columns) < side:
            raise MediaError(f"crops of {rows} x {columns} pixels: expected {side} or more")
        top = min(max(self.row - side // 2, 0), rows - side)
        left = min(max(self.column - side // 2, 0), columns - side)
        return crops[..., top : top + side, left : left + side]

    def crops(self, video: VideoLike, preset: str, landmarks: Source | None = None) -> Tensor:
        """Grey crops (T, 96, 96) uint8 of a clip; errors as of `mouth_crops`."""
        if self.mouths == "aligned":
            return mouth_crops(video, preset, landmarks)
        read = as_video(video)
        return mouth_crops(read, preset, None if is_crop(read.frames) else FIXED)

    def cut_frames(self, frames: Tensor, preset: str) -> Tensor:
        """Crops (T, 3, 96, 96) of frames (T, 3, H, W) without looking for the mouth."""
        return frames if is_crop(frames) else cut_mouths(frames, preset, FIXED)[0]

    def model_input(self, crops: Tensor) -> Tensor:
        """What the network sees of crops: (T, size, size) float32, normalised."""
        return eval_input(self.cut(crops), self.size)


def is_crop(frames: Tensor) -> bool:
    """Whether frames (T, 3, H, W) are mouth crops already."""
    return tuple(frames.shape[-2:]) == (CROP_SIZE, CROP_SIZE)
