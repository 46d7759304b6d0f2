"""A sheet of pictures with their captions, or of talking faces, to look at what a corpus holds."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from zoo.data.coco import looks_like_spoken_coco, read_coco_karpathy
from zoo.data.corpora.face_sheet import face_sheet, holds_faces
from zoo.data.flickr8k import read_flickr8k
from zoo.data.manifest import ImageEntry
from zoo.errors import DataError

COLUMNS = 4
CELL = 264
PICTURE = 240
LINE = 15
WRAP = 40
MAX_LINES = 12


def show(
    folder: str | Path, out: str | Path | None = None, *, split: str = "train", count: int = 12
) -> Path:
    """Write a contact sheet of the first pictures of a split; works on real datasets too.

    Args:
        folder: Flickr8k, SpokenCOCO, LRS3, LRS-VoxMM (or mTEDx with video), generated or real.
        out: The png to write; None is `contact_sheet.png` in the current folder.
        split: Which split to show.
        count: How many pictures, or clips.

    Raises:
        DataError: The folder is none of them, or `count` is below one.
    """
    root = Path(folder)
    if count < 1:
        raise DataError(f"a contact sheet needs at least one picture, not {count}")
    target = Path(out or "contact_sheet.png")
    if holds_faces(root):
        face_sheet(root, split, count).save(target)
        return target
    coco = looks_like_spoken_coco(root)
    entries = read_coco_karpathy(root, split) if coco else read_flickr8k(root, split)
    _sheet(root, entries[:count]).save(target)
    return target


def _sheet(root: Path, entries: Sequence[ImageEntry]) -> Image.Image:
    height = PICTURE + 16 + LINE * MAX_LINES
    rows = -(-len(entries) // COLUMNS)
    sheet = Image.new("RGB", (CELL * min(COLUMNS, len(entries)), height * rows), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for place, entry in enumerate(entries):
        x, y = CELL * (place % COLUMNS) + 12, height * (place // COLUMNS) + 8
        with Image.open(root / entry.image) as picture:
            fitted = ImageOps.contain(picture.convert("RGB"), (PICTURE, PICTURE))
        sheet.paste(fitted, (x, y))
        lines = [line for c in entry.captions for line in _wrapped(f"{c.text} ({c.speaker})")]
        for number, line in enumerate(lines[:MAX_LINES]):
            draw.text((x, y + PICTURE + 4 + LINE * number), line, fill="black", font=font)
    return sheet


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WRAP, initial_indent="- ", subsequent_indent="  ")
