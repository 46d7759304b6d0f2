"""A sheet of clips of talking people, to look at what a corpus or a dataset holds."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from zoo.data.lrs3 import looks_like_lrs3, read_lrs3
from zoo.data.lrs_voxmm import looks_like_lrs_voxmm, read_lrs_voxmm
from zoo.data.utterances import Utterance
from zoo.errors import DataError
from zoo.video import load_video
from zoo.video.landmark_files import read_landmarks

FRAMES: Final = 8
_SIDE: Final = 160
_CAPTION: Final = 20
_DOT: Final = (60, 255, 90)
_MTEDX_SPLITS: Final = {"dev": "valid", "valid": "valid", "train": "train", "test": "test"}


@dataclass(frozen=True)
class Shot:
    """A clip and what is said in it; `truth` holds its landmarks where there are any."""

    video: Path
    text: str

    @property
    def truth(self) -> Path | None:
        """The landmarks that a generated corpus has beside each clip."""
        path = self.video.with_suffix(".npz")
        return path if path.is_file() else None


def holds_faces(root: Path) -> bool:
    """Whether `face_sheet` knows the layout of a folder."""
    return looks_like_lrs_voxmm(root) or looks_like_lrs3(root) or bool(_mtedx(root))


def face_sheet(root: Path, split: str, count: int) -> Image.Image:
    """Some frames of the first clips of a split, a row each; landmarks on every other one.

    Raises:
        DataError: there is no such split.
    """
    shots = list(islice(_shots(root, split), count))
    if not shots:
        raise DataError(f"{root} has no clip in {split!r}")
    sheet = Image.new("RGB", (FRAMES * _SIDE, len(shots) * (_SIDE + _CAPTION)), "white")
    draw, write = ImageDraw.Draw(sheet), _Writer.of(13)
    for row, shot in enumerate(shots):
        y = row * (_SIDE + _CAPTION)
        for column, picture in enumerate(_pictures(shot)):
            sheet.paste(picture, (column * _SIDE, y + _CAPTION))
        write(draw, (4, y + 2), textwrap.shorten(shot.text, 150))
    return sheet


@dataclass(frozen=True)
class _Writer:
    """Writes captions; where no font with accents is installed, without them."""

    font: ImageFont.FreeTypeFont | ImageFont.ImageFont
    accents: bool

    @classmethod
    def of(cls, size: int) -> _Writer:
        try:
            return cls(ImageFont.truetype("DejaVuSans.ttf", size), accents=True)
        except OSError:
            return cls(ImageFont.load_default(size), accents=False)

    def __call__(self, draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str) -> None:
        if not self.accents:  # Pillow's own font shows them as boxes
            signs = unicodedata.normalize("NFKD", text)
            text = "".join(sign for sign in signs if not unicodedata.combining(sign))
        draw.text(place, text, fill="black", font=self.font)


def _pictures(shot: Shot) -> Iterator[Image.Image]:
    frames = load_video(shot.video).frames
    points = None if shot.truth is None else read_landmarks(shot.truth).points
    for place, k in enumerate(np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)):
        picture = Image.fromarray(frames[k].permute(1, 2, 0).contiguous().numpy())
        if points is not None and place % 2:
            _dot(picture, points[k])
        yield picture.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)


def _dot(picture: Image.Image, points: NDArray[np.float64]) -> None:
    draw = ImageDraw.Draw(picture)
    for x, y in points[np.isfinite(points).all(axis=1)]:
        draw.ellipse((x - 1, y - 1, x + 1, y + 1), fill=_DOT)


def _shots(root: Path, split: str) -> Iterator[Shot]:
    if looks_like_lrs_voxmm(root):
        return _from_lrs(root, read_lrs_voxmm(root, "dev" if split == "train" else split))
    if looks_like_lrs3(root):
        return _from_lrs(root, read_lrs3(root, split))
    return _from_mtedx(root, split)


def _from_lrs(root: Path, found: list[Utterance]) -> Iterator[Shot]:
    clips = ((one.video, one) for one in found)
    return (Shot(root / video, f"{one.id}  {one.text_raw}") for video, one in clips if video)


def _mtedx(root: Path) -> list[Path]:
    """Folders `<src>-<src>/data`, the only ones with video."""
    found = sorted(root.glob("*-*/data"))
    return [path for path in found if len(set(path.parent.name.split("-"))) == 1]


def _from_mtedx(root: Path, split: str) -> Iterator[Shot]:
    """One clip of each language in turn."""
    if split not in _MTEDX_SPLITS:
        raise DataError(f"mTEDx has no split {split!r}: train, valid or test")
    split = _MTEDX_SPLITS[split]
    lists = [list(_language(path / split, path.parent.name[:2])) for path in _mtedx(root)]
    for row in range(max(map(len, lists), default=0)):
        yield from (shots[row] for shots in lists if row < len(shots))


def _language(folder: Path, language: str) -> Iterator[Shot]:
    text = folder / "txt"
    if not (text / "segments").is_file():
        return
    times = (text / "segments").read_text(encoding="utf-8").splitlines()
    lines = (text / f"{folder.name}.{language}").read_text(encoding="utf-8").splitlines()
    for time, line in zip(times, lines):
        name, talk = time.split()[:2]
        yield Shot(folder / "video" / talk / f"{name}.mp4", f"{language}  {line}")
