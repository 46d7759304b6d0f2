"""The one form every picture dataset is brought into: an entry a picture, with its captions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from zoo.errors import DataError


@dataclass(frozen=True)
class CaptionEntry:
    """One caption of a picture; paths are relative to the dataset's root, with "/".

    Attributes:
        k: number of the caption among its picture's, from 0.
        text: cleaned text.
        wav: its recording, or None where there is none.
        speaker: who says it, where known.
        units: its speech units, where somebody extracted them.
    """

    k: int
    text: str
    wav: str | None = None
    speaker: str | None = None
    units: str | None = None


@dataclass(frozen=True)
class ImageEntry:
    """One picture with all its captions; `image_id` is the dataset's own number."""

    dataset: str
    split: str
    image_id: int
    image: str
    captions: tuple[CaptionEntry, ...]


def write_manifest(entries: Iterable[ImageEntry], path: str | Path) -> Path:
    """Write entries as JSON lines."""
    lines = (json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in entries)
    target = Path(path)
    target.write_text("".join(lines), encoding="utf-8")
    return target


def read_manifest(path: str | Path) -> list[ImageEntry]:
    """Read what `write_manifest` wrote.

    Raises:
        DataError: A line is not such an entry; the message names file and line.
    """
    entries = []
    with Path(path).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                row["captions"] = tuple(CaptionEntry(**caption) for caption in row["captions"])
                entries.append(ImageEntry(**row))
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(f"{path}:{number} is not a manifest entry: {error}") from error
    return entries
