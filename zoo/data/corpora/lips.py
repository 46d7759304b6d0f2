"""Draws mouths: lips, teeth and tongue of several frames at once.

Every part is a band between two heights over each column of pixels, so how much of a pixel it
covers is a subtraction, and smooth edges need no larger drawing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.corpora.drawing import Color, shade
from zoo.data.corpora.identity import MOUTH_CENTRE, Identity
from zoo.data.corpora.mouth import MouthTrack
from zoo.data.corpora.planes import Tint, color_planes

Array = NDArray[np.float64]
LEFT: Final = 96  # columns of the canvas that a mouth can reach
RIGHT: Final = 160
JAW_DROP: Final = 15.0  # pixels the chin falls when the jaw is wide open
_GAP: Final = 23.0  # pixels between the lips when the mouth is wide open
_INNER: Final = 0.93  # where the inner corners are, the outer ones are at 1
_TEETH: Final[Color] = (232, 226, 214)
_CAVITY: Final[Color] = (62, 22, 26)
_TONGUE: Final[Color] = (176, 84, 86)
_MOVES: Final = ("jaw", "open", "width", "round", "tuck", "tongue")
_SEVENTHS: Final = np.linspace(-1, 1, 7)
_INNER_MARKS: Final = np.array([-1, -5 / 12, 0, 5 / 12, 1])


@dataclass(frozen=True)
class Lips:
    """Measures of a mouth in T frames, (T, 1) each, in canvas pixels.

    Attributes:
        gap: between the lips.
        half: from the middle to a corner.
        upper: thickness of the upper lip.
        lower: of the lower lip.
        corner: height of the corners.
        rise: how far the upper lip goes up from them.
        fall: how far the lower lip goes down.
        roundness: 0 to 1.
        tongue: 0 to 1, its tip up.
        smile: pixels by which the corners are drawn up.
    """

    gap: Array
    half: Array
    upper: Array
    lower: Array
    corner: Array
    rise: Array
    fall: Array
    roundness: Array
    tongue: Array
    smile: float

    @property
    def opening(self) -> Array:
        """Gap between the lips in their middle, (T,)."""
        return np.maximum(self.rise + self.fall, 0)[:, 0]

    @property
    def width(self) -> Array:
        """Distance of the corners, (T,)."""
        return 2 * self.half[:, 0]

    def inner(self, along: Array) -> tuple[Array, Array]:
        """Heights of the inner edges at places from -1 (left corner) to 1, (N,) or (T, N)."""
        arch = self._arch(along)
        # a smile lifts the corners above the middle
        base = self.corner + self.smile * np.clip(1 - along**2, 0, 1)
        top = base - self.rise * arch
        return top, np.maximum(top, base + self.fall * arch)

    def outer(self, along: Array) -> tuple[Array, Array]:
        """Heights of the outer edges, as `inner`."""
        top, bottom = self.inner(along)
        arch = self._arch(along)
        bow = arch**0.75 * (1 - 0.16 * np.exp(-((along / 0.13) ** 2)))
        return top - self.upper * bow, bottom + self.lower * arch**0.6

    def landmarks(self) -> Array:
        """(T, 20, 2) landmarks 48 to 67."""
        top, bottom = self.outer(_SEVENTHS)[0], self.outer(_SEVENTHS)[1][:, -2:0:-1]
        inner_top, inner_bottom = self.inner(_INNER_MARKS)
        along = np.concatenate(
            [_SEVENTHS, _SEVENTHS[-2:0:-1], _INNER * _INNER_MARKS, _INNER * _INNER_MARKS[-2:0:-1]]
        )
        heights = [top, bottom, inner_top, inner_bottom[:, -2:0:-1]]
        x = MOUTH_CENTRE[0] + self.half * along
        return np.stack([x, np.concatenate(heights, axis=1)], axis=-1)

    def part(self, frames: slice) -> Lips:
        """Some of the frames."""
        tracks: dict[str, Any] = {
            name: track[frames] for name, track in vars(self).items() if name != "smile"
        }
        return replace(self, **tracks)

    def _arch(self, along: Array) -> Array:
        # rounder lips have a rounder opening
        return np.clip(1 - np.abs(along) ** (2.0 - 0.4 * self.roundness), 0, 1)


def lips(who: Identity, track: MouthTrack, smile: float) -> Lips:
    """Where the edges of somebody's lips run while the mouth moves; `smile` is the mood's, px."""
    columns = (getattr(track, name)[:, None] for name in _MOVES)
    jaw, opened, width, roundness, tuck, tongue = columns
    gap = _GAP * np.maximum(opened, 0)
    press = np.clip(-4 * opened, 0, 1)  # lips closed on each other grow thin
    half = 0.5 * who.mouth_width * (1 + 0.17 * width - 0.1 * roundness) - 0.04 * gap
    upper, lower = who.lip_heights
    return Lips(
        gap=gap,
        half=half,
        upper=upper * (1 - 0.3 * press + 0.15 * roundness) * (1 - 0.12 * np.maximum(width, 0)),
        lower=lower * (1 - 0.35 * press + 0.2 * roundness) * (1 - 0.45 * tuck),
        corner=MOUTH_CENTRE[1] + 0.3 * gap + 0.15 * JAW_DROP * jaw - smile,
        rise=0.42 * gap,
        fall=0.70 * gap - 3.0 * tuck,
        roundness=roundness,
        tongue=tongue,
        smile=smile,
    )


@dataclass(frozen=True)
class _Band:
    """One part of the mouth: a colour (4,) between two heights (T, W), opaque to `reach` (T, W)."""

    color: Tensor
    top: Array
    bottom: Array
    reach: Array


def draw_mouths(who: Identity, mouth: Lips, tint: Tint) -> tuple[Tensor, int]:
    """The mouths of T frames on columns `LEFT` to `RIGHT` of the canvas.

    Returns:
        (T, 4, rows, 64): brightness, two colour differences (all times coverage), coverage; and
        the first of the rows on the canvas, even, as is their number.
    """
    along = (np.arange(LEFT, RIGHT) - MOUTH_CENTRE[0]) / mouth.half
    top, bottom = mouth.outer(along)
    first, last = (int(top.min()) - 2) & ~1, (int(bottom.max()) + 3) & ~1
    edges = torch.arange(first, last, dtype=torch.float32)[None, :, None] - 0.5
    layer = torch.zeros(len(along), 4, last - first, RIGHT - LEFT)
    for band in (*_inside(mouth, along, tint), *_skin(who, mouth, along, tint)):
        high, low, reach = (
            torch.from_numpy(values.astype(np.float32))[:, None]
            for values in (band.top, band.bottom, band.reach)
        )
        covered = (low - edges).clamp_(0, 1).sub_((high - edges).clamp_(0, 1)).clamp_(min=0)
        layer = torch.lerp(layer, band.color[:, None, None], covered.mul_(reach)[:, None])
    return layer, first


def _inside(mouth: Lips, along: Array, tint: Tint) -> Iterator[_Band]:
    """What is seen between the lips, from back to front."""
    seen = np.clip((mouth.opening[:, None] - 0.2) / 0.4, 0, 1)

    def band(color: Color, reach: float) -> tuple[Array, Array, Array, Tensor, Array]:
        scaled = along / reach
        ends = _ends(mouth, along, reach) * seen
        return *mouth.inner(scaled), np.clip(1 - scaled**2, 0, 1), color_planes(color, tint), ends

    top, bottom, _, color, ends = band(_CAVITY, _INNER)
    yield _Band(color, top - 1, bottom + 1, ends)
    top, bottom, bulge, color, ends = band(_TONGUE, 0.8 * _INNER)
    yield _Band(color, np.maximum(top, bottom - (3 + 6 * mouth.tongue) * bulge), bottom, ends)
    top, bottom, bulge, color, ends = band(shade(_TEETH, 0.82), 0.72 * _INNER)
    yield _Band(color, np.maximum(top, bottom - 2.2 * bulge), bottom, ends)
    top, bottom, _, color, ends = band(_TEETH, _INNER)
    hang = 4.6 * (1 - 0.7 * np.abs(along / _INNER) ** 3) * (1 - 0.45 * mouth.roundness)
    yield _Band(color, top - 1, np.minimum(bottom, top + hang), ends)


def _skin(who: Identity, mouth: Lips, along: Array, tint: Tint) -> Iterator[_Band]:
    """The lips, a light on the lower one, and the line between them when they are closed."""
    (outer_top, outer_bottom), (top, bottom) = mouth.outer(along), mouth.inner(along)
    ends, overlap = _ends(mouth, along, 1.0), 0.6  # so that no skin shows between closed lips
    yield _Band(color_planes(shade(who.lips, 0.9), tint), outer_top, top + overlap, ends)
    yield _Band(color_planes(who.lips, tint), bottom - overlap, outer_bottom, ends)
    thick, middle = outer_bottom - bottom, _ends(mouth, along, 0.5)
    light = color_planes(shade(who.lips, 1.14), tint)
    yield _Band(light, bottom + 0.3 * thick, bottom + 0.62 * thick, middle)
    seam, closed = 0.5 * (top + bottom), np.clip((1.6 - mouth.opening[:, None]) / 0.8, 0, 1)
    yield _Band(color_planes(shade(who.lips, 0.5), tint), seam - 0.5, seam + 0.5, ends * closed)


def _ends(mouth: Lips, along: Array, reach: float) -> Array:
    """How much of each pixel's width lies between the two ends of a band."""
    return np.clip((reach - np.abs(along)) * mouth.half + 0.5, 0, 1)
