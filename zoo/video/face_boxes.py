"""Boxes around faces: from landmarks, given, or where LRS-style face tracks have them.

A box is (left, top, right, bottom) in whole pixels, right and bottom exclusive.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from zoo.errors import MediaError
from zoo.video.landmarks import Landmarks

logger = logging.getLogger(__name__)

Boxes = NDArray[np.int64]
SMOOTHING = 5
_LEAST_SIDE = 16  # pixels; smaller faces are mistakes
_SQUARE = 1.25  # a face track is at most this much longer than wide


@dataclass(frozen=True, kw_only=True)
class BoxRule:
    """Where a model wants the edges of a face."""

    track: tuple[float, float, float]
    """In a face track of the LRS kind: centre x, centre y, side, as shares of its shorter side."""
    landmarks: tuple[float, float, float]
    """From landmarks: centre below the eyes, width, height, in distances from eyes to mouth."""


def given_boxes(box: Sequence[float] | Tensor | NDArray[np.float64], frames: Tensor) -> Boxes:
    """A box, or one a frame, that somebody gave: (4,) or (T, 4) -> (T, 4) inside the picture.

    Raises:
        MediaError: wrong shape, outside the picture, or hardly any pixels.
    """
    found = np.asarray(box, dtype=np.float64)
    count, (height, width) = len(frames), frames.shape[-2:]
    if found.shape not in ((4,), (count, 4)) or not np.isfinite(found).all():
        raise MediaError(
            f"box: expected (left, top, right, bottom) in pixels, or one for each of the {count} "
            f"frames, got {box if found.ndim < 2 else found.shape}"
        )
    boxes = inside(np.broadcast_to(found, (count, 4)).round().astype(np.int64), height, width)
    _check(boxes, f"box {box if found.ndim < 2 else ''} in a picture of {width} x {height}")
    return boxes


def landmark_boxes(landmarks: Landmarks, rule: BoxRule, frames: Tensor) -> Boxes:
    """Boxes (T, 4) from landmarks (68 points, or the 4 of MediaPipe), smoothed over time."""
    eyes, mouth = _eyes_and_mouth(landmarks.interpolated().points)
    down, width, height = rule.landmarks
    distance = np.linalg.norm(mouth - eyes, axis=1, keepdims=True)
    centre = eyes + np.array([0.0, 1.0]) * down * distance
    half = np.array([[width, height]]) * distance / 2
    edges = np.concatenate([centre - half, centre + half], axis=1).round().astype(np.int64)
    boxes = inside(smooth_boxes(edges), *frames.shape[-2:])
    _check(boxes, "landmarks")
    return boxes


def _eyes_and_mouth(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    if points.shape[1] == 68:
        return points[:, 36:48].mean(axis=1), points[:, 48:68].mean(axis=1)
    if points.shape[1] == 4:
        return points[:, :2].mean(axis=1), points[:, 3]
    raise MediaError(
        f"landmarks: {points.shape[1]} points a face; a face box needs 68 (dlib, FAN) or 4 (MediaPipe)"
    )


def track_boxes(rule: BoxRule, frames: Tensor) -> Boxes:
    """The same box for every frame of a face track, without looking for a face.

    Raises:
        MediaError: the picture is so long that it is no face track.
    """
    height, width = frames.shape[-2:]
    if max(height, width) > _SQUARE * min(height, width):
        raise MediaError(
            f"a picture of {width} x {height} is no face track, so the face has to be looked for: "
            "give box=(left, top, right, bottom) or landmarks=, e.g. a file, 'mediapipe' or a "
            "detector"
        )
    _warn_unchecked()
    x, y, share = rule.track
    side = share * min(height, width)
    left, top = x * width - side / 2, y * height - side / 2
    box = np.array([left, top, left + side, top + side]).round().astype(np.int64)
    boxes = inside(np.broadcast_to(box, (len(frames), 4)), height, width)
    _check(boxes, f"face track of {width} x {height}")
    return boxes


@cache
def _warn_unchecked() -> None:
    logger.warning(
        "no face was looked for: the picture is taken for an LRS-style face track; give box= or "
        "landmarks= for anything else"
    )


def inside(boxes: Boxes, height: int, width: int) -> Boxes:
    """Boxes (T, 4) cut to the picture."""
    return np.clip(boxes, 0, [width, height, width, height])


def _check(boxes: Boxes, what: str) -> None:
    sides = boxes[:, 2:] - boxes[:, :2]
    if (sides < _LEAST_SIDE).any():
        raise MediaError(
            f"{what}: a face of {sides[:, 0].min()} x {sides[:, 1].min()} pixels inside the "
            f"picture; expected at least {_LEAST_SIDE} x {_LEAST_SIDE}"
        )


def smooth_boxes(boxes: Boxes, window: int = SMOOTHING) -> Boxes:
    """Wav2Lip's smoothing: each box becomes the mean of itself and the next ones.

    parity: the official loop writes into the integer array it reads, so means are cut to integers
    and the last boxes, whose windows are the final `window` frames, see boxes already smoothed.
    """
    smooth = boxes.copy()
    last = max(0, len(boxes) - window)
    if last:
        runs = np.lib.stride_tricks.sliding_window_view(boxes, window, axis=0)[: last + 1]
        smooth[: last + 1] = np.trunc(runs.mean(axis=-1))
    for i in range(last + 1 if last else 0, len(boxes)):
        smooth[i] = np.trunc(smooth[last:].mean(axis=0))
    return smooth


def cut_faces(frames: Tensor, boxes: Boxes, size: int, *, antialias: bool = True) -> Tensor:
    """Faces (T, 3, size, size) uint8 of frames (T, 3, H, W) uint8."""
    faces = frames.new_empty(len(frames), 3, size, size)
    for (left, top, right, bottom), rows in _groups(boxes):
        cut = frames[rows, :, top:bottom, left:right].float()
        sized = F.interpolate(cut, (size, size), mode="bilinear", antialias=antialias)
        faces[rows] = sized.round_().clamp_(0, 255).byte()
    return faces


def paste_faces(frames: Tensor, faces: Tensor, boxes: Boxes, *, blend: bool = True) -> Tensor:
    """Put faces back where `cut_faces` took them.

    Args:
        frames: (T, 3, H, W) uint8.
        faces: (T, 3, S, S) float in [0, 1].
        boxes: (T, 4).
        blend: fade the new mouth in, so that the edge of the box is the old picture; False puts
            the whole box in, as Wav2Lip does.

    Returns:
        (T, 3, H, W) uint8, a new tensor.
    """
    result = frames.clone()
    for (left, top, right, bottom), rows in _groups(boxes):
        shape = (bottom - top, right - left)
        new = F.interpolate(faces[rows] * 255.0, shape, mode="bilinear").clamp_(0, 255)
        old = frames[rows, :, top:bottom, left:right].float()
        alpha = _fade(*shape).to(new) if blend else 1.0
        mixed = (old + alpha * (new - old)).round_().byte()
        result[rows, :, top:bottom, left:right] = mixed
    return result


def _groups(boxes: Boxes) -> list[tuple[tuple[int, int, int, int], Tensor]]:
    """Every box with the rows that have it."""
    unique, place = np.unique(boxes, axis=0, return_inverse=True)
    rows = torch.from_numpy(place.reshape(-1))
    corners = [(int(a), int(b), int(c), int(d)) for a, b, c, d in unique]
    return [(box, (rows == k).nonzero()[:, 0]) for k, box in enumerate(corners)]


def _fade(height: int, width: int) -> Tensor:
    """How much of a new face is seen, (height, width): all around the mouth, nothing at the edge
    of the box and above its middle."""
    y = (torch.arange(height) + 0.5) / height
    x = (torch.arange(width) + 0.5) / width
    down = _ramp(y, 0.44, 0.56) * _ramp(1 - y, 0.0, 0.1)
    across = _ramp(x, 0.0, 0.12) * _ramp(1 - x, 0.0, 0.12)
    return down[:, None] * across


def _ramp(x: Tensor, low: float, high: float) -> Tensor:
    share = ((x - low) / (high - low)).clamp(0, 1)
    return share * share * (3 - 2 * share)
