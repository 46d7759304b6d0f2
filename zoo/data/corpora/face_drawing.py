"""Draws the still parts of a head once for a clip: hair, ears, skin, nose, brows, eyes, glasses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy.interpolate import CubicSpline

from zoo.data.corpora.drawing import Color, arc, shade
from zoo.data.corpora.identity import CANVAS, MOUTH_CENTRE, Identity

Array = NDArray[np.float64]
Layer = NDArray[np.float32]
FINE: Final = 2  # drawn this much larger, then reduced
LIDS: Final = 4  # drawn positions of the lids, from open to shut
EYE_ROWS: Final = slice(64, 122)  # of the canvas, where blinking changes anything
_AXIS: Final[Array] = np.arange(CANVAS, dtype=np.float64)


def draw_head(who: Identity, brow_lift: float, brow_turn: float) -> Layer:
    """The head without eyes and mouth: (256, 256, 4) RGBA from 0 to 255.

    Args:
        who: Whose head.
        brow_lift: pixels by which the mood lifts the brows.
        brow_turn: pixels by which it lowers their inner ends.
    """
    face = who.landmarks()
    top = Image.new("RGBA", (CANVAS * FINE, CANVAS * FINE), (*who.hair, 0))
    draw = ImageDraw.Draw(top)
    _front_hair(draw, who, face)
    _brows(draw, who, face, brow_lift, brow_turn)
    return over(_skin(who), np.asarray(top.reduce(FINE), dtype=np.float32))


@lru_cache(maxsize=2)
def _skin(who: Identity) -> Layer:
    """What no mood changes; the clips of one person are drawn one after the other."""
    face = who.landmarks()
    image = Image.new("RGBA", (CANVAS * FINE, CANVAS * FINE), (*who.hair, 0))
    draw = ImageDraw.Draw(image)
    _back_hair(draw, who, face)
    _ears(draw, who, face)
    _shape(draw, outline(face), who.skin)
    return _modelled(np.asarray(image.reduce(FINE), dtype=np.float32), who, face)


def draw_eyes(who: Identity, head: Layer, gaze: float) -> Layer:
    """The rows `EYE_ROWS` of the head with eyes (and glasses), once for each position of the lids.

    Args:
        who: Whose eyes.
        head: What `draw_head` gave.
        gaze: pixels by which the person looks aside.

    Returns:
        (LIDS, rows, 256, 4).
    """
    patches = []
    for step in range(LIDS):
        image = Image.new("RGBA", (CANVAS * FINE, CANVAS * FINE), (*who.skin, 0))
        draw = ImageDraw.Draw(image)
        for corner in (36, 42):
            _eye(draw, who, corner, 1 - step / (LIDS - 1), gaze)
        if who.glasses:
            _glasses(draw, who)
        strip = image.crop((0, FINE * EYE_ROWS.start, image.width, FINE * EYE_ROWS.stop))
        patches.append(over(head[EYE_ROWS], np.asarray(strip.reduce(FINE), dtype=np.float32)))
    return np.stack(patches)


def over(below: Layer, above: Layer) -> Layer:
    """One RGBA layer (0 to 255) laid on another."""
    alpha = above[..., 3:] / 255
    color = below[..., :3] * (1 - alpha) + above[..., :3] * alpha
    return np.concatenate([color, np.maximum(below[..., 3:], above[..., 3:])], axis=-1)


def lids(who: Identity, corner: int, openness: float) -> tuple[Array, Array, Array]:
    """An eye's x and the heights of its lids, (13,) each; `corner` is landmark 36 or 42."""
    points = who.landmarks()[corner : corner + 6]
    left, right = points[0], points[3]
    s = np.linspace(-1, 1, 13)
    x = 0.5 * (left[0] + right[0]) + 0.5 * (right[0] - left[0]) * 1.12 * s
    middle = 0.5 * (left[1] + right[1])
    arch = np.clip(1 - np.abs(s) ** 2.2, 0, 1)
    shut = middle + 2.0 * who.eye * arch
    upper = shut - openness * (2.0 + 4.6) * who.eye * arch
    lower = np.maximum(upper, middle + 2.6 * who.eye * arch)
    return x, upper, lower


def outline(face: Array) -> Array:
    """The closed outline of the face (N, 2): the jaw, then the forehead."""
    crown = face[27, 1] - 62
    cheek = 0.5 * (face[16, 0] - face[0, 0])
    angles = np.linspace(0, np.pi, 9)[1:-1]
    middle = 0.5 * (face[16] + face[0])
    forehead = np.stack(
        [
            middle[0] + cheek * 1.01 * np.cos(angles),
            middle[1] - (middle[1] - crown) * np.sin(angles),
        ],
        axis=1,
    )
    return smooth(np.concatenate([face[:17], forehead]))


def smooth(points: Array, count: int = 120) -> Array:
    """A closed curve through points (N, 2)."""
    closed = np.concatenate([points, points[:1]])
    spline = CubicSpline(np.arange(len(closed)), closed, bc_type="periodic")
    curve: Array = spline(np.linspace(0, len(points), count, endpoint=False))
    return curve


def _shape(
    draw: ImageDraw.ImageDraw, points: Array | Sequence[tuple[float, float]], color: Color
) -> None:
    draw.polygon([(FINE * float(x), FINE * float(y)) for x, y in points], fill=(*color, 255))


def _back_hair(draw: ImageDraw.ImageDraw, who: Identity, face: Array) -> None:
    middle, half = face[27, 0], 0.5 * (face[16, 0] - face[0, 0])
    crown = face[27, 1] - 66
    dark = shade(who.hair, 0.86)
    if who.style == "bun":
        _shape(draw, arc(middle, crown + 2, 20, 18), who.hair)
    if who.style in ("bob", "long", "bun", "curly", "parted", "short"):
        _shape(draw, arc(middle, crown + 54, half + 9, 60), who.hair)
    if who.style == "bob":
        _shape(draw, _block(middle, half + 12, crown + 50, face[8, 1] - 18), dark)
    if who.style == "long":
        _shape(draw, _block(middle, half + 13, crown + 50, CANVAS + 10), dark)
    if who.style in ("bob", "long"):  # the neck hides the hair behind it
        neck = [(middle - 30, 150), (middle + 30, 150), (middle + 31, 221), (middle - 31, 221)]
        _shape(draw, neck, shade(who.skin, 0.74))
    if who.style == "curly":
        for k in range(15):
            angle = np.pi * (1 + (k - 1) / 12)
            x, y = middle + (half + 6) * np.cos(angle), crown + 52 + 56 * np.sin(angle)
            _shape(draw, arc(x, y, 13, 13), who.hair)


def _block(middle: float, half: float, top: float, bottom: float) -> Array:
    corners = [
        (-1, top),
        (1, top),
        (1.02, 0.5 * (top + bottom)),
        (0.95, bottom),
        (-0.95, bottom),
        (-1.02, 0.5 * (top + bottom)),
    ]
    return smooth(np.array([(middle + s * half, y) for s, y in corners]))


def _ears(draw: ImageDraw.ImageDraw, who: Identity, face: Array) -> None:
    if who.style in ("bob", "long"):
        return
    for corner, side in ((0, -1), (16, 1)):
        x, y = face[corner] + (side * 2, 8)
        _shape(draw, arc(x, y, 8, 15), shade(who.skin, 0.92))
        _shape(draw, arc(x + side, y, 4.5, 10), shade(who.skin, 0.78))


def _front_hair(draw: ImageDraw.ImageDraw, who: Identity, face: Array) -> None:
    if who.style == "bald":
        return
    middle, half = face[27, 0], 0.5 * (face[16, 0] - face[0, 0])
    crown = face[27, 1] - 66
    edge = {"short": 22, "parted": 26, "bob": 34, "long": 24, "bun": 17, "curly": 24}[who.style]
    dip = {"parted": 0.45, "long": 0.0, "bob": 0.2}.get(who.style, 0.15)
    s = np.linspace(-1, 1, 21)
    side = 58 if who.style in ("bob", "long", "parted") else 46
    top = [(middle + (half + 8) * a, crown + 54 - 60 * np.sqrt(max(0.0, 1 - a * a))) for a in s]
    part = 0.35 if who.style == "parted" else 0.0
    line = edge + (side - edge) * np.abs(s - part * (1 - np.abs(s))) ** 3.2
    line = line - 8 * dip * np.exp(-(((s - part) / 0.25) ** 2))
    bottom = [(middle + (half + 8) * a, crown + y) for a, y in zip(s[::-1], line[::-1])]
    _shape(draw, [*top, *bottom], who.hair)
    for k in range(7):  # a few strands
        a = -0.75 + 0.25 * k
        start = (middle + half * a * 0.8, crown + 4 + 8 * a * a)
        stop = (middle + half * a * 1.02, crown + edge + 20 * abs(a) ** 3 - 4)
        points = [(FINE * x, FINE * y) for x, y in (start, stop)]
        draw.line(points, fill=(*shade(who.hair, 1.12 if k % 2 else 0.85), 255), width=2)


def _brows(draw: ImageDraw.ImageDraw, who: Identity, face: Array, lift: float, turn: float) -> None:
    color = shade(who.hair, 0.8) if who.style != "bald" else shade(who.skin, 0.45)
    for points, inner in ((face[17:22], 4), (face[22:27], 0)):
        weight = 1 - np.abs(np.arange(5) - inner) / 4
        y = points[:, 1] - lift + turn * weight - 1
        thick = 0.5 * who.brow * (0.55 + 0.45 * weight)
        upper = list(zip(points[:, 0], y - thick))
        lower = list(zip(points[::-1, 0], (y + thick)[::-1]))
        _shape(draw, [*upper, *lower], color)


def _eye(
    draw: ImageDraw.ImageDraw, who: Identity, corner: int, openness: float, gaze: float
) -> None:
    x, upper, lower = lids(who, corner, openness)
    middle = float(x[6])
    _, wide, _ = lids(who, corner, 1.0)
    crease = [(a, b - 2.2) for a, b in zip(x, wide)]
    _line(draw, crease, shade(who.skin, 0.72), 1.0)
    _shape(draw, [*zip(x, wide), *zip(x[::-1], lower[::-1])], shade(who.skin, 0.9))  # the lid
    if openness > 0.1:
        _shape(draw, [*zip(x, upper), *zip(x[::-1], lower[::-1])], (236, 232, 226))
        centre = 0.5 * float(wide[6] + lower[6]) - 0.4
        for radius, color in ((5.0, shade(who.iris, 0.7)), (4.3, who.iris), (2.1, (16, 14, 16))):
            disc = np.array(arc(middle + gaze, centre, radius, radius))
            disc[:, 1] = np.clip(
                disc[:, 1], np.interp(disc[:, 0], x, upper), np.interp(disc[:, 0], x, lower)
            )
            _shape(draw, disc, color)
        _shape(
            draw,
            arc(middle + gaze + 1.5, max(centre - 1.8, float(upper[6]) + 1), 0.9, 0.9),
            (250, 250, 250),
        )
    _line(draw, list(zip(x, upper)), shade(who.hair, 0.45), 1.5)
    _line(draw, list(zip(x, lower)), shade(who.skin, 0.68), 0.7)


def _glasses(draw: ImageDraw.ImageDraw, who: Identity) -> None:
    face = who.landmarks()
    frame: Color = (46, 42, 44)
    centres = [face[corner : corner + 6].mean(axis=0) for corner in (36, 42)]
    for x, y in centres:
        ring = arc(x, y + 2, 19, 14.5)
        _line(draw, [*ring, ring[0]], frame, 1.8)
    (left, y), (right, _) = centres
    _line(draw, [(left + 19, y), (0.5 * (left + right), y - 2), (right - 19, y)], frame, 1.8)
    _line(draw, [(face[0, 0] - 2, y - 2), (left - 19, y)], frame, 1.6)
    _line(draw, [(right + 19, y), (face[16, 0] + 2, y - 2)], frame, 1.6)


def _line(
    draw: ImageDraw.ImageDraw, points: Sequence[tuple[float, float]], color: Color, width: float
) -> None:
    pixels = [(FINE * float(x), FINE * float(y)) for x, y in points]
    draw.line(pixels, fill=(*color, 255), width=max(1, round(FINE * width)), joint="curve")


def _modelled(skin: Layer, who: Identity, face: Array) -> Layer:
    """Soft light and shadow that make the flat face a round one."""
    (mx, my), nose = MOUTH_CENTRE, face[33]
    bridge, half = face[27], 0.5 * (face[16, 0] - face[0, 0])
    left, right = face[36:42].mean(axis=0), face[42:48].mean(axis=0)
    wide = 9.5 * who.nose
    spots = [  # x, y, spread x, spread y, strength
        (mx, bridge[1] - 34, 34, 16, 0.07),  # forehead
        (left[0], left[1] - 1, 13, 8, -0.13),
        (right[0], right[1] - 1, 13, 8, -0.13),  # sockets
        (left[0] - 2, left[1] + 25, 13, 9, 0.08),
        (right[0] + 2, right[1] + 25, 13, 9, 0.08),  # cheekbones
        (nose[0], 0.5 * (bridge[1] + nose[1]), 3.2, 17, 0.13),  # ridge of the nose
        (nose[0] - 7, 0.5 * (bridge[1] + nose[1]) + 5, 3.5, 15, -0.10),
        (nose[0] + 7, 0.5 * (bridge[1] + nose[1]) + 5, 3.5, 15, -0.13),
        (nose[0], nose[1] - 6, 5.5, 5, 0.12),  # tip
        (nose[0], nose[1] + 3.5, wide, 2.4, -0.26),  # under the nose
        (nose[0] - wide * 0.55, nose[1] + 0.5, 2.2, 1.5, -0.5),
        (nose[0] + wide * 0.55, nose[1] + 0.5, 2.2, 1.5, -0.5),  # nostrils
        (nose[0] - wide * 1.15, nose[1] - 4, 1.6, 5, -0.2),
        (nose[0] + wide * 1.15, nose[1] - 4, 1.6, 5, -0.2),  # wings
        (mx, my + 15.5, 13, 3.2, -0.14),  # under the lower lip
        (mx, my + 26, 13, 8, 0.06),  # chin
        (mx - 27, my - 11, 3, 12, -0.07),
        (mx + 27, my - 11, 3, 12, -0.07),  # folds beside the nose
        (mx, my - 12, 2, 4, -0.06),  # philtrum
    ]
    light = 1 + _spots(spots)
    across, down = (_AXIS - mx) / (half * 1.12), (_AXIS - bridge[1] - 18) / 100
    round_off = across[None] ** 2 + down[:, None] ** 2
    light -= 0.26 * np.clip(round_off, 0, 1.2) ** 2
    color = skin[..., :3] * light[..., None]
    color = _rosy(color, left, right)
    color = _bearded(color, who, face)
    return np.concatenate([np.clip(color, 0, 255), skin[..., 3:]], axis=-1).astype(np.float32)


def _spots(spots: Sequence[tuple[float, float, float, float, float]]) -> Array:
    """The sum of bells over the canvas: x, y, spread to the side, spread down, height."""
    x, y, width, height, strength = np.array(spots).T[:, :, None]
    columns = strength * np.exp(-0.5 * ((_AXIS - y) / height) ** 2)
    whole: Array = columns.T @ np.exp(-0.5 * ((_AXIS - x) / width) ** 2)
    return whole


def _rosy(color: Array, left: Array, right: Array) -> Array:
    cheeks = _spots([(x, left[1] + 32, 12, 10, 1) for x in (left[0] - 4, right[0] + 4)])
    color[..., 1:] *= 1 - cheeks[..., None] * np.array([0.09, 0.07])
    return color


def _bearded(color: Array, who: Identity, face: Array) -> Array:
    """Stubble, beard and moustache darken the skin where they grow."""
    if not (who.beard or who.moustache):
        return color
    mask = Image.new("L", (CANVAS, CANVAS), 0)
    draw = ImageDraw.Draw(mask)
    (mx, my), jaw = MOUTH_CENTRE, face[2:15]
    if who.beard:
        inner = [(mx + 25 * np.cos(a), my + 3 + 17 * np.sin(a)) for a in np.linspace(0, np.pi, 9)]
        draw.polygon([(float(x), float(y)) for x, y in [*jaw, *inner]], fill=255)
    if who.beard == 2 or who.moustache:
        half, top = 0.56 * who.mouth_width, my - who.lip_heights[0]
        points = [
            (mx - half, my + 1),
            (mx - half * 0.6, top - 5),
            (mx, top - 8),
            (mx + half * 0.6, top - 5),
            (mx + half, my + 1),
            (mx, top - 1.5),
        ]
        draw.polygon(points, fill=255)
    depth = 0.3 if who.beard == 1 else 0.82
    soft = np.asarray(mask.filter(ImageFilter.GaussianBlur(2.2)), dtype=np.float64)[..., None] / 255
    hairy = np.array(shade(who.hair, 0.9))
    covered: Array = color * (1 - depth * soft) + depth * soft * hairy
    return covered
