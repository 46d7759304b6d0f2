"""Scenes of one to three coloured objects in a place: drawn by chance, then painted.

A scene is a plan (plain data, cheap) until `paint` turns it into pixels. Which combinations of
object, colour and place belong to the held-out splits is the same for every seed, so that the dev
and test scenes of any corpus are made of combinations that no training split ever shows.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from zoo.data.corpora.drawing import Color, Pen
from zoo.data.corpora.settings import SETTINGS
from zoo.data.corpora.shapes import SHAPES

COLORS: dict[str, Color] = {
    "red": (206, 38, 42),
    "orange": (240, 136, 32),
    "yellow": (244, 214, 52),
    "green": (52, 158, 66),
    "blue": (44, 88, 208),
    "purple": (130, 62, 172),
    "pink": (246, 146, 186),
    "brown": (130, 82, 44),
    "black": (52, 50, 56),
    "white": (242, 242, 240),
}
SIZES: dict[str, float] = {"small": 0.125, "medium": 0.175, "big": 0.25}  # radius / picture width
HELD_OUT_SHARE = 0.25
SUPERSAMPLING = 2


@dataclass(frozen=True)
class Item:
    """One object of a scene; x, y and radius in units of the picture's width."""

    noun: str
    color: str
    size: str
    x: float
    y: float
    radius: float
    turn: float
    mirror: bool


@dataclass(frozen=True)
class Scene:
    """A place, the objects in it, and how it is seen."""

    setting: str
    items: tuple[Item, ...]
    light: float
    noise: float
    seed: int

    @property
    def description(self) -> tuple[object, ...]:
        """What tells scenes apart in words: the place and the coloured objects."""
        return (self.setting, *sorted((item.color, item.noun) for item in self.items))


def is_held_out(noun: str, color: str, setting: str) -> bool:
    """Whether training never sees this object in this colour at this place, whatever the seed."""
    draw = zlib.crc32(f"{noun}/{color}/{setting}".encode())
    return draw < HELD_OUT_SHARE * 2**32


def draw_scene(rng: np.random.Generator, *, held_out: bool) -> Scene:
    """Draw a scene whose combinations are all held out, or none of them."""
    setting = str(rng.choice(list(SETTINGS)))
    count = int(rng.choice([1, 2, 3], p=[0.25, 0.5, 0.25]))
    wanted = _combinations(setting, held_out)
    chosen: dict[str, str] = {}
    while len(chosen) < count:
        noun, color = wanted[int(rng.integers(len(wanted)))]
        if color not in chosen.values():  # two objects never share noun or colour
            chosen.setdefault(noun, color)
    return Scene(
        setting,
        tuple(_place(rng, list(chosen.items()))),
        light=round(float(rng.uniform(0.8, 1.12)), 4),
        noise=round(float(rng.uniform(3, 11)), 4),
        seed=int(rng.integers(2**31)),
    )


@cache
def _combinations(setting: str, held_out: bool) -> tuple[tuple[str, str], ...]:
    return tuple(
        (noun, color)
        for noun in SHAPES
        for color in COLORS
        if is_held_out(noun, color, setting) == held_out
    )


def _place(rng: np.random.Generator, pairs: list[tuple[str, str]]) -> list[Item]:
    spots, largest = _layout(rng, len(pairs))
    items = []
    for (noun, color), (x, y) in zip(pairs, spots):
        size = str(rng.choice([s for s in SIZES if SIZES[s] <= largest]))
        radius = SIZES[size] * rng.uniform(0.92, 1.08)
        x, y = (float(v + rng.uniform(-0.03, 0.03)) for v in (x, y))
        turn = float(rng.uniform(-0.22, 0.22))
        x, y, radius, turn = (round(float(v), 4) for v in (x, y, radius, turn))
        mirror = bool(rng.random() < 0.5)
        items.append(Item(noun, color, size, x, y, radius, turn, mirror))
    return items


def _layout(rng: np.random.Generator, count: int) -> tuple[list[tuple[float, float]], float]:
    """Centres for the objects and the largest radius that keeps them apart."""
    if count == 1:
        spots = [[(0.5, 0.55)], [(0.28, 0.55)], [(0.72, 0.55)], [(0.5, 0.3)], [(0.5, 0.7)]]
        return spots[int(rng.integers(len(spots)))], 0.25
    if count == 2:
        spots = [[(0.27, 0.58), (0.73, 0.58)], [(0.5, 0.27), (0.5, 0.74)]]
        return spots[int(rng.integers(2))], (0.25 if rng.random() < 0.5 else 0.175)
    row = [(0.18, 0.6), (0.5, 0.6), (0.82, 0.6)]
    triangle = [(0.27, 0.72), (0.73, 0.72), (0.5, 0.28)]
    return (row, 0.125) if rng.random() < 0.5 else (triangle, 0.175)


def relation(a: Item, b: Item) -> str:
    """Where a is, seen from b: "left", "right", "above" or "below"."""
    dx, dy = a.x - b.x, a.y - b.y
    if abs(dx) > abs(dy):
        return "left" if dx < 0 else "right"
    return "above" if dy < 0 else "below"


def paint(scene: Scene, size: int) -> Image.Image:
    """Draw a scene as an RGB picture of size x size pixels."""
    rng = np.random.default_rng(scene.seed)
    full = size * SUPERSAMPLING
    picture = Image.new("RGB", (full, full))
    surface = ImageDraw.Draw(picture)
    SETTINGS[scene.setting](surface, full, rng)
    for item in scene.items:
        x, y, radius = item.x * full, item.y * full, item.radius * full
        tint = rng.normal(0, 7, 3)
        color = tuple(int(np.clip(c + t, 0, 255)) for c, t in zip(COLORS[item.color], tint))
        pen = Pen(surface, x, y, radius, item.turn, item.mirror)
        SHAPES[item.noun](pen, color)  # type: ignore[arg-type]
    picture = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.2, 1.2))))
    picture = picture.resize((size, size), Image.Resampling.BOX)
    return _expose(picture, scene, rng)


def _expose(picture: Image.Image, scene: Scene, rng: np.random.Generator) -> Image.Image:
    """Light from one side, a colour cast and sensor noise."""
    pixels = np.asarray(picture, dtype=np.float32)
    height, width = pixels.shape[:2]
    across, down = rng.uniform(-0.15, 0.15, 2)
    slope = across * np.linspace(-1, 1, width)[None] + down * np.linspace(-1, 1, height)[:, None]
    gain = scene.light * (1 + slope)[..., None] * rng.normal(1, 0.03, 3)
    pixels = pixels * gain + rng.normal(0, scene.noise, pixels.shape)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
