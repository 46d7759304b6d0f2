"""Subtitle files: SubRip (`.srt`) and WebVTT (`.vtt`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import DataError
from zoo.tasks import Span

_CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMES = re.compile(rf"^\s*{_CLOCK}\s*-->\s*{_CLOCK}")


def format_srt(spans: Sequence[Span]) -> str:
    """Numbered SubRip cues."""
    cues = (
        f"{number}\n{_clock(span.start_s, ',')} --> {_clock(span.end_s, ',')}\n{_lines(span)}\n"
        for number, span in enumerate(spans, start=1)
    )
    return "\n".join(cues)


def format_vtt(spans: Sequence[Span]) -> str:
    """A WebVTT file."""
    cues = (
        f"{_clock(span.start_s, '.')} --> {_clock(span.end_s, '.')}\n{_lines(span)}\n"
        for span in spans
    )
    return "\n".join(["WEBVTT\n", *cues])


def read_subtitles(path: str | Path) -> list[Span]:
    """Read an `.srt` or `.vtt` file, in the order of the file.

    Cue numbers, notes, styles and cue settings are left out; the lines of a cue are joined.

    Raises:
        DataError: the file is missing or holds no cue.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected subtitles (.srt or .vtt)")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    spans = parse_subtitles(text)
    if not spans:
        raise DataError(f"{path}: holds no cue `00:00:01.000 --> 00:00:02.000`; expected subtitles")
    return spans


def parse_subtitles(text: str) -> list[Span]:
    """The cues of the text of an `.srt` or `.vtt` file."""
    spans = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.strip().split("\n")
        for number, line in enumerate(lines):
            if times := _TIMES.match(line):
                clocks = times.groups()
                words = " ".join(line.strip() for line in lines[number + 1 :])
                spans.append(Span(_seconds(clocks[:4]), _seconds(clocks[4:]), words))
                break
    return spans


def _seconds(clock: Sequence[str | None]) -> float:
    hours, minutes, seconds = (int(part or 0) for part in clock[:3])
    return hours * 3600 + minutes * 60 + seconds + int((clock[3] or "0").ljust(3, "0")) / 1000


def _clock(seconds: float, point: str) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{thousandths:03}"


def _lines(span: Span) -> str:
    """The text without the blank lines that would end its cue."""
    return "\n".join(line for line in span.text.splitlines() if line.strip())
