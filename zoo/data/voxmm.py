"""How LRS-VoxMM was made of VoxMM: which segments, and what becomes of their transcripts.

VoxMM marks `{interjection}`, `<disfluency>`, `[uncertain]`, `(inaudible)`, `(1.0/one point o)` and
`!abbreviation!`. The rules are those of its AV-ASR configuration (LRS-VoxMM, arXiv 2604.27866).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MIN_SECONDS, MAX_SECONDS = 1.0, 30.0
MIN_WORDS, MAX_WORDS = 2, 80
_TRACK_SLACK_S = 0.01
# fmt: off
DROPPED_INTERJECTIONS = frozenset({
    "erm", "uh-huh", "uh-uh", "hehe", "haha", "shh", "aww", "argh", "hahaha", "woo-hoo", "brr",
    "eww", "uh-oh", "waah", "hehehe", "oww", "pff", "skrr", "nuh-uh", "mm-mm", "ooh-la-la",
})
# fmt: on
_INTERJECTION = re.compile(r"\{([^}]*)\}")
_NUMBER = re.compile(r"\(([^()/]*)/([^()]*)\)")
_REMOVED = re.compile(r"<[^>]*>|\(inaudible\)")
_UNWANTED = re.compile(r"[<\[]|\(inaudible\)")  # disfluent, uncertain, not understood
_MARKS = str.maketrans({"!": None, "[": None, "]": None, "-": " "})


def voxmm_text(raw: str) -> str:
    """A VoxMM transcript in the convention of LRS: upper case, spoken numbers, fillers kept."""
    text = _INTERJECTION.sub(_interjection, raw)
    text = _NUMBER.sub(r"\2", _REMOVED.sub(" ", text))
    return " ".join(text.translate(_MARKS).split()).upper()


def keep_segment(segment: Mapping[str, Any]) -> bool:
    """Whether a segment of a VoxMM metadata file is one of LRS-VoxMM's kind."""
    start, end = float(segment["start"]), float(segment["end"])
    if segment["singing"] or segment["overlapped_duration"] > 0 or not segment["on-screen"]:
        return False
    if not MIN_SECONDS < end - start < MAX_SECONDS:
        return False
    tracks = segment["face_track"]
    if len(tracks) != 1 or not _covers(tracks[0]["timestamp"], start, end):
        return False
    if _UNWANTED.search(segment["text"]):
        return False
    return MIN_WORDS < _count_words(segment["text"]) < MAX_WORDS


def _covers(track: Any, start: float, end: float) -> bool:
    return bool(track[0] <= start + _TRACK_SLACK_S and track[1] >= end - _TRACK_SLACK_S)


def _interjection(match: re.Match[str]) -> str:
    return "" if match[1].strip().lower() in DROPPED_INTERJECTIONS else match[1]


def _count_words(text: str) -> int:
    """Words with interjections as words and numbers as they are spoken."""
    return len(_NUMBER.sub(r"\2", text).split())
