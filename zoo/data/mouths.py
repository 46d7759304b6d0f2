"""Where a dataset takes its mouth crops from: ready-made ones, landmarks, or the fixed LRS crop."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from zoo.errors import MediaError
from zoo.video import load_video
from zoo.video.mouth import get_preset
from zoo.video.mouth_input import to_grey
from zoo.video.mouth_source import choose_source, cut_mouths
from zoo.video.mouth_window import MouthWindow

logger = logging.getLogger(__name__)

LANDMARK_ENDINGS = (".npy", ".npz", ".pkl", ".json")


@dataclass(frozen=True)
class Mouths:
    """Finds or makes the mouth crops of a clip.

    `crops` is asked for a ready-made video, else `landmarks` for points; with neither it goes by the
    table of `zoo.video.mouth_source`.
    """

    preset: str = "avhubert"
    """The pipeline whose crops the model was trained on."""
    landmarks: Path | None = None
    """Folder with a file of landmarks for each clip, laid out like the clips."""
    crops: Path | None = None
    """Folder with a cropped video for each clip, laid out like the clips (`zoo prepare`)."""

    def __post_init__(self) -> None:
        get_preset(self.preset)
        for folder in (self.landmarks, self.crops):
            if folder is not None and not folder.is_dir():
                raise MediaError(f"{folder}: no such folder; expected landmarks or mouth crops")

    def grey(self, path: Path, video: str) -> Tensor:
        """Grey crops (T, 96, 96) uint8 at 25 frames a second.

        Args:
            path: the clip.
            video: its path in the dataset, by which crops and landmarks are found.

        Raises:
            MediaError: the clip, or its landmarks, cannot be used.
        """
        return to_grey(self.cut(path, video))

    def window(self, path: Path, video: str, window: MouthWindow) -> Tensor:
        """The part of the crops that a lip reader is trained on: (T, side, side) uint8, with a
        margin, at 25 frames a second.

        Args:
            path: the clip.
            video: its path in the dataset.
            window: which part; "fixed" looks for no mouth.

        Raises:
            MediaError: as of `grey`.
        """
        if window.mouths == "aligned" or self.crops is not None:
            crops = self.grey(path, video)
        else:
            crops = to_grey(window.cut_frames(load_video(path).frames, self.preset))
        return window.cut(crops).clone()

    def cut(self, path: Path, video: str) -> Tensor:
        """Crops (T, 3, 96, 96) uint8; arguments as above."""
        if self.crops is not None:
            return load_video(
                _first([self.crops / video], f"{self.crops}: no crop of {video}")
            ).frames
        frames = load_video(path).frames
        return cut_mouths(frames, self.preset, choose_source(path, frames, self._points(video)))[0]

    def _points(self, video: str) -> Path | None:
        """The landmarks of a clip in the folder that was named; None was named: beside the clip."""
        if self.landmarks is None:
            return None
        stem = self.landmarks / video
        files = [stem.with_suffix(ending) for ending in LANDMARK_ENDINGS]
        return _first(files, f"{self.landmarks}: no landmarks of {video}")


def _first(candidates: Iterable[Path], lacking: str) -> Path:
    for path in candidates:
        if path.is_file():
            return path
    raise MediaError(lacking)
