"""The objects of the tiny picture corpora, one function each: `draw(pen, colour)`.

Every object fills about [-1, 1] x [-1, 1] and shows its colour on most of its area.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from zoo.data.corpora.drawing import (
    GLASS,
    INK,
    LEAF,
    PALE,
    SUN,
    WOOD,
    Color,
    Pen,
    arc,
    shade,
)


def _ball(pen: Pen, color: Color) -> None:
    pen.oval(0, 0, 0.85, 0.85, color)
    pen.line(arc(0, -0.75, 0.8, 0.7, 25, 155), PALE, 0.1)
    pen.line(arc(0, 0.75, 0.8, 0.7, 205, 335), PALE, 0.1)


def _box(pen: Pen, color: Color) -> None:
    pen.shape([(-0.8, -0.4), (-0.4, -0.8), (0.85, -0.8), (0.45, -0.4)], shade(color, 1.35))
    pen.shape([(0.45, -0.4), (0.85, -0.8), (0.85, 0.4), (0.45, 0.85)], shade(color, 0.65))
    pen.box(-0.8, -0.4, 0.45, 0.85, color)
    pen.line([(-0.17, -0.4), (-0.17, 0.1)], shade(color, 0.65), 0.12)


def _wheel(pen: Pen, u: float, v: float, r: float) -> None:
    pen.oval(u, v, r, r, INK)
    pen.oval(u, v, r * 0.45, r * 0.45, (170, 170, 172), edge=False)


def _car(pen: Pen, color: Color) -> None:
    pen.shape([(-0.55, -0.05), (-0.3, -0.5), (0.3, -0.5), (0.6, -0.05)], color)
    pen.shape([(-0.4, -0.05), (-0.22, -0.38), (-0.02, -0.38), (-0.02, -0.05)], GLASS)
    pen.shape([(0.06, -0.05), (0.06, -0.38), (0.25, -0.38), (0.44, -0.05)], GLASS)
    pen.shape(
        [(-0.98, 0.4), (-0.98, 0.02), (-0.6, -0.08), (0.65, -0.08), (1, 0.1), (1, 0.4)], color
    )
    _wheel(pen, -0.52, 0.42, 0.25)
    _wheel(pen, 0.55, 0.42, 0.25)


def _truck(pen: Pen, color: Color) -> None:
    pen.box(-1, -0.65, 0.3, 0.4, color)
    pen.shape([(0.38, 0.4), (0.38, -0.3), (0.72, -0.3), (1, 0.08), (1, 0.4)], shade(color, 0.7))
    pen.shape([(0.48, 0.05), (0.48, -0.18), (0.68, -0.18), (0.85, 0.05)], GLASS)
    for u in (-0.65, -0.1, 0.65):
        _wheel(pen, u, 0.45, 0.23)


def _boat(pen: Pen, color: Color) -> None:
    pen.line([(0, 0.4), (0, -0.95)], WOOD, 0.09)
    pen.shape([(0.08, -0.9), (0.08, 0.2), (0.75, 0.2)], PALE)
    pen.shape([(-0.08, -0.65), (-0.08, 0.2), (-0.6, 0.2)], PALE)
    pen.shape([(-1, 0.3), (1, 0.3), (0.62, 0.85), (-0.65, 0.85)], color)


def _plane(pen: Pen, color: Color) -> None:
    pen.shape([(-0.1, -0.05), (-0.45, -0.8), (-0.2, -0.8), (0.4, -0.05)], shade(color, 0.7))
    pen.shape([(-0.75, -0.1), (-1, -0.6), (-0.78, -0.6), (-0.45, -0.1)], shade(color, 0.7))
    pen.oval(0.02, 0, 0.97, 0.22, color)
    pen.shape([(-0.1, 0.08), (-0.55, 0.75), (-0.28, 0.75), (0.4, 0.08)], shade(color, 0.85))
    for u in (-0.3, -0.05, 0.2, 0.45):
        pen.oval(u, -0.06, 0.07, 0.07, GLASS, edge=False)
    pen.shape([(0.66, -0.14), (0.84, -0.08), (0.9, 0), (0.66, 0)], GLASS)


def _house(pen: Pen, color: Color) -> None:
    pen.box(0.38, -0.9, 0.6, -0.3, shade(color, 0.55))
    pen.box(-0.75, -0.2, 0.75, 0.9, color)
    pen.shape([(-0.98, -0.15), (0, -0.95), (0.98, -0.15)], shade(color, 0.6))
    pen.box(-0.18, 0.3, 0.18, 0.9, WOOD)
    pen.box(-0.58, 0.1, -0.3, 0.4, GLASS)
    pen.box(0.3, 0.1, 0.58, 0.4, GLASS)


def _tree(pen: Pen, color: Color) -> None:
    pen.shape([(-0.14, 0), (0.14, 0), (0.2, 0.98), (-0.2, 0.98)], WOOD)
    for u, v, r in ((-0.42, 0.05, 0.42), (0.42, 0.05, 0.42), (0, -0.45, 0.52)):
        pen.oval(u, v, r, r, color)
    pen.oval(0, -0.08, 0.5, 0.45, color, edge=False)


def _flower(pen: Pen, color: Color) -> None:
    pen.line([(0, 0), (0.05, 1)], LEAF, 0.1)
    pen.shape([(0.04, 0.75), (0.3, 0.45), (0.55, 0.5), (0.35, 0.75)], LEAF)
    for k in range(6):
        a = math.radians(60 * k + 30)
        pen.oval(0.4 * math.cos(a), -0.35 + 0.4 * math.sin(a), 0.27, 0.27, color)
    pen.oval(0, -0.35, 0.24, 0.24, SUN)


def _fish(pen: Pen, color: Color) -> None:
    pen.shape([(-0.45, 0), (-1, -0.5), (-0.85, 0), (-1, 0.5)], shade(color, 0.75))
    pen.shape([(-0.2, -0.35), (0.1, -0.75), (0.35, -0.4)], shade(color, 0.75))
    pen.oval(0.2, 0, 0.75, 0.45, color)
    pen.line(arc(0.35, 0, 0.15, 0.4, -70, 70), shade(color, 0.6), 0.07)
    pen.oval(0.65, -0.1, 0.11, 0.11, PALE)
    pen.oval(0.67, -0.1, 0.05, 0.05, INK, edge=False)


def _bird(pen: Pen, color: Color) -> None:
    pen.line([(-0.1, 0.4), (-0.1, 0.9), (0.1, 0.95)], SUN, 0.08)
    pen.line([(0.15, 0.4), (0.15, 0.9), (0.35, 0.95)], SUN, 0.08)
    pen.shape([(-0.4, 0.1), (-1, -0.05), (-0.95, 0.3), (-0.4, 0.35)], shade(color, 0.7))
    pen.oval(0, 0.15, 0.6, 0.42, color)
    pen.shape([(0.72, -0.5), (1, -0.35), (0.72, -0.25)], SUN)
    pen.oval(0.48, -0.38, 0.34, 0.32, color)
    pen.shape([*arc(-0.1, 0.1, 0.38, 0.3, 0, 180)], shade(color, 0.7))
    pen.oval(0.58, -0.44, 0.07, 0.07, INK, edge=False)


def _cat(pen: Pen, color: Color) -> None:
    pen.line(arc(0.48, 0.42, 0.35, 0.45, 90, -60), shade(color, 0.8), 0.16)
    pen.oval(0, 0.45, 0.5, 0.52, color)
    for side in (-1, 1):
        pen.shape([(side * 0.5, -0.3), (side * 0.48, -0.98), (side * 0.1, -0.7)], color)
        pen.oval(side * 0.2, 0.9, 0.18, 0.1, color)
    pen.oval(0, -0.32, 0.52, 0.44, color)
    eye = PALE if sum(color) < 240 else INK
    for side in (-1, 1):
        pen.oval(side * 0.2, -0.38, 0.07, 0.1, eye, edge=False)
        for v in (-0.22, -0.12):
            pen.line([(side * 0.15, -0.17), (side * 0.75, v)], eye, 0.035)
    pen.shape([(-0.07, -0.25), (0.07, -0.25), (0, -0.16)], (226, 132, 140), edge=False)


def _dog(pen: Pen, color: Color) -> None:
    for u in (-0.6, -0.38, 0.2, 0.42):
        pen.box(u - 0.09, 0.2, u + 0.09, 0.9, color)
    pen.line([(-0.65, -0.05), (-0.95, -0.5)], shade(color, 0.8), 0.14)
    pen.oval(-0.1, 0.1, 0.68, 0.32, color)
    pen.shape([(0.25, 0.1), (0.35, -0.5), (0.7, -0.5), (0.6, 0.15)], color, edge=False)
    pen.oval(0.52, -0.45, 0.33, 0.3, color)
    pen.oval(0.82, -0.34, 0.2, 0.15, shade(color, 1.3))
    pen.oval(0.97, -0.4, 0.07, 0.06, INK, edge=False)
    pen.oval(0.34, -0.35, 0.13, 0.3, shade(color, 0.6))
    pen.oval(0.6, -0.55, 0.055, 0.055, PALE if sum(color) < 240 else INK, edge=False)


def _umbrella(pen: Pen, color: Color) -> None:
    pen.line([(0, -0.9), (0, 0.75), *arc(0.16, 0.72, 0.16, 0.2, 180, 0)], WOOD, 0.09)
    edge = [p for k in (2, 1, 0, -1, -2) for p in arc(0.4 * k, 0.05, 0.2, 0.16, 0, -180)]
    pen.shape([*arc(0, 0.05, 1, 0.85, 180, 360), *edge], color)
    for u in (-0.2, 0.2):
        pen.line([(0, -0.8), (u, 0)], shade(color, 0.6), 0.05)


def _kite(pen: Pen, color: Color) -> None:
    tail = [(0, 0.35), (-0.15, 0.55), (0.1, 0.72), (-0.1, 0.98)]
    pen.line(tail, INK, 0.06)
    for u, v in tail[1:]:
        pen.shape(
            [
                (u - 0.16, v - 0.08),
                (u + 0.16, v + 0.08),
                (u + 0.16, v - 0.08),
                (u - 0.16, v + 0.08),
            ],
            shade(color, 0.7),
            False,
        )
    pen.shape([(0, -0.98), (0.65, -0.4), (0, 0.4), (-0.65, -0.4)], color)
    pen.shape([(0, -0.98), (0.65, -0.4), (0, -0.4)], shade(color, 1.4), False)
    pen.shape([(0, 0.4), (-0.65, -0.4), (0, -0.4)], shade(color, 0.7), False)


def _chair(pen: Pen, color: Color) -> None:
    for u, v in ((-0.5, 0.95), (0.5, 0.95), (-0.3, 0.75), (0.65, 0.75)):
        pen.line([(u, 0.1), (u, v)], shade(color, 0.6), 0.12)
    pen.box(-0.6, -0.95, -0.38, 0.2, color)
    pen.box(-0.45, -0.95, 0.1, -0.05, shade(color, 0.8))
    pen.shape([(-0.6, 0.05), (-0.35, -0.12), (0.75, -0.12), (0.58, 0.22), (-0.6, 0.22)], color)


def _table(pen: Pen, color: Color) -> None:
    for u, v in ((-0.75, 0.8), (0.6, 0.8), (-0.5, 0.55), (0.8, 0.55)):
        pen.line([(u, -0.1), (u, v)], shade(color, 0.6), 0.13)
    pen.shape([(-0.95, -0.05), (-0.6, -0.45), (1, -0.45), (0.75, -0.05)], color)
    pen.shape([(-0.95, -0.05), (0.75, -0.05), (0.75, 0.12), (-0.95, 0.12)], shade(color, 0.8))


def _lamp(pen: Pen, color: Color) -> None:
    pen.line([(0, -0.2), (0, 0.85)], INK, 0.12)
    pen.oval(0, 0.85, 0.45, 0.13, shade(color, 0.6))
    pen.oval(0, -0.1, 0.16, 0.16, SUN)
    pen.shape([(-0.35, -0.95), (0.35, -0.95), (0.75, -0.1), (-0.75, -0.1)], color)


def _cup(pen: Pen, color: Color) -> None:
    pen.line(arc(0.5, 0.1, 0.4, 0.38, -100, 100), shade(color, 0.8), 0.17)
    pen.shape([(-0.75, -0.5), (0.55, -0.5), *arc(-0.1, 0.6, 0.5, 0.25, 0, 180)], color)
    pen.oval(-0.1, -0.5, 0.65, 0.18, shade(color, 0.5))


def _hat(pen: Pen, color: Color) -> None:
    pen.oval(0, 0.5, 0.98, 0.25, color)
    pen.shape([(-0.55, 0.5), (-0.5, -0.7), (0.5, -0.7), (0.55, 0.5)], color)
    pen.oval(0, -0.7, 0.5, 0.14, shade(color, 1.25))
    pen.shape([(-0.56, 0.48), (-0.55, 0.2), (0.55, 0.2), (0.56, 0.48)], shade(color, 0.5))


def _star(pen: Pen, color: Color) -> None:
    points = []
    for k in range(10):
        r, a = (0.98, 0.42)[k % 2], math.radians(36 * k - 90)
        points.append((r * math.cos(a), r * math.sin(a) + 0.05))
    pen.shape(points, color)


def _heart(pen: Pen, color: Color) -> None:
    points = []
    for k in range(40):
        t = 2 * math.pi * k / 40
        v = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((0.057 * 16 * math.sin(t) ** 3, -0.057 * v - 0.1))
    pen.shape(points, color)
    pen.oval(-0.42, -0.4, 0.13, 0.16, shade(color, 1.5), edge=False)


def _key(pen: Pen, color: Color) -> None:
    pen.line([(-0.2, 0), (0.95, 0)], INK, 0.3)
    pen.line([(0.55, 0), (0.55, 0.4)], INK, 0.24)
    pen.line([(0.85, 0), (0.85, 0.4)], INK, 0.24)
    pen.line([(-0.2, 0), (0.92, 0)], color, 0.2)
    pen.line([(0.55, 0), (0.55, 0.36)], color, 0.14)
    pen.line([(0.85, 0), (0.85, 0.36)], color, 0.14)
    for radius, width, paint in ((0.34, 0.34, INK), (0.34, 0.24, color)):
        pen.line(arc(-0.55, 0, radius, radius, 0, 370), paint, width)


def _mushroom(pen: Pen, color: Color) -> None:
    pen.shape([(-0.25, 0), (0.25, 0), (0.35, 0.9), (-0.35, 0.9)], PALE)
    pen.shape([*arc(0, 0.1, 0.95, 0.98, 180, 360)], color)
    for u, v, r in ((-0.45, -0.25, 0.14), (0.1, -0.55, 0.16), (0.5, -0.15, 0.13), (0, -0.1, 0.1)):
        pen.oval(u, v, r, r, PALE if color != PALE else SUN, edge=False)


def _balloon(pen: Pen, color: Color) -> None:
    pen.line([(0, 0.45), (0.12, 0.65), (-0.08, 0.82), (0.05, 1)], INK, 0.05)
    pen.shape([(-0.12, 0.52), (0, 0.36), (0.12, 0.52)], shade(color, 0.7))
    pen.oval(0, -0.28, 0.6, 0.7, color)
    pen.oval(-0.22, -0.55, 0.11, 0.17, shade(color, 1.5), edge=False)


def _butterfly(pen: Pen, color: Color) -> None:
    for side in (-1, 1):
        pen.line([(0, -0.45), (side * 0.25, -0.9)], INK, 0.06)
        pen.oval(side * 0.5, 0.42, 0.36, 0.36, shade(color, 0.75))
        pen.oval(side * 0.52, -0.28, 0.46, 0.46, color)
        pen.oval(side * 0.58, -0.3, 0.17, 0.17, PALE, edge=False)
    pen.oval(0, 0.05, 0.11, 0.6, INK, edge=False)


def _guitar(pen: Pen, color: Color) -> None:
    pen.box(-0.1, -0.98, 0.1, -0.72, INK)
    pen.box(-0.07, -0.75, 0.07, 0, WOOD)
    pen.oval(0, 0.02, 0.36, 0.32, color)
    pen.oval(0, 0.52, 0.52, 0.45, color)
    pen.oval(0, 0.08, 0.31, 0.27, color, edge=False)
    pen.oval(0, 0.26, 0.16, 0.16, INK, edge=False)
    pen.line([(0, -0.75), (0, 0.7)], PALE, 0.035)
    pen.line([(-0.2, 0.72), (0.2, 0.72)], INK, 0.09)


def _clock(pen: Pen, color: Color) -> None:
    pen.oval(0, 0, 0.92, 0.92, color)
    pen.oval(0, 0, 0.64, 0.64, PALE)
    for k in range(12):
        c, s = math.cos(math.pi * k / 6), math.sin(math.pi * k / 6)
        pen.line([(0.5 * c, 0.5 * s), (0.59 * c, 0.59 * s)], INK, 0.06)
    pen.line([(0.28, 0.12), (0, 0), (0.06, -0.46)], INK, 0.08)


Draw = Callable[[Pen, Color], None]

SHAPES: dict[str, Draw] = {
    "ball": _ball,
    "balloon": _balloon,
    "bird": _bird,
    "boat": _boat,
    "box": _box,
    "butterfly": _butterfly,
    "car": _car,
    "cat": _cat,
    "chair": _chair,
    "clock": _clock,
    "cup": _cup,
    "dog": _dog,
    "fish": _fish,
    "flower": _flower,
    "guitar": _guitar,
    "hat": _hat,
    "heart": _heart,
    "house": _house,
    "key": _key,
    "kite": _kite,
    "lamp": _lamp,
    "mushroom": _mushroom,
    "plane": _plane,
    "star": _star,
    "table": _table,
    "tree": _tree,
    "truck": _truck,
    "umbrella": _umbrella,
}
