"""Who somebody is to look at: the measures and colours of a face, drawn once a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zoo.data.corpora.drawing import Color
from zoo.video.mouth import mean_face

Array = NDArray[np.float64]
CANVAS: Final = 256  # side of the frame a face is drawn in; the picture is its middle
MOUTH_CENTRE: Final = (128.0, 156.0)
HAIR_STYLES: Final = ("short", "parted", "bob", "long", "bun", "curly", "bald")
SKINS: Final[tuple[Color, ...]] = (
    (234, 200, 178),
    (224, 184, 156),
    (214, 168, 134),
    (190, 140, 104),
    (150, 104, 74),
    (112, 76, 54),
    (84, 58, 44),
)
HAIRS: Final[tuple[Color, ...]] = (
    (28, 24, 24),
    (58, 40, 30),
    (96, 64, 40),
    (150, 104, 60),
    (206, 172, 112),
    (148, 72, 40),
    (150, 148, 148),
)
IRISES: Final[tuple[Color, ...]] = ((70, 44, 28), (96, 66, 36), (70, 110, 140), (84, 120, 84))
_SCALE = 0.93  # of the mean face, in canvas pixels
_FACE_MIDDLE = (129.0, 159.0)  # of the mean face's mouth


@dataclass(frozen=True)
class Identity:
    """A face at rest.

    Attributes:
        points: 68 landmarks (68, 2) as nested tuples, in canvas pixels, mouth closed.
        skin: colour of the skin.
        hair: colour of hair and brows.
        iris: colour of the eyes.
        lips: colour of the lips.
        style: one of `HAIR_STYLES`.
        beard: 0 none, 1 stubble, 2 full.
        moustache: whether there is one.
        glasses: whether there are some.
        lip_heights: thickness of upper and lower lip in pixels.
        mouth_width: distance of the corners in pixels.
        brow: thickness of the brows in pixels.
        eye: height of the open eyes, 1 is usual.
        nose: width of the nose, 1 is usual.
    """

    points: tuple[tuple[float, float], ...]
    skin: Color
    hair: Color
    iris: Color
    lips: Color
    style: str
    beard: int
    moustache: bool
    glasses: bool
    lip_heights: tuple[float, float]
    mouth_width: float
    brow: float
    eye: float
    nose: float

    def landmarks(self) -> Array:
        """(68, 2) points at rest."""
        return np.array(self.points)


def draw_identity(rng: np.random.Generator, *, bearded: bool) -> Identity:
    """Draw somebody; `bearded` allows a beard and short hair only."""
    tone = int(rng.integers(len(SKINS)))
    skin = _varied(SKINS[tone], rng, 8)
    dark = 3 if tone > 3 else len(HAIRS)  # fair hair is rare on dark skin
    style = str(rng.choice(["short", "parted", "curly", "bald"] if bearded else HAIR_STYLES[:6]))
    face = _measures(rng, narrow=not bearded)
    return Identity(
        points=tuple((round(float(x), 2), round(float(y), 2)) for x, y in face),
        skin=skin,
        hair=_varied(HAIRS[int(rng.integers(dark))], rng, 6),
        iris=IRISES[int(rng.integers(2 if tone > 2 else len(IRISES)))],
        lips=_lip_color(skin, rng, made_up=not bearded and rng.random() < 0.4),
        style=style,
        beard=int(rng.choice([0, 0, 1, 2])) if bearded else 0,
        moustache=bool(bearded and rng.random() < 0.25),
        glasses=bool(rng.random() < 0.22),
        lip_heights=(round(float(rng.uniform(4.2, 7.0)), 2), round(float(rng.uniform(5.6, 9)), 2)),
        mouth_width=round(float(rng.uniform(38, 48)), 2),
        brow=round(float(rng.uniform(2.2, 3.6) + 0.9 * bearded), 2),
        eye=round(float(rng.uniform(0.85, 1.25)), 3),
        nose=round(float(rng.uniform(0.85, 1.25)), 3),
    )


def _measures(rng: np.random.Generator, *, narrow: bool) -> Array:
    """The mean face, stretched and shifted part by part, and made symmetric."""
    face = (mean_face() - np.array(_FACE_MIDDLE)) * _SCALE
    face = 0.5 * (face + _mirrored(face))
    face[:, 0] *= rng.uniform(0.94, 1.06)
    jaw = face[:17]
    down = np.clip((jaw[:, 1] + 20) / 60, 0, 1)  # from the ears to the chin
    jaw[:, 0] *= 1 + down * (rng.uniform(-0.14, 0.02) if narrow else rng.uniform(-0.06, 0.10))
    jaw[:, 1] += down * rng.uniform(0, 8)
    spread, lift, brow_lift = rng.uniform(-1.5, 2.5), rng.uniform(-3, 3), rng.uniform(-3, 2)
    for eye, brow, side in ((slice(36, 42), slice(17, 22), -1), (slice(42, 48), slice(22, 27), 1)):
        face[eye] += (side * spread, lift)
        face[brow] += (side * spread, lift + brow_lift)
    face[27:36, 1] += np.linspace(lift, rng.uniform(-3, 2), 9)
    centred: Array = face + np.array(MOUTH_CENTRE)
    return centred


def _mirrored(face: Array) -> Array:
    order = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
    order += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    order += [*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1)]
    flipped: Array = face[order] * np.array([-1.0, 1.0])
    return flipped


def _varied(color: Color, rng: np.random.Generator, amount: float) -> Color:
    """The colour a little lighter or darker, hardly another hue."""
    light = 1 + 0.01 * amount * rng.normal()
    red, green, blue = (int(np.clip(c * light + rng.normal(0, 1.5), 0, 255)) for c in color)
    return red, green, blue


def _lip_color(skin: Color, rng: np.random.Generator, *, made_up: bool) -> Color:
    base = np.array(skin) * (0.86, 0.66, 0.66)
    if made_up:
        base = 0.45 * base + 0.55 * np.array([178, 40, 62])
    red, green, blue = (int(c) for c in np.clip(base + rng.normal(0, 5, 3), 0, 255))
    return red, green, blue
