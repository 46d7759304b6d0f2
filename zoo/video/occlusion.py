"""Things in front of a mouth, and noisy or blurred frames, as AV-RelScore corrupts videos.

Paper: "Watch or Listen" (arXiv 2303.08536), section on visual corruption. Every function draws from
a `random.Random` in the order of the official code. That code has two slips, which `official=True`
repeats: landmarks are taken from the start of the clip instead of the start of the span, and in
training rows and columns of the place are exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zoo.video.landmarks import Points

Pixels = NDArray[np.uint8]

MOUTH_POINTS = (48, 67)  # first and last of the 68 landmarks
TRAIN_OFFSETS = (20, 60)  # pixels between landmark and the occluder's corner, one span
TRAIN_OFFSETS_MANY = (20, 40)  # the same with several spans
TEST_OFFSET = 15
MAX_VARIANCE = 0.2
_NOISE_SHARE = 0.3  # of spans; as many are blurred


@dataclass(frozen=True, eq=False)
class Occluder:
    """A thing with its mask: pixels (h, w, 3), mask (h, w), 255 where it hides what is behind."""

    pixels: Pixels
    mask: Pixels


@dataclass(frozen=True)
class Span:
    """Frames `start` to `start + length` of a clip."""

    start: int
    length: int

    @property
    def frames(self) -> range:
        """The numbers of its frames."""
        return range(self.start, self.start + self.length)


@dataclass(frozen=True)
class NoiseSpan(Span):
    """Frames that get Gaussian noise of a variance (of values in [0, 1]), or blur."""

    kind: Literal["noise", "blur"]
    variance: float | None = None


def overlay(picture: Pixels, occluder: Occluder, x: int, y: int) -> Pixels:
    """Blend an occluder over a picture (H, W, 3) with its corner at column x, row y.

    Parts beyond the border are cut; the result is a new array, equal to the picture where the
    occluder lies wholly outside.
    """
    height, width = picture.shape[:2]
    rows, columns = occluder.mask.shape
    top, bottom = max(0, y), min(height, y + rows)
    left, right = max(0, x), min(width, x + columns)
    result = picture.copy()
    if top >= bottom or left >= right:
        return result
    part = np.s_[top - y : bottom - y, left - x : right - x]
    weight = (occluder.mask[part] / 255.0)[..., None]
    behind = picture[top:bottom, left:right]
    # parity: cast, not rounded
    result[top:bottom, left:right] = weight * occluder.pixels[part] + (1 - weight) * behind
    return result


def draw_span(draw: Random, frames: int, number: int, count: int, shortest: float) -> Span:
    """The frames that one of `count` corruptions covers.

    One alone takes between `shortest` and 0.5 of the clip, anywhere. Of several each takes 0.3 to
    0.5 and ends within its own part of the clip, or half of that part if it would begin before it.
    """
    if count == 1:
        length = draw.randint(int(shortest * frames), int(0.5 * frames))
        return Span(draw.randint(0, frames - length), length)
    share = frames // count
    length = draw.randint(int(0.3 * frames), int(0.5 * frames))
    room = (number + 1) * share - length
    start = draw.randint(0, room) if room >= 0 else -1
    return Span(start, length) if start >= number * share else Span(number * share, share // 2)


def occlude_train(
    frames: Pixels,
    landmarks: Points,
    corners: NDArray[np.int64],
    occluder: Occluder,
    draw: Random,
    count: int = 1,
    *,
    official: bool = False,
) -> Pixels:
    """Training occlusion of mouth crops.

    Args:
        frames: (T, H, W, 3) crops.
        landmarks: (T, 68, 2) in the frame the crops were cut from.
        corners: (T, 2) row and column of each crop in that frame.
        occluder: the thing.
        draw: for each span landmark, offset, length, start.
        count: number of spans.
        official: repeat the slips described above.
    """
    result = frames.copy()
    for number in range(count):
        point = draw.randint(*MOUTH_POINTS)
        offset = draw.randint(*(TRAIN_OFFSETS if count == 1 else TRAIN_OFFSETS_MANY))
        span = draw_span(draw, len(frames), number, count, shortest=0.1)
        for t in span.frames:
            source = t - span.start if official else t
            place = landmarks[source, point] - corners[source][::-1] - offset
            x, y = place[::-1] if official else place
            result[t] = overlay(result[t], occluder, int(x), int(y))
    return result


def occlude_test(
    frames: Pixels,
    landmarks: Points,
    occluder: Occluder,
    draw: Random,
    count: int = 1,
    *,
    official: bool = False,
) -> Pixels:
    """Occlusion of whole frames (T, H, W, 3) for a corrupted test set; arguments as above."""
    result = frames.copy()
    for number in range(count):
        point = draw.randint(*MOUTH_POINTS)
        span = draw_span(draw, len(frames), number, count, shortest=0.3)
        for t in span.frames:
            x, y = landmarks[t - span.start if official else t, point] - TEST_OFFSET
            result[t] = overlay(result[t], occluder, int(x), int(y))
    return result


def plan_noise(draw: Random, frames: int, count: int = 1) -> list[NoiseSpan]:
    """Which frames get noise or blur in training; a span has a chance of 0.4 to stay clean."""
    spans = []
    for number in range(count):
        span = draw_span(draw, frames, number, count, shortest=0.1)
        chance = draw.random()
        if chance < _NOISE_SHARE:
            variance = draw.random() * MAX_VARIANCE
            spans.append(NoiseSpan(span.start, span.length, "noise", variance))
        elif chance < 2 * _NOISE_SHARE:
            spans.append(NoiseSpan(span.start, span.length, "blur"))
    return spans
