"""A pen that draws in an object's own frame: unit coordinates, turned, mirrored and scaled."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PIL import ImageDraw

Color = tuple[int, int, int]
Point = tuple[float, float]

INK: Color = (38, 34, 36)
PALE: Color = (240, 240, 232)
WOOD: Color = (122, 84, 52)
LEAF: Color = (58, 122, 58)
SUN: Color = (246, 206, 70)
GLASS: Color = (196, 222, 238)


def shade(color: Color, factor: float) -> Color:
    """The colour made darker (below 1) or lighter (above 1)."""
    if factor <= 1:
        return _rgb(c * factor for c in color)
    return _rgb(c + (255 - c) * (factor - 1) for c in color)


def _rgb(values: Iterable[float]) -> Color:
    red, green, blue = (max(0, min(255, round(v))) for v in values)
    return red, green, blue


@dataclass(frozen=True)
class Pen:
    """Draws into a picture at (x, y) pixels; coordinates run over [-1, 1], y downwards.

    Attributes:
        draw: Pillow's drawing surface.
        x: centre in pixels.
        y: centre in pixels.
        radius: pixels a unit.
        turn: radians, clockwise.
        mirror: left and right exchanged.
    """

    draw: ImageDraw.ImageDraw
    x: float
    y: float
    radius: float
    turn: float = 0.0
    mirror: bool = False

    def __call__(self, u: float, v: float) -> Point:
        """Pixel position of a point of the object's frame."""
        u = -u if self.mirror else u
        c, s = math.cos(self.turn), math.sin(self.turn)
        return self.x + self.radius * (c * u - s * v), self.y + self.radius * (s * u + c * v)

    def shape(self, points: Sequence[Point], color: Color, edge: bool = True) -> None:
        """A filled polygon, with a thin dark edge unless told otherwise."""
        pixels = [self(u, v) for u, v in points]
        self.draw.polygon(pixels, fill=color)
        if edge:
            self.draw.line([*pixels, pixels[0]], fill=INK, width=self._width(0.055), joint="curve")

    def oval(
        self, u: float, v: float, rx: float, ry: float, color: Color, *, edge: bool = True
    ) -> None:
        """A filled ellipse around (u, v)."""
        self.shape(arc(u, v, rx, ry), color, edge)

    def box(self, u0: float, v0: float, u1: float, v1: float, color: Color) -> None:
        """A filled rectangle from corner to corner."""
        self.shape([(u0, v0), (u1, v0), (u1, v1), (u0, v1)], color)

    def line(self, points: Sequence[Point], color: Color, width: float) -> None:
        """An open line, `width` in units."""
        pixels = [self(u, v) for u, v in points]
        self.draw.line(pixels, fill=color, width=self._width(width), joint="curve")

    def _width(self, units: float) -> int:
        return max(1, round(units * self.radius))


def arc(
    u: float, v: float, rx: float, ry: float, start: float = 0.0, stop: float = 360.0
) -> list[Point]:
    """Points along an ellipse between two angles in degrees, clockwise from the right."""
    count = max(6, round(abs(stop - start) / 10))
    angles = (math.radians(start + (stop - start) * k / count) for k in range(count + 1))
    return [(u + rx * math.cos(a), v + ry * math.sin(a)) for a in angles]
