"""Timbres drawn at random: voices of espeak-ng beside the five dozen that come with it.

A timbre is a number; what espeak-ng reads of it is drawn from that number alone. The ranges are
about those of the timbres that come with the library.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

import numpy as np
from numpy.random import Generator

COUNT: Final = 10**9
"""Timbres are numbered from 0 to this, exclusive."""
_NAME: Final = re.compile(r"drawn-(\d{1,9})")
_BASE_HZ: Final = (62.0, 240.0)
_TOP: Final = (1.2, 1.9)  # highest pitch of a voice, by its lowest
_HIGH_HZ: Final = 130.0
_SIZES: Final = (0.75, 1.45)  # of all resonances together
# strength of each formant, in percent of the plain voice's; the lowest one is no resonance
_STRENGTHS: Final = (
    (60, 130),
    (50, 115),
    (45, 105),
    (35, 105),
    (20, 110),
    (20, 110),
    (0, 110),
    (0, 110),
    (0, 110),
)
_WIDTHS: Final = (45, 165)
# how long and loud the eight kinds of stress are: the plain voice, or one of these
_STRESS: Final = (
    "",
    "",
    "stressAdd -10 -10 -20 -20 0 0 40 60",
    "stressAmp 18 18 20 20 20 20 20 20",
    "stressAmp 16 16 24 24 16 16 20 24",
)


def drawn_name(number: int) -> str:
    """The name of a timbre, as `Voice.variant` takes it."""
    return f"drawn-{number}"


def drawn_number(name: str | None) -> int | None:
    """The number of a timbre; None of one that comes with espeak-ng."""
    found = _NAME.fullmatch(name or "")
    return None if found is None else int(found[1])


def is_high(number: int) -> bool:
    """Whether a timbre's pitch is more often a woman's."""
    return _pitch_hz(np.random.default_rng([number, 14])) > _HIGH_HZ


@cache
def definition(number: int) -> str:
    """The text of a timbre's voice file, as espeak-ng reads it."""
    rng = np.random.default_rng([number, 14])
    base = _pitch_hz(rng)
    # small people have high voices, more often than not
    size = (base / _HIGH_HZ) ** 0.2 * np.exp(rng.normal(0, 0.1))
    lines = [
        "language variant",
        f"name {drawn_name(number)}",
        f"pitch {base:.0f} {base * rng.uniform(*_TOP):.0f}",
        *_formants(rng, float(np.clip(size, *_SIZES))),
        f"voicing {_near_plain(rng, 30, 120)}",
        f"consonants {_near_plain(rng, 40, 150)} {_near_plain(rng, 40, 150)}",
        f"flutter {rng.integers(0, 11)}",
        f"roughness {rng.integers(0, 5)}",
        f"intonation {rng.integers(1, 4)}",
        _STRESS[int(rng.integers(len(_STRESS)))],
        _tone(rng),
        f"echo {rng.integers(30, 141)} {rng.integers(10, 31)}" if rng.random() < 0.15 else "",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _pitch_hz(rng: Generator) -> float:
    low, high = np.log(_BASE_HZ)
    return float(np.exp(rng.uniform(low, high)))


def _near_plain(rng: Generator, low: int, high: int) -> int:
    """Percent of the plain voice's: half of the voices leave it."""
    return 100 if rng.random() < 0.5 else int(rng.integers(low, high + 1))


def _formants(rng: Generator, size: float) -> list[str]:
    """Frequency, strength and width of each, in percent of the plain voice's."""
    spread, width = rng.uniform(0, 0.09), rng.uniform(*_WIDTHS)
    rows = []
    for number, strengths in enumerate(_STRENGTHS):
        frequency = 100 * size * np.exp(rng.normal(0, spread))
        own = np.clip(width * np.exp(rng.normal(0, 0.2)), *_WIDTHS)
        rows.append(f"formant {number} {frequency:.0f} {rng.integers(*strengths)} {own:.0f}")
    return rows


def _tone(rng: Generator) -> str:
    """Loudness (0 to 255) at rising frequencies, for half of the voices."""
    if rng.random() < 0.5:
        return ""
    points = np.sort(rng.integers(100, 3500, size=3))
    loud = rng.integers(20, 256, size=3)
    loud[0] = 255 if rng.random() < 0.7 else loud[0]
    return "tone " + " ".join(f"{hz} {volume}" for hz, volume in zip(points, loud, strict=True))
