"""Two folders of anybody's files, or a CSV of pairs, as pairs to be scored."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from zoo.errors import DataError

ENDINGS: Final = (
    ".wav", ".flac", ".mp3", ".ogg", ".m4a", ".mp4", ".avi", ".mov", ".mkv", ".webm", ".png", ".jpg",
)  # fmt: skip
_VIDEO: Final = (".mp4", ".avi", ".mov", ".mkv", ".webm")
_SAID: Final = re.compile(r"(?i)^text:\s*")


@dataclass(frozen=True)
class FilePair:
    """One generated file and what it is compared with.

    Attributes:
        id: its path below the folder, without ending.
        generated: the file.
        reference: the original, None where there is none.
        text: what is said, None where that is not known.
        cluster: unit of resampling.
    """

    id: str
    generated: Path
    reference: Path | None = None
    text: str | None = None
    cluster: str = ""


@dataclass(frozen=True)
class Matched:
    """All pairs, and the files of either side that found no partner."""

    pairs: tuple[FilePair, ...]
    only_generated: tuple[str, ...] = ()
    only_reference: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = field(default=())
    """Files that were passed over for another one of the same name and another ending."""


def match_folders(generated: Path, reference: Path | None) -> Matched:
    """Match files by relative path, whatever their endings.

    Where a folder holds a name with several endings the video is taken, since it has the sound too.

    Raises:
        DataError: a folder is not there, or holds no sound, video or picture.
    """
    ours, passed = _files(generated)
    theirs, also = _files(reference) if reference is not None else ({}, [])
    if reference is None:
        return Matched(tuple(FilePair(name, path) for name, path in ours.items()), (), (), passed)
    pairs = [FilePair(n, path, theirs[n]) for n, path in ours.items() if n in theirs]
    if not pairs:
        raise DataError(
            f"no file of {generated} has its name in {reference}, e.g. {next(iter(ours))} against "
            f"{next(iter(theirs))}; files are matched by their path below the folder, without "
            "ending. A CSV of pairs (--pairs) matches anything"
        )
    return Matched(
        tuple(pairs),
        tuple(name for name in ours if name not in theirs),
        tuple(name for name in theirs if name not in ours),
        (*passed, *also),
    )


def _files(folder: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Name without ending -> file, and what was passed over."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    found: dict[str, Path] = {}
    passed = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS):
        name = path.relative_to(folder).with_suffix("").as_posix()
        other = found.get(name)
        if other is not None:
            keep_new = path.suffix.lower() in _VIDEO and other.suffix.lower() not in _VIDEO
            passed.append((other if keep_new else path).relative_to(folder).as_posix())
            if not keep_new:
                continue
        found[name] = path
    if not found:
        raise DataError(f"{folder}: no sound, video or picture in it ({', '.join(ENDINGS)})")
    return found, tuple(passed)


def read_pairs(path: Path) -> Matched:
    """Read a CSV with the columns `generated` and, as far as known, `reference`, `text`, `id`,
    `cluster`; paths are relative to the folder of the file.

    Raises:
        DataError: no such file, no column `generated`, no row, or two rows with one id.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    if not rows or "generated" not in rows[0]:
        raise DataError(f"{path}: expected a row a pair and a column `generated`")
    pairs = [_row(path.parent, row) for row in rows]
    ids = [pair.id for pair in pairs]
    twice = (
        next((id_ for id_ in ids if ids.count(id_) > 1), None) if len(set(ids)) < len(ids) else None
    )
    if twice is not None:
        raise DataError(f"{path}: two pairs are called {twice}; give them an `id` each")
    return Matched(tuple(pairs))


def _row(folder: Path, row: Mapping[str, str | None]) -> FilePair:
    generated, reference = row["generated"] or "", row.get("reference")
    return FilePair(
        row.get("id") or Path(generated).with_suffix("").as_posix(),
        folder / generated,
        folder / reference if reference else None,
        row.get("text") or None,
        row.get("cluster") or "",
    )


def read_texts(path: Path) -> dict[str, str]:
    """What is said, by the name of the file: lines `name<TAB or spaces>text`, or a CSV.

    A CSV has the columns `id` (or `file`) and `text`.

    Raises:
        DataError: the file cannot be read, or a line has no text.
    """
    try:
        content = path.read_text("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    if path.suffix.lower() == ".csv":
        rows = list(csv.DictReader(content.splitlines()))
        key = "id" if rows and "id" in rows[0] else "file"
        if not rows or key not in rows[0] or "text" not in rows[0]:
            raise DataError(f"{path}: expected the columns `id` (or `file`) and `text`")
        return {_name(row[key]): row["text"] for row in rows}
    found = {}
    for number, line in enumerate(content.splitlines(), 1):
        cells = line.split(maxsplit=1) if "\t" not in line else line.split("\t", 1)
        if len(cells) == 1:
            raise DataError(f"{path}:{number}: expected `name<TAB>text`")
        if cells:
            found[_name(cells[0])] = cells[1].strip()
    return found


def _name(text: str) -> str:
    path = Path(text.strip())
    return path.with_suffix("").as_posix() if path.suffix.lower() in ENDINGS else path.as_posix()


def add_texts(pairs: Iterable[FilePair], texts: Mapping[str, str] | None) -> list[FilePair]:
    """Pairs with their texts: from a table, else from a `.txt` beside the reference.

    Such a file is plain, or one of LRS (`Text:  ...` in its first line).
    """
    return [
        pair
        if pair.text is not None
        else replace(pair, text=(texts or {}).get(pair.id) if texts else _beside(pair))
        for pair in pairs
    ]


def _beside(pair: FilePair) -> str | None:
    for path in (pair.reference, pair.generated):
        label = None if path is None else path.with_suffix(".txt")
        if label is not None and label.is_file():
            lines = label.read_text("utf-8-sig").strip().splitlines()
            return _SAID.sub("", lines[0]).strip() if lines else ""
    return None


def clusters_of(pairs: Sequence[FilePair], by: str) -> list[FilePair]:
    """Pairs with their unit of resampling: themselves (`file`), or the folder they lie in."""
    return [
        pair
        if pair.cluster
        else replace(pair, cluster=pair.id.rpartition("/")[0] if by == "folder" else pair.id)
        for pair in pairs
    ]
