"""Films a talking face: who, how the mouth and the head move, where; frames and landmarks come out.

The head is drawn once a clip. For each frame the jaw is let down, lids and lips are laid on, and
the whole is turned, lit, put before its background and seen through a noisy sensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from zoo.data.corpora.backdrop import (
    Look,
    draw_backdrop,
    draw_occluder,
    light_field,
    occlusion_track,
)
from zoo.data.corpora.face_drawing import EYE_ROWS, LIDS, draw_eyes, draw_head, lids
from zoo.data.corpora.identity import CANVAS, MOUTH_CENTRE, Identity
from zoo.data.corpora.lips import JAW_DROP, PATCH, Contours, MouthShape, contours, draw_mouth
from zoo.data.corpora.motion import MOODS, PICTURE, HeadTrack, to_canvas, to_picture
from zoo.data.corpora.mouth import MouthTrack

Array = NDArray[np.float64]
Layer = NDArray[np.float32]
_JAWS: Final = 9  # drawn positions of the jaw, blended for those between
_JAW_MAX: Final = 1.2
_JAW_TOP: Final = int(MOUTH_CENTRE[1]) - 4
_CHUNK: Final = 5  # frames at a time: they fit the processor's cache
_NOISE_SIDE: Final = 320
_COARSE: Final = 57  # points a side at which the turn of the head is worked out


@dataclass(frozen=True)
class Film:
    """Everything that makes a clip.

    Attributes:
        who: The person.
        look: Place and light.
        mood: A key of `motion.MOODS`.
        mouth: T frames.
        head: T frames.
        occluder: One of `backdrop.OCCLUDERS`, or None.
        seed: Draws the sensor noise and the path of the occluder.
        gaze: pixels by which the person looks aside.
        absent: first and last + 1 of the frames in which the person is out of the picture.
    """

    who: Identity
    look: Look
    mood: str
    mouth: MouthTrack
    head: HeadTrack
    occluder: str | None
    seed: int
    gaze: float = 0.0
    absent: tuple[int, int] = (0, 0)

    def __len__(self) -> int:
        return len(self.mouth)

    def shapes(self) -> list[MouthShape]:
        """The mouth of every frame."""
        m, smile = self.mouth, MOODS[self.mood].smile
        rows = zip(m.jaw, m.open, m.width, m.round, m.tuck, m.tongue)
        return [MouthShape(*map(float, (*row, smile))) for row in rows]

    def contours(self) -> list[Contours]:
        """The edges of the lips in every frame, on the canvas."""
        return [contours(self.who, shape) for shape in self.shapes()]

    def occlusion(self) -> NDArray[np.int64] | None:
        """Upper left corner (T, 2) of the occluder in the picture."""
        if self.occluder is None:
            return None
        return occlusion_track(len(self), np.random.default_rng([self.seed, 1]))


def landmarks(film: Film) -> Array:
    """The 68 landmarks of every frame, (T, 68, 2) in pixels of the picture; NaN if absent."""
    mood, rest = MOODS[film.mood], film.who.landmarks()
    points = np.repeat(rest[None], len(film), axis=0)
    points[:, 17:27, 1] -= mood.brow_lift
    inner = 1 - np.abs(np.arange(5) - 4) / 4
    points[:, 17:27, 1] += mood.brow_turn * np.concatenate([inner, inner[::-1]])
    points[:, :17] = _lowered(points[:, :17], film.mouth.jaw)
    for frame, lid in enumerate(film.head.lids):
        _close(film.who, points[frame], 1 - round(lid * (LIDS - 1)) / (LIDS - 1))
    points[:, 48:] = [edge.landmarks() for edge in film.contours()]
    seen = to_picture(film.head, points)
    seen[slice(*film.absent)] = np.nan
    return seen


def frames(film: Film) -> Iterator[Tensor]:
    """The pictures in pieces of (t, 3, 224, 224) uint8."""
    head, sensor, thing = _Head.drawn(film), _Sensor.of(film), _Thing.of(film)
    backdrop = _tensor(np.asarray(draw_backdrop(film.look, film.who)))
    shapes, edges = film.shapes(), film.contours()
    for start in range(0, len(film), _CHUNK):
        part = range(start, min(start + _CHUNK, len(film)))
        canvas = np.empty((len(part), CANVAS, CANVAS, 4), np.uint8)
        for k, frame in enumerate(part):
            face = head.posed(film.mouth.jaw[frame], film.head.lids[frame])
            face.alpha_composite(draw_mouth(film.who, shapes[frame], edges[frame]), PATCH[:2])
            canvas[k] = np.asarray(face)
            if film.absent[0] <= frame < film.absent[1]:
                canvas[k] = 0
        seen = _turned(film.head, slice(part.start, part.stop), canvas)
        pictures = seen[:, :3] + (1 - seen[:, 3:] / 255) * backdrop
        for picture, frame in zip(pictures, part):
            if thing is not None:
                thing.hold(picture, frame)
        yield sensor.record(pictures)


def _tensor(image: NDArray[Any]) -> Tensor:
    """An array (H, W, C) as float (C, H, W)."""
    return torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1).contiguous()


@dataclass(frozen=True)
class _Sensor:
    """What light and camera make of the pictures."""

    light: Tensor
    noise: Tensor
    sharpness: float
    rng: np.random.Generator

    @classmethod
    def of(cls, film: Film) -> _Sensor:
        rng = np.random.default_rng([film.seed, 2])
        side = (3, _NOISE_SIDE, _NOISE_SIDE)
        noise = film.look.noise * rng.standard_normal(side, dtype=np.float32)
        light = _tensor(light_field(film.look))
        return cls(light, torch.from_numpy(noise), film.look.sharpness, rng)

    def record(self, pictures: Tensor) -> Tensor:
        """Bytes (t, 3, 224, 224) of pictures (t, 3, 224, 224), which are written to."""
        if self.sharpness < 1:
            side = round(PICTURE * self.sharpness)
            small = F.interpolate(pictures, (side, side), mode="bilinear", antialias=True)
            pictures = F.interpolate(small, (PICTURE, PICTURE), mode="bilinear")
        pictures *= self.light
        for picture in pictures:  # another piece of one sheet of noise for each frame
            y, x = (int(v) for v in self.rng.integers(0, _NOISE_SIDE - PICTURE, 2))
            picture += self.noise[:, y : y + PICTURE, x : x + PICTURE]
        return pictures.clamp_(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class _Thing:
    """Something held before the face."""

    color: Tensor
    alpha: Tensor
    corners: NDArray[np.int64]

    @classmethod
    def of(cls, film: Film) -> _Thing | None:
        corners = film.occlusion()
        if corners is None or film.occluder is None:
            return None
        layer = _tensor(np.asarray(draw_occluder(film.occluder, film.who)))
        return cls(layer[:3], layer[3:] / 255, corners)

    def hold(self, picture: Tensor, frame: int) -> None:
        x, y = (int(v) for v in self.corners[frame])
        height, width = max(0, min(self.color.shape[1], PICTURE - y)), self.color.shape[2]
        below = picture[:, y : y + height, x : x + width]
        below += self.alpha[:, :height] * (self.color[:, :height] - below)


@dataclass(frozen=True)
class _Head:
    """The drawn head: everything above the jaw once, what moves in all its positions."""

    still: Image.Image
    eyes: list[Image.Image]
    jaws: list[Image.Image]

    @classmethod
    def drawn(cls, film: Film) -> _Head:
        mood = MOODS[film.mood]
        head = draw_head(film.who, mood.brow_lift, mood.brow_turn)
        # colour where nothing is to be seen must not bleed into the edge of the turned head
        head[..., :3] *= head[..., 3:] / 255
        eyes = [_image(layer) for layer in draw_eyes(film.who, head, film.gaze)]
        return cls(_image(head), eyes, [_image(layer) for layer in _jaw_stack(head)])

    def posed(self, jaw: float, lid: float) -> Image.Image:
        """The head with this jaw and these lids, (256, 256) RGBA."""
        place = min(max(jaw / _JAW_MAX, 0.0), 1.0) * (_JAWS - 1)
        low = min(int(place), _JAWS - 2)
        face = self.still.copy()
        face.paste(Image.blend(self.jaws[low], self.jaws[low + 1], place - low), (0, _JAW_TOP))
        face.paste(self.eyes[round(lid * (LIDS - 1))], (0, EYE_ROWS.start))
        return face


def _image(layer: Layer) -> Image.Image:
    return Image.fromarray(np.rint(layer).astype(np.uint8), "RGBA")


def _jaw_stack(head: Layer) -> Layer:
    """The lower part of the head with the jaw at each of its positions: (9, rows, 256, 4)."""
    tensor = torch.from_numpy(head).permute(2, 0, 1).expand(_JAWS, -1, -1, -1)
    found = F.grid_sample(tensor, _jaw_grids(), padding_mode="border", align_corners=True)
    return found.permute(0, 2, 3, 1).numpy()


@cache
def _jaw_grids() -> Tensor:
    columns, rows = (
        np.arange(CANVAS, dtype=np.float64),
        np.arange(_JAW_TOP, CANVAS, dtype=np.float64),
    )
    points = np.stack(np.meshgrid(columns, rows), axis=-1)
    share = _follows_jaw(points)[..., None]
    drops = np.linspace(0, _JAW_MAX * JAW_DROP, _JAWS)
    grids = [points - np.array([0, drop]) * share for drop in drops]
    return torch.from_numpy(np.stack(grids)).float() * (2 / (CANVAS - 1)) - 1


def _follows_jaw(points: Array) -> Array:
    """How much of the jaw's fall a place on the canvas shares, 0 to 1."""
    down = np.clip((points[..., 1] - MOUTH_CENTRE[1] + 2) / 22, 0, 1)
    aside = np.exp(-(((points[..., 0] - MOUTH_CENTRE[0]) / 48) ** 4))
    share: Array = down * down * (3 - 2 * down) * aside
    return share


def _lowered(points: Array, jaw: Array) -> Array:
    """Where points (T, N, 2) of the face at rest go when the jaw (T,) falls."""
    drop = np.zeros((len(jaw), 1, 2))
    drop[:, 0, 1] = np.clip(jaw, 0, _JAW_MAX) * JAW_DROP
    moved = points
    for _ in range(12):
        moved = points + drop * _follows_jaw(moved)[..., None]
    return moved


def _close(who: Identity, points: Array, openness: float) -> None:
    """Set the landmarks of both eyes."""
    for corner in (36, 42):
        x, upper, lower = lids(who, corner, openness)
        order = ((0, upper), (4, upper), (8, upper), (12, upper), (8, lower), (4, lower))
        points[corner : corner + 6] = [(x[k], edge[k]) for k, edge in order]


def _turned(head: HeadTrack, part: slice, canvas: NDArray[np.uint8]) -> Tensor:
    """The canvases (t, 256, 256, 4) as seen in the picture: (t, 4, 224, 224) float."""
    axis = np.linspace(0, PICTURE - 1, _COARSE)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    source = to_canvas(head.part(part), points).reshape(-1, _COARSE, _COARSE, 2)
    coarse = torch.from_numpy(source * (2 / (CANVAS - 1)) - 1).float().permute(0, 3, 1, 2)
    size = (PICTURE, PICTURE)
    grid = F.interpolate(coarse.contiguous(), size, mode="bilinear", align_corners=True)
    images = torch.from_numpy(canvas).permute(0, 3, 1, 2).float()
    return F.grid_sample(images, grid.permute(0, 2, 3, 1), align_corners=True)
