"""Subtitle files out and in."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.errors import DataError
from zoo.tasks import Span, save_spans
from zoo.text import format_srt, format_vtt, parse_subtitles, read_subtitles

SPANS = [Span(0.0, 1.25, "Hello there."), Span(3661.5, 3662.0, "An hour later")]


def test_srt() -> None:
    assert format_srt(SPANS) == (
        "1\n00:00:00,000 --> 00:00:01,250\nHello there.\n\n"
        "2\n01:01:01,500 --> 01:01:02,000\nAn hour later\n"
    )


def test_vtt() -> None:
    assert format_vtt(SPANS) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nHello there.\n\n"
        "01:01:01.500 --> 01:01:02.000\nAn hour later\n"
    )


@pytest.mark.parametrize("ending", [".srt", ".vtt"])
def test_round_trip(tmp_path: Path, ending: str) -> None:
    assert read_subtitles(save_spans(tmp_path / f"a{ending}", SPANS)) == SPANS


def test_files_of_the_wild() -> None:
    text = (
        "WEBVTT - made by hand\r\n\r\nSTYLE\r\n::cue { color: red }\r\n\r\nNOTE nothing\r\n\r\n"
        "intro\r\n00:01.5 --> 00:02.000 align:start position:0%\r\ntwo\r\nlines\r\n\r\n\r\n"
        "00:00:03,000 --> 00:00:04,000\r\n\r\n"
    )
    assert parse_subtitles(text) == [Span(1.5, 2.0, "two lines"), Span(3.0, 4.0, "")]


def test_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes("\ufeff1\n00:00:01,000 --> 00:00:02,000\nÜber\n".encode())
    assert read_subtitles(path) == [Span(1.0, 2.0, "Über")]


def test_blank_lines_cannot_end_a_cue() -> None:
    spans = [Span(0.0, 1.0, "one\n\ntwo"), Span(1.0, 2.0, "three")]
    assert [span.text for span in parse_subtitles(format_srt(spans))] == ["one two", "three"]


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.srt: no such file; expected subtitles"):
        read_subtitles(tmp_path / "none.srt")
    (tmp_path / "a.srt").write_text("no cue")
    with pytest.raises(DataError, match=r"a\.srt: holds no cue"):
        read_subtitles(tmp_path / "a.srt")
