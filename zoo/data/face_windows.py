"""Windows of five faces with their mel, for training talking-face models and their sync expert.

Clips are decoded once and kept in memory as small face crops, since a step needs a few frames of
many clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import Dataset, RandomSampler

from zoo.audio.mel import mel_front_end
from zoo.data.audio_visual import AudioVisualDataModule, AudioVisualDataset, Streams
from zoo.data.drawn_truth import read_mouth
from zoo.data.loading import ReportingLoader, per_process, training_split
from zoo.data.utterances import Utterance
from zoo.errors import DataError, MediaError
from zoo.nn.face_windows import mel_windows
from zoo.nn.sync_expert import WINDOW
from zoo.video.face_boxes import BoxRule, cut_faces, landmark_boxes, track_boxes
from zoo.video.landmark_files import read_landmarks


@dataclass(frozen=True)
class FaceClip:
    """What is kept of a clip: faces (T, 3, S, S) uint8 BGR, mel (80, M), and where the corpus
    knows and it was asked for, opening and width of the mouth (T, 2)."""

    faces: Tensor
    mel: Tensor
    mouth: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class WindowShape:
    """What an item has."""

    image_size: int
    """Side of a face in pixels."""
    windows: int = 1
    """Windows of five frames a clip, which do not overlap where the clip is long enough."""
    context: int = 0
    """Frames before and after the first window that `around` has as well."""
    mel_shift: int = -1
    """Frame, counted from its own, with which the mel window of a generated frame starts."""
    antialias: bool = True
    """Smooth before shrinking (OpenCV's resize does not)."""
    mouth: bool = False
    """Give opening and width of the drawn mouth, which generated corpora know."""

    @property
    def least_frames(self) -> int:
        """Frames of the shortest clip: two windows apart, so that a reference shows no lips asked
        for."""
        return 2 * WINDOW + 2 * self.context + 1


class FaceWindows(Dataset[dict[str, Any]]):
    """Clips as training items; a clip that cannot be used gives a dict with only `skipped`.

    An item is a dict: `faces` (K, 5, 3, S, S) and `reference` (5, 3, S, S) uint8 BGR, the latter
    from another time than the first window; `window_mel` (K, 1, 80, 16) with each window;
    `frame_mel` (5, 1, 80, 16) for each frame of the first; `around` (5 + 2 context, 3, S, S), the
    first window with its neighbours; `id`; with `shape.mouth`, `mouth` (K, 5, 2), opening and width
    of the mouth in the windows.

    Args:
        utterances: the clips.
        root: what their paths are relative to.
        shape: what an item has.
        rule: where the face is in a face track, or relative to landmarks.
        landmarks: folder with landmarks laid out like the clips, None for face tracks.
        train: other windows every time, instead of the same.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        root: str | Path,
        shape: WindowShape,
        rule: BoxRule,
        landmarks: str | Path | None = None,
        train: bool = False,
    ) -> None:
        self.shape, self.rule, self.train = shape, rule, train
        self.clips = AudioVisualDataset(utterances, root, Streams(picture="face"))
        self.landmarks = Path(landmarks) if landmarks else None
        self.front_end = mel_front_end("wav2lip")
        self._kept: dict[int, FaceClip | str] = {}

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index not in self._kept:
            self._kept[index] = self._read(index)
        clip = self._kept[index]
        if isinstance(clip, str):
            return {"skipped": clip}
        seed = int(torch.randint(2**62, ())) if self.train else index
        draw = torch.Generator().manual_seed(seed)
        return {**cut_windows(clip, self.shape, draw), "id": self.clips.utterances[index].id}

    def _read(self, index: int) -> FaceClip | str:
        item = self.clips[index]
        if "skipped" in item:
            return str(item["skipped"])
        try:
            return self._prepared(index, item["video"], item["audio"])
        except (MediaError, DataError, OSError) as error:
            return f"{item['id']}: {error}"

    def _prepared(self, index: int, frames: Tensor, sound: Tensor) -> FaceClip:
        least = self.shape.least_frames
        if len(frames) < least:
            raise DataError(f"has {len(frames)} frames, fewer than {least}")
        if self.landmarks is None:
            boxes = track_boxes(self.rule, frames)
        else:
            video = self.clips.utterances[index].video or ""
            points = read_landmarks((self.landmarks / video).with_suffix(".npz"))
            boxes = landmark_boxes(points, self.rule, frames)
        size, smooth = self.shape.image_size, self.shape.antialias
        faces = cut_faces(frames, boxes, size, antialias=smooth)
        mouth = self._mouth(index, len(frames)) if self.shape.mouth else None
        return FaceClip(faces.flip(1), self.front_end(sound), mouth)

    def _mouth(self, index: int, frames: int) -> Tensor:
        path = self.clips.root / (self.clips.utterances[index].video or "")
        known = torch.from_numpy(read_mouth(path))
        if len(known) < frames:
            raise DataError(f"{path}: ground truth of {len(known)} frames for {frames}")
        return known


def cut_windows(clip: FaceClip, shape: WindowShape, draw: torch.Generator) -> dict[str, Tensor]:
    """Draw the windows of one item from a clip."""
    first, last = shape.context, len(clip.faces) - WINDOW - shape.context
    # frame 0 has no mel window before it, which is why official windows begin at 1
    first = max(first, 1)
    starts = _places(first, last, shape.windows, draw)
    here = int(starts[0])
    offsets = torch.arange(WINDOW)
    around = torch.arange(here - shape.context, here + WINDOW + shape.context)
    mouth = {} if clip.mouth is None else {"mouth": clip.mouth[starts[:, None] + offsets]}
    return {
        **mouth,
        "faces": clip.faces[starts[:, None] + offsets],
        "around": clip.faces[around],
        "reference": clip.faces[_elsewhere(here, len(clip.faces), draw) + offsets],
        "window_mel": mel_windows(clip.mel, starts),
        "frame_mel": mel_windows(clip.mel, here + offsets + shape.mel_shift),
    }


def _places(first: int, last: int, count: int, draw: torch.Generator) -> Tensor:
    """Starts of `count` windows: apart from each other while the clip has room, then anywhere."""
    phase = int(torch.randint(WINDOW, (), generator=draw))
    apart = torch.arange(first + phase, last + 1, WINDOW)
    apart = apart[torch.randperm(len(apart), generator=draw)]
    anywhere = torch.randint(first, last + 1, (max(0, count - len(apart)),), generator=draw)
    return torch.cat([apart, anywhere])[:count]


def _elsewhere(start: int, frames: int, draw: torch.Generator) -> int:
    """Start of a window that shares no frame with the one at `start`."""
    places = torch.arange(frames - WINDOW + 1)
    apart = places[(places - start).abs() >= WINDOW]
    return int(apart[torch.randint(len(apart), (), generator=draw)])


def spread(utterances: Sequence[Utterance], count: int) -> list[Utterance]:
    """`count` of the utterances, evenly spaced, so that as many speakers as possible stay."""
    share = max(1.0, len(utterances) / count)
    return [utterances[int(k * share)] for k in range(min(count, len(utterances)))]


def collate(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Stack the items; `skipped` holds the reasons of those left out."""
    good = [item for item in items if "skipped" not in item]
    batch: dict[str, Any] = {"skipped": [item["skipped"] for item in items if "skipped" in item]}
    for key in good[0] if good else ():
        values = [item[key] for item in good]
        batch[key] = torch.stack(values) if isinstance(values[0], Tensor) else values
    return batch


class FaceWindowDataModule(LightningDataModule):
    """Windows of LRS3, LRS2 or a tiny corpus in their layout.

    Args:
        root: the dataset's folder.
        image_size: side of a face in pixels.
        track_box: where the face is in a face track, see `BoxRule`.
        landmark_box: where it is relative to landmarks.
        landmarks: folder with landmarks laid out like the clips, as npz; None for face tracks.
        batch_size: clips a step, over all processes.
        windows: windows a clip (the sync expert compares those of one clip).
        context: frames around the first window.
        mel_shift: see `WindowShape`.
        antialias: smooth before shrinking.
        guide: "loudness" needs nothing; "mouth" also gives opening and width of the drawn mouth (generated corpora only).
        num_workers: processes; each keeps its own copy of the clips it has read.
        epoch_repeats: how often every clip is drawn in an epoch.
        max_clips: take only this many training clips, from all over the list.
        train_split: what to train on.
        seed: order of the clips.
    """

    def __init__(
        self,
        root: str,
        image_size: int = 96,
        track_box: tuple[float, float, float] = (0.5, 0.5, 1.0),
        landmark_box: tuple[float, float, float] = (0.5, 2.0, 2.6),
        landmarks: str | None = None,
        batch_size: int = 16,
        windows: int = 1,
        context: int = 0,
        mel_shift: int = -1,
        antialias: bool = True,
        guide: str = "loudness",
        num_workers: int = 0,
        epoch_repeats: int = 1,
        max_clips: int | None = None,
        train_split: str = "train",
        seed: int = 7122,
    ) -> None:
        super().__init__()
        self.root, self.landmarks = Path(root), landmarks
        self.shape = WindowShape(
            image_size=image_size,
            windows=windows,
            context=context,
            mel_shift=mel_shift,
            antialias=antialias,
            mouth=guide == "mouth",
        )
        self.rule = BoxRule(track=track_box, landmarks=landmark_box)
        self.batch_size, self.num_workers = batch_size, num_workers
        self.epoch_repeats, self.max_clips = epoch_repeats, max_clips
        self.train_split = training_split(train_split)
        self._generator = torch.Generator().manual_seed(seed)
        self._clips = AudioVisualDataModule(root, picture="face")
        self._data: dict[str, FaceWindows] = {}

    def dataset(self, split: str, train: bool = False) -> FaceWindows:
        """The windows of a split; what has been decoded is kept between epochs.

        Raises:
            DataError: the mouths are asked for, and the corpus does not know them.
        """
        if split not in self._data:
            utterances = self._clips.utterances(split)
            if train and self.max_clips is not None:
                utterances = spread(utterances, self.max_clips)
            if self.shape.mouth:
                read_mouth(self.root / (utterances[0].video or ""))
            self._data[split] = FaceWindows(
                utterances, self.root, self.shape, self.rule, self.landmarks, train
            )
        return self._data[split]

    def train_dataloader(self) -> ReportingLoader:
        """Random windows of all clips."""
        data = self.dataset(self.train_split, train=True)
        count = self.epoch_repeats * len(data)
        order = RandomSampler(
            data,
            replacement=self.epoch_repeats > 1,
            num_samples=count if self.epoch_repeats > 1 else None,
            generator=self._generator,
        )
        share = per_process(self, self.batch_size)
        return self._loader(data, share, sampler=order, drop_last=count >= share)

    def val_dataloader(self) -> ReportingLoader:
        """The same windows of the validation clips every time."""
        return self._loader(self.dataset("dev"), self.batch_size)

    def _loader(self, data: FaceWindows, batch_size: int, **options: Any) -> ReportingLoader:
        return ReportingLoader(
            data,
            batch_size=batch_size,
            collate_fn=collate,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            generator=self._generator,
            **options,
        )
