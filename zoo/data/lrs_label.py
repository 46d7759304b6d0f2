"""The text files of LRS2, LRS3 and LRS-VoxMM: transcript, confidence, boxes, word times.

    Text:  WE REALLY DON'T WALK ANYMORE
    Conf:  4
    Ref: <video>

    FRAME X Y W H
    000084 0.468 0.180 0.101 0.179

    WORD START END ASDSCORE
    WE 0.05 0.19 7.2

Every block but the first line may be missing; what a line is, its first word says. Public readers
lose words here (a single space after `Text:`, a colon in the transcript); this one does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from zoo.data.utterances import WordTime
from zoo.errors import DataError

_KEY = re.compile(r"\s*([A-Za-z][A-Za-z ]*?)\s*:\s*(.*?)\s*$")
_TEXT_KEY, _CONF_KEY, _REF_KEY = "text", "conf", "ref"
_NO_BRACES = str.maketrans("", "", "{}")


@dataclass(frozen=True)
class FaceBox:
    """Where the face is in a frame of the source video, relative to its size."""

    frame: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Label:
    """What a text file says."""

    text_raw: str
    conf: float | None = None
    ref: str | None = None
    words: tuple[WordTime, ...] | None = None
    boxes: tuple[FaceBox, ...] = ()

    @property
    def text(self) -> str:
        """The transcript without the braces around fillers, single spaces."""
        return clean_text(self.text_raw)


def clean_text(text: str) -> str:
    """Drop the braces that mark fillers (not the words within) and surplus spaces."""
    return " ".join(text.translate(_NO_BRACES).split())


def read_label(path: str | Path) -> Label:
    """Read a text file.

    Raises:
        DataError: it has no `Text:` line, or a broken table.
    """
    path = Path(path)
    try:
        return parse_label(path.read_text(encoding="utf-8-sig"))
    except (DataError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from error


def parse_label(content: str) -> Label:
    """Parse the content of a text file; line ends of any kind.

    Raises:
        DataError: it has no `Text:` line, or a broken table.
    """
    fields: dict[str, str] = {}
    tables: dict[str, list[list[str]]] = {}
    rows: list[list[str]] | None = None
    for line in content.splitlines():
        cells = line.split()
        if not cells:
            continue
        if cells[0].upper() in ("WORD", "FRAME") and _is_header(cells):
            rows = tables.setdefault(cells[0].upper(), [])
        elif rows is not None and len(cells) >= 3 and not cells[0].endswith(":"):
            rows.append(cells)
        elif (match := _KEY.match(line)) is not None:
            fields.setdefault(match[1].lower(), match[2])
    if _TEXT_KEY not in fields:
        raise DataError("no line begins with `Text:`; expected the transcript there")
    return Label(
        fields[_TEXT_KEY],
        _number(fields.get(_CONF_KEY)),
        fields.get(_REF_KEY),
        _words(tables["WORD"]) if "WORD" in tables else None,
        tuple(_boxes(tables.get("FRAME", ()))),
    )


def _is_header(cells: list[str]) -> bool:
    """Whether a line names the columns of a table (and is no word called "word")."""
    return [cell.upper() for cell in cells[1:3]] in (["START", "END"], ["X", "Y"])


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _words(rows: Iterable[list[str]]) -> tuple[WordTime, ...]:
    try:
        return tuple(
            WordTime(row[0], float(row[1]), float(row[2]), _number("".join(row[3:4])))
            for row in rows
        )
    except ValueError as error:
        raise DataError(f"the table of words is broken ({error})") from error


def _boxes(rows: Iterable[list[str]]) -> Iterable[FaceBox]:
    try:
        return [FaceBox(int(row[0]), *map(float, row[1:5])) for row in rows]
    except (ValueError, TypeError) as error:
        raise DataError(f"the table of face boxes is broken ({error})") from error
