"""What is around the head of a talker: the room, the shoulders, the light, things before the face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from zoo.data.corpora.drawing import Color, arc, shade
from zoo.data.corpora.face_drawing import smooth
from zoo.data.corpora.identity import Identity
from zoo.data.corpora.motion import PICTURE

Array = NDArray[np.float64]
Layer = NDArray[np.float32]
_FINE: Final = 2
OCCLUDERS: Final = ("microphone", "hand", "cup")


@dataclass(frozen=True)
class Look:
    """What the clips of one recording share: place, clothes, light and camera.

    Attributes:
        seed: draws the room.
        clothes: colour of what the person wears.
        light: (x, y) direction of the light, its length its strength.
        tint: colour of the light.
        noise: spread of the sensor noise, in grey levels.
        sharpness: resolution of the camera, 1 is that of the picture.
    """

    seed: int
    clothes: Color
    light: tuple[float, float]
    tint: tuple[float, float, float]
    noise: float
    sharpness: float


def draw_look(rng: np.random.Generator, *, wild: bool = False) -> Look:
    """Draw a recording's look; `wild` is darker, noisier and less sharp."""
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.4 if wild else 0.26)
    gain = rng.uniform(0.55, 1.1) if wild else rng.uniform(0.78, 1.08)
    warm = rng.normal(0, 0.06 if wild else 0.035)
    red, green, blue = (int(c) for c in rng.integers(20, 220, 3))
    return Look(
        seed=int(rng.integers(2**31)),
        clothes=(red, green, blue),
        light=(
            round(float(strength * np.cos(angle)), 4),
            round(float(strength * np.sin(angle)), 4),
        ),
        tint=tuple(round(float(gain * (1 + k * warm)), 4) for k in (1, 0, -1)),  # type: ignore[arg-type]
        noise=round(float(rng.uniform(3, 9) if wild else rng.uniform(1.5, 5)), 3),
        sharpness=round(float(rng.uniform(0.45, 1)), 3) if wild and rng.random() < 0.5 else 1.0,
    )


def draw_backdrop(look: Look, who: Identity) -> Image.Image:
    """Room and shoulders behind the head: 224 x 224, RGB."""
    rng = np.random.default_rng(look.seed)
    image = Image.new("RGB", (PICTURE * _FINE, PICTURE * _FINE))
    draw = ImageDraw.Draw(image)
    _room(draw, rng)
    image = image.filter(ImageFilter.GaussianBlur(7))
    draw = ImageDraw.Draw(image)
    _shoulders(draw, look, who)
    return image.reduce(_FINE)


def light_field(look: Look) -> Layer:
    """How the light falls on each pixel, without its colour: (1, 224, 224) factors around one."""
    axis = np.linspace(-1, 1, PICTURE)
    slope = look.light[0] * axis[None, :] + look.light[1] * axis[:, None]
    lit: Layer = (1 + slope)[None].astype(np.float32)
    return lit


def draw_occluder(kind: str, who: Identity) -> Image.Image:
    """Something that gets before the mouth: 96 x 96, RGBA."""
    image = Image.new("RGBA", (96 * _FINE, 96 * _FINE), (40, 40, 44, 0))
    draw = ImageDraw.Draw(image)
    if kind == "microphone":
        _shape(draw, [(38, 40), (58, 40), (54, 96), (42, 96)], (44, 44, 48))
        _shape(draw, arc(48, 28, 20, 24), (70, 70, 76))
        _shape(draw, arc(43, 22, 8, 12), (104, 104, 110))
    elif kind == "cup":
        _shape(draw, [(22, 18), (74, 18), (68, 90), (28, 90)], (206, 204, 198))
        _shape(draw, arc(48, 18, 26, 6), (150, 148, 142))
    else:
        skin = shade(who.skin, 0.9)
        for k, length in enumerate((26, 20, 18, 22)):
            _shape(
                draw,
                smooth(
                    np.array(
                        [
                            (22 + 14 * k, 60),
                            (22 + 14 * k, length),
                            (29 + 14 * k, length - 6),
                            (36 + 14 * k, length),
                            (36 + 14 * k, 60),
                        ]
                    ),
                    40,
                ),
                shade(skin, 0.94 + 0.03 * k),
            )
        _shape(
            draw,
            smooth(np.array([(20, 52), (78, 52), (76, 84), (66, 96), (34, 96), (22, 80)])),
            skin,
        )
    return image.reduce(_FINE)


def occlusion_track(frames: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Upper left corner (T, 2) of a thing that comes up before the mouth and goes again."""
    middle, half = rng.uniform(0.25, 0.75) * frames, rng.uniform(5, 14)
    times = np.arange(frames)
    away = np.clip((np.abs(times - middle) - half) / 6, 0, 1)
    away = away * away * (3 - 2 * away)
    x = 112 - 48 + rng.uniform(-22, 22) + 2 * np.sin(times / 5)
    y = 140 - 30 + rng.uniform(-4, 14) + away * 150
    return np.stack([x, y], axis=1).round().astype(np.int64)


def _room(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    base = rng.uniform(40, 200) + rng.normal(0, 22, 3)  # rooms are seldom of one bright colour
    width = PICTURE * _FINE
    top, bottom = base * rng.uniform(0.8, 1.2), base * rng.uniform(0.5, 1.0)
    for y in range(0, width, 4):
        draw.rectangle((0, y, width, y + 4), fill=_color(top + (bottom - top) * y / width))
    for _ in range(int(rng.integers(2, 7))):
        x, y = rng.uniform(-0.2, 1, 2) * width
        w, h = rng.uniform(0.08, 0.5, 2) * width
        color = _color(base * rng.uniform(0.5, 1.5) + rng.normal(0, 25, 3))
        if rng.random() < 0.6:
            draw.rectangle((x, y, x + w, y + h), fill=color)
        else:
            draw.ellipse((x, y, x + w, y + w), fill=color)


def _shoulders(draw: ImageDraw.ImageDraw, look: Look, who: Identity) -> None:
    neck = shade(who.skin, 0.74)
    _solid(draw, [(82, 140), (142, 140), (144, 206), (150, 230), (74, 230), (80, 206)], neck)
    body = [
        (-10, 236),
        (4, 214),
        (44, 202),
        (76, 196),
        (92, 208),
        (112, 213),
        (132, 208),
        (148, 196),
        (180, 202),
        (220, 214),
        (236, 236),
    ]
    _solid(draw, body, look.clothes)
    collar = [
        (76, 196),
        (92, 208),
        (112, 213),
        (132, 208),
        (148, 196),
        (140, 212),
        (112, 220),
        (84, 212),
    ]
    _solid(draw, collar, shade(look.clothes, 0.72))


def _color(values: Array) -> Color:
    red, green, blue = (int(np.clip(v, 0, 255)) for v in values)
    return red, green, blue


def _solid(draw: ImageDraw.ImageDraw, points: Sequence[tuple[float, float]], color: Color) -> None:
    draw.polygon([(_FINE * x, _FINE * y) for x, y in points], fill=color)


def _shape(draw: ImageDraw.ImageDraw, points: object, color: Color) -> None:
    pixels = [(_FINE * float(x), _FINE * float(y)) for x, y in points]  # type: ignore[attr-defined]
    draw.polygon(pixels, fill=(*color, 255))
