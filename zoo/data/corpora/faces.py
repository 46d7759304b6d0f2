"""Films a talking face: who, how the mouth and the head move, where; frames and landmarks come out.

The head is drawn once a clip. For each frame the jaw is let down, lids and lips are laid on, and
the whole is turned, lit, put before its background and seen through a noisy sensor. All of it
happens in the planes that the video encoder takes, several frames at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
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
from zoo.data.corpora.lips import JAW_DROP, LEFT, RIGHT, Lips, draw_mouths, lips
from zoo.data.corpora.motion import MOODS, PICTURE, HeadTrack, to_canvas, to_picture
from zoo.data.corpora.mouth import MouthTrack
from zoo.data.corpora.planes import Planes, Tint, packed, split, to_planes

Array = NDArray[np.float64]
Layer = NDArray[np.float32]
_JAWS: Final = 9  # drawn positions of the jaw, blended for those between
_JAW_MAX: Final = 1.2
_JAW_TOP: Final = int(MOUTH_CENTRE[1]) - 4
_CHUNK: Final = 5  # frames at a time: they fit the processor's cache
_NOISE_SIDE: Final = 320
_NOISE_LUMA: Final = 0.57  # what noise of one grey level in red, green and blue comes to
_NOISE_CHROMA: Final = 0.27
_COARSE: Final = 33  # points a side at which the turn of the head is worked out


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

    def lips(self) -> Lips:
        """The edges of the lips in every frame, on the canvas."""
        return lips(self.who, self.mouth, MOODS[self.mood].smile)

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
    points[:, 36:48] = _eye_points(film.who)[_lid_steps(film.head)]
    points[:, 48:] = film.lips().landmarks()
    seen = to_picture(film.head, points)
    seen[slice(*film.absent)] = np.nan
    return seen


def frames(film: Film) -> Iterator[Tensor]:
    """The pictures in pieces of (t, 336, 224) uint8, as `VideoWriter.write_planes` takes them."""
    tint = film.look.tint
    head, sensor, thing = _Head.drawn(film, tint), _Sensor.of(film), _Thing.of(film, tint)
    backdrop, mouth = _backdrop(film.look, film.who), film.lips()
    for start in range(0, len(film), _CHUNK):
        part = slice(start, min(start + _CHUNK, len(film)))
        canvas = head.posed(film, part)
        head.speak(canvas, draw_mouths(film.who, mouth.part(part), tint))
        for frame in range(*film.absent):
            if part.start <= frame < part.stop:
                canvas.luma[frame - start] = canvas.chroma[frame - start] = 0
        seen = _turned(film.head, part, canvas)
        luma = _before(seen.luma, backdrop.luma)
        chroma = _before(seen.chroma, backdrop.chroma)
        if thing is not None:
            thing.hold(luma, chroma, part)
        yield sensor.record(luma, chroma, part)


@lru_cache(maxsize=2)
def _backdrop(look: Look, who: Identity) -> Planes:
    """Once for the clips of a recording, which are made one after the other."""
    return to_planes(np.asarray(draw_backdrop(look, who))[None], look.tint)


def _before(seen: Tensor, behind: Tensor) -> Tensor:
    """Layers (t, C + 1, H, W), coverage last, laid on a picture (1, C, H, W)."""
    covered = seen[:, -1:]
    return torch.addcmul(seen[:, :-1] + behind, covered, behind, value=-1)


@dataclass(frozen=True)
class _Sensor:
    """What light and camera make of the pictures."""

    light: tuple[Tensor, Tensor]
    noise: tuple[Tensor, Tensor]
    places: NDArray[np.int64]
    sharpness: float

    @classmethod
    def of(cls, film: Film) -> _Sensor:
        rng = np.random.default_rng([film.seed, 2])
        half = _NOISE_SIDE // 2
        luma = rng.standard_normal((1, _NOISE_SIDE, _NOISE_SIDE), dtype=np.float32)
        chroma = rng.standard_normal((2, half, half), dtype=np.float32)
        noise = (film.look.noise * _NOISE_LUMA * luma, film.look.noise * _NOISE_CHROMA * chroma)
        places = rng.integers(0, (_NOISE_SIDE - PICTURE) // 2, (len(film), 2))
        light = torch.from_numpy(light_field(film.look))
        halved = light[:, ::2, ::2]
        sheets = (torch.from_numpy(noise[0]), torch.from_numpy(noise[1]))
        return cls((light, halved), sheets, places, film.look.sharpness)

    def record(self, luma: Tensor, chroma: Tensor, part: slice) -> Tensor:
        """Bytes (t, 336, 224) of (t, 1, 224, 224) and (t, 2, 112, 112), which are written to."""
        pictures = [self._blurred(luma), self._blurred(chroma)]
        for picture, light in zip(pictures, self.light):
            picture *= light
        for k, (y, x) in enumerate(self.places[part].tolist()):
            for scale, picture, noise in zip((2, 1), pictures, self.noise):
                # another piece of one sheet of noise for each frame
                rows, columns = (slice(scale * v, scale * v + picture.shape[-1]) for v in (y, x))
                picture[k] += noise[:, rows, columns]
        return packed(pictures[0][:, 0], pictures[1])

    def _blurred(self, picture: Tensor) -> Tensor:
        if self.sharpness == 1:
            return picture
        size = picture.shape[-1]
        few = round(size * self.sharpness)
        small = F.interpolate(picture, (few, few), mode="bilinear", antialias=True)
        return F.interpolate(small, (size, size), mode="bilinear")


@dataclass(frozen=True)
class _Thing:
    """Something held before the face."""

    layer: Planes
    corners: NDArray[np.int64]

    @classmethod
    def of(cls, film: Film, tint: Tint) -> _Thing | None:
        corners = film.occlusion()
        if corners is None or film.occluder is None:
            return None
        layer = np.array(draw_occluder(film.occluder, film.who), dtype=np.float32)
        layer[..., :3] *= layer[..., 3:] / 255
        return cls(to_planes(layer[None], tint), corners)

    def hold(self, luma: Tensor, chroma: Tensor, part: slice) -> None:
        for k, (x, y) in enumerate(self.corners[part].tolist()):
            _lay(luma[k], self.layer.luma[0], x, y)
            _lay(chroma[k], self.layer.chroma[0], x // 2, y // 2)


def _lay(picture: Tensor, layer: Tensor, x: int, y: int) -> None:
    """Put a layer (C + 1, h, w), coverage last, before a picture (C, H, W), cut at its edges."""
    rows = max(0, min(layer.shape[1], picture.shape[1] - y))
    below = picture[:, y : y + rows, x : x + layer.shape[2]]
    below += layer[:-1, :rows] - layer[-1:, :rows] * below


@dataclass(frozen=True)
class _Head:
    """The drawn head: everything above the jaw once, what moves in all its positions."""

    still: Planes
    eyes: Planes
    jaws: Planes

    @classmethod
    def drawn(cls, film: Film, tint: Tint) -> _Head:
        mood = MOODS[film.mood]
        head = draw_head(film.who, mood.brow_lift, mood.brow_turn)
        # colour where nothing is to be seen must not bleed into the edge of the turned head
        head[..., :3] *= head[..., 3:] / 255
        eyes = to_planes(draw_eyes(film.who, head, film.gaze), tint)
        return cls(to_planes(head[None], tint), eyes, to_planes(_jaw_stack(head), tint))

    def posed(self, film: Film, part: slice) -> Planes:
        """The head with the jaw and the lids of some frames."""
        place = np.clip(film.mouth.jaw[part] / _JAW_MAX, 0, 1) * (_JAWS - 1)
        low = np.minimum(place.astype(np.int64), _JAWS - 2)
        share = torch.from_numpy((place - low).astype(np.float32))[:, None, None, None]
        above = torch.from_numpy(low)
        canvas = self.still.clone(len(place))
        step = torch.from_numpy(_lid_steps(film.head.part(part)))
        for plane, name, scale in ((canvas.luma, "luma", 1), (canvas.chroma, "chroma", 2)):
            jaws, eyes = getattr(self.jaws, name), getattr(self.eyes, name)
            plane[:, :, _JAW_TOP // scale :] = torch.lerp(jaws[above], jaws[above + 1], share)
            plane[:, :, EYE_ROWS.start // scale : EYE_ROWS.stop // scale] = eyes[step]
        return canvas

    @staticmethod
    def speak(canvas: Planes, mouths: tuple[Tensor, int]) -> None:
        """Lay mouths on the canvas; under them there is skin everywhere."""
        layer, first = mouths
        rows, patch = layer.shape[2], split(layer)
        for plane, mouth, scale in ((canvas.luma, patch.luma, 1), (canvas.chroma, patch.chroma, 2)):
            place = slice(first // scale, (first + rows) // scale)
            below = plane[:, :-1, place, LEFT // scale : RIGHT // scale]
            below += mouth[:, :-1] - mouth[:, -1:] * below


def _lid_steps(head: HeadTrack) -> NDArray[np.int64]:
    """Which of the drawn positions the lids are in, (T,)."""
    return np.rint(head.lids * (LIDS - 1)).astype(np.int64)


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


def _eye_points(who: Identity) -> Array:
    """Landmarks 36 to 47 at every position of the lids: (LIDS, 12, 2)."""
    found = np.empty((LIDS, 12, 2))
    for step in range(LIDS):
        for k, corner in ((0, 36), (6, 42)):
            x, upper, lower = lids(who, corner, 1 - step / (LIDS - 1))
            order = ((0, upper), (4, upper), (8, upper), (12, upper), (8, lower), (4, lower))
            found[step, k : k + 6] = [(x[place], edge[place]) for place, edge in order]
    return found


def _turned(head: HeadTrack, part: slice, canvas: Planes) -> Planes:
    """The canvases (t, ..., 256, 256) as seen in the picture, (t, ..., 224, 224)."""
    axis = np.linspace(0, PICTURE - 1, _COARSE)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    source = to_canvas(head.part(part), points)
    # a pixel of colour lies in the middle of four of brightness, so its outermost are nearer
    inward = (points - axis.mean()) / (1 - PICTURE)
    halved = 0.5 * (source + inward - 0.5)
    return Planes(_sampled(canvas.luma, source), _sampled(canvas.chroma, halved))


def _sampled(planes: Tensor, places: Array) -> Tensor:
    """Planes (t, C, H, H) at coarse places (t, N, 2) in their pixels, and evenly between these."""
    side = planes.shape[-1]
    coarse = torch.from_numpy(places * (2 / (side - 1)) - 1).float()
    coarse = coarse.reshape(-1, _COARSE, _COARSE, 2).permute(0, 3, 1, 2).contiguous()
    size = (PICTURE * side // CANVAS, PICTURE * side // CANVAS)
    grid = F.interpolate(coarse, size, mode="bilinear", align_corners=True)
    return F.grid_sample(planes, grid.permute(0, 2, 3, 1), align_corners=True)
