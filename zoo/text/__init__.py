"""Text: normalisers for scoring, subtitle files."""

from __future__ import annotations

from zoo.text.normalize import NORMALIZERS, Normalizer, get_normalizer, straighten_quotes
from zoo.text.subtitles import format_srt, format_vtt, parse_subtitles, read_subtitles

__all__ = [
    "NORMALIZERS",
    "Normalizer",
    "format_srt",
    "format_vtt",
    "get_normalizer",
    "parse_subtitles",
    "read_subtitles",
    "straighten_quotes",
]
