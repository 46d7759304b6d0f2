"""Draws one mouth: lips, teeth and tongue, on a transparent patch of the face's canvas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from zoo.data.corpora.drawing import Color, shade
from zoo.data.corpora.identity import MOUTH_CENTRE, Identity

Array = NDArray[np.float64]
PATCH: Final = (84, 118, 172, 202)  # left, top, right, bottom on the canvas
_FINE: Final = 3  # drawn this much larger, then reduced
JAW_DROP: Final = 15.0  # pixels the chin falls when the jaw is wide open
_GAP: Final = 23.0  # pixels between the lips when the mouth is wide open
_S: Final[Array] = np.linspace(-1, 1, 25)  # along the lips, corner to corner
_TEETH: Final[Color] = (232, 226, 214)
_CAVITY: Final[Color] = (62, 22, 26)
_TONGUE: Final[Color] = (176, 84, 86)


@dataclass(frozen=True)
class MouthShape:
    """One frame of a `mouth.MouthTrack`, with the mood's pull at the corners in pixels."""

    jaw: float
    open: float
    width: float
    round: float
    tuck: float
    tongue: float
    smile: float


@dataclass(frozen=True)
class Contours:
    """Heights of the four edges of the lips over `x`, (25,) each, in canvas pixels."""

    x: Array
    outer_top: Array
    inner_top: Array
    inner_bottom: Array
    outer_bottom: Array
    inner_x: Array

    @property
    def opening(self) -> float:
        """Gap between the lips in pixels."""
        return float(np.max(self.inner_bottom - self.inner_top))

    @property
    def width(self) -> float:
        """Distance of the corners in pixels."""
        return float(self.x[-1] - self.x[0])

    def landmarks(self) -> Array:
        """(20, 2) landmarks 48 to 67."""
        top, bottom = [0, 4, 8, 12, 16, 20, 24], [20, 16, 12, 8, 4]
        outer = [(self.x[k], self.outer_top[k]) for k in top]
        outer += [(self.x[k], self.outer_bottom[k]) for k in bottom]
        inner = [(self.inner_x[k], self.inner_top[k]) for k in (0, 7, 12, 17, 24)]
        inner += [(self.inner_x[k], self.inner_bottom[k]) for k in (17, 12, 7)]
        return np.array(outer + inner)


def contours(who: Identity, shape: MouthShape) -> Contours:
    """Where the edges of the lips run."""
    gap = _GAP * max(shape.open, 0.0)
    press = min(max(-shape.open, 0.0) * 4, 1.0)  # lips closed on each other grow thin
    half = 0.5 * who.mouth_width * (1 + 0.17 * shape.width - 0.1 * shape.round)
    half -= 0.04 * gap
    upper, lower = who.lip_heights
    upper *= (1 - 0.3 * press + 0.15 * shape.round) * (1 - 0.12 * max(shape.width, 0))
    lower *= (1 - 0.35 * press + 0.2 * shape.round) * (1 - 0.45 * shape.tuck)
    corner = MOUTH_CENTRE[1] + 0.3 * gap + 0.15 * JAW_DROP * shape.jaw - shape.smile
    bend = shape.smile * (1 - _S**2)  # a smile lifts the corners above the middle
    # rounder lips have a rounder opening
    arch = np.clip(1 - np.abs(_S) ** (2.0 - 0.4 * shape.round), 0, 1)
    rise, fall = 0.36 * gap, 0.70 * gap - 3.0 * shape.tuck
    bow = arch**0.75 * (1 - 0.16 * np.exp(-((_S / 0.13) ** 2)))
    inner_top = corner + bend - (rise + 0.06 * gap) * arch
    inner_bottom = np.maximum(inner_top, corner + bend + fall * arch)
    x = MOUTH_CENTRE[0] + half * _S
    return Contours(
        x=x,
        outer_top=inner_top - upper * bow,
        inner_top=inner_top,
        inner_bottom=inner_bottom,
        outer_bottom=inner_bottom + lower * arch**0.6,
        inner_x=MOUTH_CENTRE[0] + 0.93 * half * _S,
    )


def draw_mouth(who: Identity, shape: MouthShape, edge: Contours) -> Image.Image:
    """The mouth on the patch `PATCH`, RGBA, transparent around it."""
    width, height = PATCH[2] - PATCH[0], PATCH[3] - PATCH[1]
    skin_like = (*shade(who.lips, 0.96), 0)  # so that the reduced edge has no dark fringe
    image = Image.new("RGBA", (width * _FINE, height * _FINE), skin_like)
    draw = ImageDraw.Draw(image)
    if edge.opening > 0.4:
        _inside(draw, shape, edge)
    _lips(draw, who, edge)
    return image.reduce(_FINE)


def _inside(draw: ImageDraw.ImageDraw, shape: MouthShape, edge: Contours) -> None:
    x, top, bottom = edge.inner_x, edge.inner_top, edge.inner_bottom
    _fill(draw, x, top - 1, bottom + 1, _CAVITY)
    tongue_height = 3.0 + 6.0 * shape.tongue
    back = np.maximum(top, bottom - tongue_height * (1 - _S**2))
    _fill(draw, _towards_middle(x, 0.8), back, bottom, _TONGUE)
    lower = np.maximum(top, bottom - 2.2 * (1 - _S**2))
    _fill(draw, _towards_middle(x, 0.72), lower, bottom, shade(_TEETH, 0.82))
    reach = 4.6 * (1 - 0.7 * np.abs(_S) ** 3) * (1 - 0.45 * shape.round)
    _fill(draw, x, top - 1, np.minimum(bottom, top + reach), _TEETH)


def _towards_middle(x: Array, share: float) -> Array:
    return share * x + (1 - share) * MOUTH_CENTRE[0]


def _lips(draw: ImageDraw.ImageDraw, who: Identity, edge: Contours) -> None:
    overlap = 0.6  # so that no skin shows between closed lips
    _fill(draw, edge.x, edge.outer_top, edge.inner_top + overlap, shade(who.lips, 0.9))
    _fill(draw, edge.x, edge.inner_bottom - overlap, edge.outer_bottom, who.lips)
    thick = edge.outer_bottom - edge.inner_bottom
    light_top, light_bottom = edge.inner_bottom + 0.3 * thick, edge.inner_bottom + 0.62 * thick
    middle = slice(6, 19)
    points = _points(edge.x[middle], light_top[middle], light_bottom[middle])
    draw.polygon(points, fill=(*shade(who.lips, 1.14), 255))
    if edge.opening < 1.2:
        seam = 0.5 * (edge.inner_top + edge.inner_bottom)
        line = _flat(edge.x - PATCH[0], seam - PATCH[1])
        draw.line(line, fill=(*shade(who.lips, 0.5), 255), width=_FINE)


def _fill(draw: ImageDraw.ImageDraw, x: Array, top: Array, bottom: Array, color: Color) -> None:
    draw.polygon(_points(x, top, bottom), fill=(*color, 255))


def _points(x: Array, top: Array, bottom: Array) -> list[float]:
    across = np.concatenate([x, x[::-1]]) - PATCH[0]
    down = np.concatenate([top, bottom[::-1]]) - PATCH[1]
    return _flat(across, down)


def _flat(across: Array, down: Array) -> list[float]:
    """Pillow's x, y, x, y ... in pixels of the fine patch."""
    pairs: list[float] = (_FINE * np.stack([across, down], axis=1)).ravel().tolist()
    return pairs
