"""Filmed clips with what their generated corpus knows of them; for scripts on talking faces."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from zoo.audio import load_audio
from zoo.data.drawn_truth import read_tracks
from zoo.models.talking_face.animation import Animator
from zoo.tasks import Speech, Video
from zoo.video import load_video
from zoo.video.face_boxes import cut_faces

SAMPLES_PER_FRAME = 640
UPPER_LIP, LOWER_LIP = 62, 66  # inner edges, of 68 points
LEAST_FRAMES = 30  # for a correlation


@dataclass(frozen=True)
class Clip:
    """A filmed clip with what its corpus knows of it."""

    path: Path
    source: str
    frames: Tensor
    sound: Tensor
    opening: NDArray[np.float32]
    phones: list[tuple[str, float, float]]


def read_clips(data: Path) -> list[Clip]:
    """The test clips in which nothing hides the mouth."""
    truths = json.loads((data / "ground_truth" / "test.json").read_text(encoding="utf-8"))
    clips = []
    for truth in truths:
        path = data / f"{truth['id']}.mp4"
        if truth["occluder"] is not None or truth["frames"] < LEAST_FRAMES or not path.is_file():
            continue
        (opening,) = read_tracks(path, "opening")
        phones = [(name, start, end) for name, start, end in truth["phonemes"]]
        frames, sound = load_video(path).frames, load_audio(path)
        clips.append(Clip(path, str(path.parent.name), frames, sound, opening, phones))
    return clips


def partner(clips: Sequence[Clip], number: int) -> Clip:
    """The next clip of somebody else."""
    own = clips[number].source
    around = [clips[(number + k) % len(clips)] for k in range(1, len(clips))]
    return next(clip for clip in around if clip.source != own)


def correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Of two tracks, cut to the shorter."""
    size = min(len(one), len(other))
    return float(np.corrcoef(one[:size], other[:size])[0, 1])


def opening_of(detector: Any, film: Video) -> NDArray[Any]:
    """Between the lips of every frame of a film, as a detector of landmarks sees it."""
    points: Any = detector.detect(film.frames).points
    return np.linalg.norm(points[:, LOWER_LIP] - points[:, UPPER_LIP], axis=1)


def under(film: Video, sound: Tensor) -> Video:
    """The pictures of a film with another sound, cut to the shorter."""
    size = min(len(film.frames), len(sound) // SAMPLES_PER_FRAME)
    other = Speech(sound[: size * SAMPLES_PER_FRAME], 16_000)
    return Video(film.frames[:size], film.fps, other)


def true_faces(model: Animator, clip: Clip) -> Tensor:
    """Face crops (T, 3, S, S) BGR in [0, 1] of a clip, one for every frame of its sound."""
    paste = model.prepare(clip.path, clip.path)
    smooth = model.crop.antialias
    faces = cut_faces(paste.frames, paste.boxes, model.image_size, antialias=smooth)
    return (faces.flip(1) / 255)[paste.order]
