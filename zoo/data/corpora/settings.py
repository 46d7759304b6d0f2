"""The places of the tiny picture corpora: `draw(surface, size, rng)` paints a whole background."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import ImageDraw

from zoo.data.corpora.drawing import Color, arc, shade

Surface = ImageDraw.ImageDraw
Rng = np.random.Generator


def _bands(surface: Surface, size: int, top: float, bottom: float, a: Color, b: Color) -> None:
    """A vertical gradient from colour a to colour b between two heights (0 to 1)."""
    first, last = round(top * size), round(bottom * size)
    for y in range(first, last + 1):
        t = (y - first) / max(1, last - first)
        mix = tuple(round(p + (q - p) * t) for p, q in zip(a, b))
        surface.line([(0, y), (size, y)], fill=mix)


def _horizon(rng: Rng) -> float:
    return float(rng.uniform(0.42, 0.56))


def _disc(surface: Surface, size: int, x: float, y: float, r: float, color: Color) -> None:
    surface.ellipse([(x - r) * size, (y - r) * size, (x + r) * size, (y + r) * size], fill=color)


def _beach(surface: Surface, size: int, rng: Rng) -> None:
    h = _horizon(rng)
    _bands(surface, size, 0, h - 0.15, (150, 206, 244), (206, 232, 246))
    _bands(surface, size, h - 0.15, h + 0.05, (40, 116, 176), (92, 178, 206))
    _bands(surface, size, h + 0.05, 1, (238, 220, 166), (222, 196, 138))
    wave = [(k / 24, h + 0.05 + 0.012 * math.sin(k * 1.3)) for k in range(25)]
    surface.line([(x * size, y * size) for x, y in wave], fill=(250, 250, 250), width=size // 60)


def _field(surface: Surface, size: int, rng: Rng) -> None:
    h = _horizon(rng)
    _bands(surface, size, 0, h, (136, 196, 240), (214, 234, 246))
    _bands(surface, size, h, 1, (132, 186, 84), (92, 150, 58))
    for _ in range(60):
        x, y = rng.uniform(0, 1) * size, rng.uniform(h, 1) * size
        surface.line([(x, y), (x + size * 0.008, y - size * 0.03)], fill=(70, 128, 44), width=2)


def _snow(surface: Surface, size: int, rng: Rng) -> None:
    h = _horizon(rng)
    _bands(surface, size, 0, h, (168, 182, 200), (206, 214, 224))
    _bands(surface, size, h, 1, (240, 244, 250), (216, 226, 240))
    for _ in range(45):
        x, y = rng.uniform(0, 1, 2)
        _disc(surface, size, x, y, rng.uniform(0.005, 0.012), (255, 255, 255))


def _night(surface: Surface, size: int, rng: Rng) -> None:
    h = _horizon(rng) + 0.1
    _bands(surface, size, 0, h, (18, 22, 62), (52, 58, 112))
    _bands(surface, size, h, 1, (44, 62, 62), (30, 44, 46))
    for _ in range(30):
        x, y = rng.uniform(0, 1), rng.uniform(0, h - 0.05)
        _disc(surface, size, x, y, 0.005, (232, 232, 214))
    x, y = rng.uniform(0.1, 0.9), rng.uniform(0.08, 0.16)
    _disc(surface, size, x, y, 0.07, (244, 240, 206))
    _disc(surface, size, x + 0.035, y - 0.015, 0.06, (24, 28, 70))


def _desert(surface: Surface, size: int, rng: Rng) -> None:
    h = _horizon(rng)
    _bands(surface, size, 0, h, (246, 196, 130), (252, 228, 180))
    _disc(surface, size, rng.uniform(0.1, 0.9), h - 0.2, 0.08, (254, 242, 190))
    _bands(surface, size, h, 1, (222, 164, 92), (196, 128, 64))
    for k in range(3):
        y, phase = h + 0.02 + 0.15 * k, rng.uniform(0, 6)
        dune = [(i / 20, y + 0.04 * math.sin(phase + i / 3)) for i in range(21)]
        points = [(a * size, b * size) for a, b in dune]
        surface.line(points, fill=(176, 112, 54), width=max(1, size // 80))


def _street(surface: Surface, size: int, rng: Rng) -> None:
    h = _horizon(rng) + 0.05
    _bands(surface, size, 0, h, (196, 206, 216), (222, 226, 230))
    x = -0.05
    while x < 1:
        w, top = rng.uniform(0.13, 0.24), rng.uniform(0.05, h - 0.18)
        wall = shade((138, 128, 126), rng.uniform(0.75, 1.25))
        surface.rectangle([x * size, top * size, (x + w) * size, h * size], fill=wall)
        for wx in np.arange(x + 0.03, x + w - 0.03, 0.05):
            for wy in np.arange(top + 0.04, h - 0.05, 0.07):
                box = [wx * size, wy * size, (wx + 0.022) * size, (wy + 0.035) * size]
                surface.rectangle(box, fill=(226, 218, 170))
        x += w
    _bands(surface, size, h, 1, (112, 112, 116), (86, 86, 90))
    for k in range(4):
        x0, y = (0.05 + 0.27 * k) * size, (h + 0.3) * size
        surface.rectangle([x0, y, x0 + 0.13 * size, y + 0.02 * size], fill=(226, 226, 220))


def _room(surface: Surface, size: int, rng: Rng) -> None:
    h = _horizon(rng) + 0.12
    _bands(surface, size, 0, h, (214, 200, 184), (226, 214, 200))
    _bands(surface, size, h, 1, (164, 116, 76), (136, 92, 58))
    for k in range(-6, 16):
        x = k / 8 * size
        surface.line([((x - 0.5 * size) * 0.7 + 0.5 * size, h * size), (x, size)], (112, 74, 44), 2)
    surface.rectangle([0, (h - 0.025) * size, size, h * size], fill=(246, 242, 234))
    x, y = rng.uniform(0.08, 0.66), rng.uniform(0.06, 0.14)
    box = [x * size, y * size, (x + 0.26) * size, (y + 0.24) * size]
    surface.rectangle(box, fill=(178, 214, 236), outline=(250, 248, 240), width=max(2, size // 50))
    surface.line([((x + 0.13) * size, box[1]), ((x + 0.13) * size, box[3])], (250, 248, 240), 3)


def _mountains(surface: Surface, size: int, rng: Rng) -> None:
    h = _horizon(rng) + 0.08
    _bands(surface, size, 0, h, (120, 168, 220), (206, 222, 238))
    for k in range(3):
        x, top, w = 0.2 + 0.3 * k + rng.uniform(-0.08, 0.08), rng.uniform(0.08, 0.25), 0.32
        rock, cap = (110, 108, 128), 0.28
        for part, color in ((1.0, shade(rock, rng.uniform(0.85, 1.15))), (cap, (246, 248, 252))):
            base = top + (h - top) * part
            peak = [(x - w * part, base), (x, top), (x + w * part, base)]
            surface.polygon([(a * size, b * size) for a, b in peak], fill=color)
    _bands(surface, size, h, 1, (122, 142, 104), (92, 112, 76))


def _water(surface: Surface, size: int, rng: Rng) -> None:
    _bands(surface, size, 0, 1, (78, 178, 196), (18, 84, 124))
    for _ in range(16):
        x, y, r = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.01, 0.03)
        ring = [(a * size, b * size) for a, b in arc(x, y, r, r)]
        surface.line(ring, fill=(170, 226, 236), width=max(1, size // 100))
    for _ in range(7):
        x, top = rng.uniform(0, 1), rng.uniform(0.72, 0.9)
        weed = [(x + 0.015 * math.sin(9 * t), 1 - (1 - top) * t) for t in np.linspace(0, 1, 9)]
        surface.line([(a * size, b * size) for a, b in weed], (34, 110, 70), max(2, size // 50))


Paint = Callable[[Surface, int, Rng], None]

SETTINGS: dict[str, Paint] = {
    "beach": _beach,
    "field": _field,
    "snow": _snow,
    "night": _night,
    "desert": _desert,
    "street": _street,
    "room": _room,
    "mountains": _mountains,
    "water": _water,
}
