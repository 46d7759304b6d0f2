"""Frames of generated corpora with the landmarks they were drawn by, kept in memory."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from zoo.data.audio_visual import AudioVisualDataModule
from zoo.data.drawn_truth import read_tracks
from zoo.data.loading import per_process, training_split
from zoo.data.utterances import Utterance, spread
from zoo.errors import DataError
from zoo.video import load_video

log = logging.getLogger(__name__)


class FaceFrames(Dataset[dict[str, Tensor]]):
    """Frames with landmarks.

    An item is `frame` (3, H, W) uint8 RGB and `points` (68, 2) float32 in pixels, NaN where the
    person is out of the picture.

    Args:
        root: folder of the corpus.
        utterances: its clips, with the ground truth `<clip>.npz` beside the videos.
        per_clip: frames of each, evenly spread, and one more without a face where there is one.

    Raises:
        DataError: a clip has no ground truth.
    """

    def __init__(self, root: Path, utterances: list[Utterance], per_clip: int) -> None:
        self._frames: list[Tensor] = []
        self._points: list[Tensor] = []
        for one in utterances:
            if one.video is None:
                raise DataError(f"{one.id} has no video")
            video = root / one.video
            (points,) = read_tracks(video, "landmarks")
            frames = load_video(video).frames
            for k in _chosen(points[: len(frames)], per_clip):
                self._frames.append(frames[k].clone())
                self._points.append(torch.from_numpy(points[k]))

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"frame": self._frames[index], "points": self._points[index]}


def _chosen(points: Any, count: int) -> list[int]:
    even = [int((k + 0.5) * len(points) / count) for k in range(count)]
    absent = np.flatnonzero(np.isnan(points).any(axis=(1, 2)))
    return sorted({*even, *absent[len(absent) // 2 :][:1].tolist()})


class FaceFramesDataModule(LightningDataModule):
    """Frames of a generated corpus in the layout of LRS3, LRS2 or LRS-VoxMM.

    Args:
        root: the corpus.
        dataset: as for `AudioVisualDataModule`.
        clips: how many training clips are used, spread over the recordings.
        per_clip: frames of each.
        batch_size: frames in a global batch.
        train_split: what to train on.
        seed: order of the frames.
    """

    def __init__(
        self,
        root: str,
        dataset: str = "auto",
        clips: int = 1200,
        per_clip: int = 4,
        batch_size: int = 32,
        train_split: str = "train30",
        seed: int = 7122,
    ):
        super().__init__()
        self.reader = AudioVisualDataModule(root, dataset)
        self.clips, self.per_clip = clips, per_clip
        self.batch_size, self.train_split = batch_size, training_split(train_split)
        self._generator = torch.Generator().manual_seed(seed)
        self._decoded: dict[str, FaceFrames] = {}

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Frames in random order."""
        data = self._in_memory(self.train_split)
        share = per_process(self, self.batch_size)
        drop_last = len(data) >= self.batch_size
        return self._loader(data, batch_size=share, shuffle=True, drop_last=drop_last)

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Frames of the validation clips."""
        return self._loader(self._in_memory("dev"), batch_size=self.batch_size)

    def _in_memory(self, split: str) -> FaceFrames:
        if split not in self._decoded:
            chosen = spread(self.reader.utterances(split), self.clips)
            self._decoded[split] = FaceFrames(self.reader.root, chosen, self.per_clip)
            log.info("%s: %d frames in memory", split, len(self._decoded[split]))
        return self._decoded[split]

    def _loader(self, data: FaceFrames, **options: Any) -> DataLoader[dict[str, Tensor]]:
        return DataLoader(data, generator=self._generator, **options)
