"""How a head moves while its owner talks: pose, blinks, and the mood in the face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zoo.data.corpora.identity import CANVAS

Array = NDArray[np.float64]
PICTURE: Final = 224
_FPS: Final = 25
_PIVOT: Final = (128.0, 196.0)  # where the head sits on the neck, on the canvas
_BORDER: Final = (CANVAS - PICTURE) / 2
_RELIEF: Final = 42.0  # pixels from the ears forward to the cheeks
_NOSE: Final = 15.0


@dataclass(frozen=True)
class Mood:
    """What a feeling does to face and voice.

    Attributes:
        brow_lift: pixels.
        brow_turn: pixels by which the inner ends of the brows sink.
        smile: pixels by which the corners of the mouth rise.
        pitch: added to the voice's pitch.
        pitch_range: added to the range of the voice's pitch.
        rate: words a minute added to its pace.
    """

    brow_lift: float
    brow_turn: float
    smile: float
    pitch: int
    pitch_range: int
    rate: int


MOODS: Final[dict[str, Mood]] = {
    "neutral": Mood(0.0, 0.0, 0.0, 0, 0, 0),
    "happy": Mood(1.2, -0.5, 3.2, 6, 12, 4),
    "sad": Mood(1.0, -3.0, -2.2, -6, -14, -5),
    "angry": Mood(-2.2, 3.2, -1.2, 3, 6, 5),
    "surprised": Mood(4.2, -0.6, 0.6, 9, 14, 0),
}


@dataclass(frozen=True)
class HeadTrack:
    """A head in every frame, (T,) each.

    Attributes:
        x: pixels to the right.
        y: pixels down.
        roll: radians, clockwise.
        yaw: about the sine of the turn to the side.
        pitch: about the sine of the nod.
        scale: size, 1 is usual.
        lids: 0 open to 1 shut.
    """

    x: Array
    y: Array
    roll: Array
    yaw: Array
    pitch: Array
    scale: Array
    lids: Array

    def __len__(self) -> int:
        return len(self.x)

    def part(self, frames: slice) -> HeadTrack:
        """Some of the frames."""
        return HeadTrack(**{name: track[frames] for name, track in vars(self).items()})


def head_track(frames: int, rng: np.random.Generator, *, liveliness: float = 1.0) -> HeadTrack:
    """Draw the movement of a head; `liveliness` scales it all."""

    def wander(size: float, rest: float = 0.5) -> Array:
        return liveliness * size * (_wander(frames, rng) + rest * rng.normal())

    return HeadTrack(
        x=wander(3.0),
        y=wander(2.4),
        roll=wander(0.03),
        yaw=np.clip(wander(0.07, 1.1), -0.24, 0.24),
        pitch=wander(0.045),
        scale=np.clip(1 + wander(0.012, 2.5), 0.9, 1.1),
        lids=_blinks(frames, rng),
    )


def _wander(frames: int, rng: np.random.Generator) -> Array:
    """A slow smooth curve around zero with a spread of about one."""
    times = np.arange(frames) / _FPS
    rates = rng.uniform([0.1, 0.3, 0.6], [0.3, 0.6, 1.2])
    waves = np.sin(2 * np.pi * (rates[:, None] * times + rng.random((3, 1))))
    curve: Array = np.array([0.9, 0.6, 0.3]) @ waves
    return curve


def _blinks(frames: int, rng: np.random.Generator) -> Array:
    lids = np.zeros(frames)
    shape = (0.5, 1.0, 0.9, 0.35)
    start = int(rng.integers(0, 3 * _FPS))
    while start < frames:
        stop = min(start + len(shape), frames)
        lids[start:stop] = shape[: stop - start]
        start += int(rng.integers(2 * _FPS, 5 * _FPS))
    return lids


def to_canvas(track: HeadTrack, points: Array) -> Array:
    """Where on the canvas the points (N, 2) of the picture come from: (T, N, 2)."""
    x, y = points[:, 0] + _BORDER, points[:, 1] + _BORDER
    cos, sin = np.cos(track.roll[:, None]), np.sin(track.roll[:, None])
    u = x - _PIVOT[0] - track.x[:, None]
    v = y - _PIVOT[1] - track.y[:, None]
    size = track.scale[:, None]
    turned = np.stack([(cos * u + sin * v) / size, (cos * v - sin * u) / size], axis=-1)
    return _turned_back(turned + np.array(_PIVOT), track.yaw, track.pitch)


def to_picture(track: HeadTrack, points: Array) -> Array:
    """Where in the picture the points (T, N, 2) of the canvas are seen: (T, N, 2)."""
    seen = points
    for _ in range(8):  # the inverse of a small smooth shift
        seen = seen + points - _turned_back(seen, track.yaw, track.pitch)
    cos, sin = np.cos(track.roll)[:, None], np.sin(track.roll)[:, None]
    u, v = np.moveaxis((seen - np.array(_PIVOT)) * track.scale[:, None, None], -1, 0)
    x = cos * u - sin * v + _PIVOT[0] + track.x[:, None]
    y = sin * u + cos * v + _PIVOT[1] + track.y[:, None]
    return np.stack([x, y], axis=-1) - _BORDER


def _turned_back(seen: Array, yaw: Array, pitch: Array) -> Array:
    """Undo the parallax of a turned head: what is near moves more than what is far."""
    x, y = seen[..., 0] - 128, seen[..., 1] - 126
    round_head = np.clip(1 - (x / 74) ** 2 - (y / 96) ** 2, 0, None)
    nose = np.exp(-((x / 17) ** 2) - ((y - 2) / 22) ** 2)
    depth = _RELIEF * round_head + _NOSE * nose
    return np.stack(
        [seen[..., 0] - yaw[:, None] * depth, seen[..., 1] - pitch[:, None] * depth], axis=-1
    )
