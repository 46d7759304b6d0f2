"""Clips of the talking-face corpora made on the spot: held-out people, sentences and a test seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo.data.corpora.clips import CLIPS_A_VIDEO, plan_clips, render, single_words
from zoo.data.corpora.speakers import record
from zoo.tasks import Video
from zoo.video import as_video

SEED = 20_261


@dataclass(frozen=True)
class Said:
    """A recording (S,) at 16 kHz with its text and the starts of its words in seconds."""

    sound: Tensor
    text: str
    starts: Sequence[float]


def recordings(count: int) -> list[Said]:
    """Sentences as `render` records them, without the pictures; all people get their turn."""
    found = []
    for clip in plan_clips(SEED, 91, "test", CLIPS_A_VIDEO * count)[::CLIPS_A_VIDEO]:
        rng = np.random.default_rng((*clip.entropy, 1))
        recording = record(clip.speech, clip.video.talker.in_mood(clip.mood), rng)
        starts = [word.start_ms / 1e3 for word in single_words(recording)]
        found.append(Said(torch.from_numpy(recording.samples), clip.words.upper(), starts))
    return found


@dataclass(frozen=True)
class Filmed:
    """A clip with sound, the points it was drawn by (T, 68, 2), and its file."""

    video: Video
    points: Tensor
    path: Path


def filmed(folder: Path, count: int, sentences: int = 1) -> list[Filmed]:
    """Films; about half a second each on a processor."""
    found = []
    for number, clip in enumerate(
        plan_clips(SEED, 92, "test", CLIPS_A_VIDEO * count, sentences=sentences)[::CLIPS_A_VIDEO]
    ):
        stem = folder / f"{number:05d}"
        render(clip, stem)
        path = stem.with_suffix(".mp4")
        with np.load(stem.with_suffix(".npz")) as tracks:
            points = torch.from_numpy(tracks["landmarks"].astype(np.float32))
        video = as_video(path, 25.0, with_audio=True)
        found.append(Filmed(video, points[: len(video.frames)], path))
    return found
