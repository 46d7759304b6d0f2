"""From timed phonemes to the movement of a mouth, with co-articulation.

Every segment pulls the mouth towards its shape, most in its own time and less and less before and
after it; what is seen is the mean of all pulls (dominance functions; Cohen and Massaro 1993). A
camera then averages over its exposure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.data.corpora.espeak import Segment
from zoo.data.corpora.visemes import TARGETS, VISEMES, visemes

Array = NDArray[np.float64]
FPS = 25
_STEPS = 8  # a frame
_SMEAR_MS = (60.0, 100.0)  # how far the pull of a segment reaches, by speaker
_JITTER_MS = 10.0  # the lips do not keep time with the sound to the millisecond
_DIPHTHONG = 0.55  # share of its time that the first vowel takes


@dataclass(frozen=True)
class MouthTrack:
    """A mouth in every frame, (T,) each; see `visemes.Shape` for what the numbers mean."""

    jaw: Array
    open: Array
    width: Array
    round: Array
    tuck: Array
    tongue: Array

    def __len__(self) -> int:
        return len(self.jaw)


def mouth_track(
    phonemes: Sequence[Segment],
    lead_ms: float,
    frames: int,
    rng: np.random.Generator,
    manner: np.random.Generator,
) -> MouthTrack:
    """Move a mouth.

    Args:
        phonemes: What is said, in the time of the speech.
        lead_ms: When in the clip the speech begins.
        frames: How many frames the clip has.
        rng: Draws what differs from clip to clip.
        manner: Draws the speaker's way: how much the lips smear, how widely they move.
    """
    rows, starts, ends = _pulls(phonemes, lead_ms, 1e3 * frames / FPS, rng)
    smear = manner.uniform(*_SMEAR_MS)
    step = 1e3 / (FPS * _STEPS)
    times = (np.arange(frames * _STEPS) + 0.5) * step
    targets = TARGETS[rows]
    outside = np.maximum(starts[:, None] - times, times - ends[:, None]).clip(min=0)
    reach = 0.5 * smear * np.where(targets[:, -1:] > 2, 0.6, 1.0)  # a closure is brief
    pull = targets[:, -1:] * np.exp(-outside / reach)
    # many strong neighbours must not keep a long vowel from its shape
    values = (pull.T @ targets[:, :-1]) / pull.sum(axis=0)[:, None]
    values = _smoothed(values, smear / 4 / step) * _manner(manner)
    exposed = values.reshape(frames, _STEPS, -1)[:, _STEPS // 4 : -_STEPS // 4].mean(axis=1)
    return MouthTrack(*exposed.T)


def _pulls(
    phonemes: Sequence[Segment], lead_ms: float, length_ms: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Array, Array]:
    """Viseme numbers with start and end in milliseconds, silence before and after included."""
    rows, marks = [0], [-500.0]
    for phoneme in phonemes:
        names = visemes(phoneme.label)[:2]
        length = phoneme.end_ms - phoneme.start_ms
        for part, name in enumerate(names):
            rows.append(VISEMES.index(name))
            marks.append(lead_ms + phoneme.start_ms + part * _DIPHTHONG * length)
    rows.append(0)
    marks.append(lead_ms + (phonemes[-1].end_ms if phonemes else 0.0))
    shifted = np.array(marks)
    shifted[1:] += rng.normal(0, _JITTER_MS, len(marks) - 1)
    shifted = np.maximum.accumulate(shifted)
    return np.array(rows), shifted, np.append(shifted[1:], max(length_ms, shifted[-1]) + 500)


def _smoothed(values: Array, sigma: float) -> Array:
    radius = int(3 * sigma) + 1
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(values, ((radius, radius), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, kernel, "valid") for column in padded.T], axis=1)


def _manner(rng: np.random.Generator) -> Array:
    """Some people hardly move their lips."""
    size = rng.uniform(0.75, 1.1)
    return size * np.array([rng.uniform(0.7, 1.1), 1, rng.uniform(0.8, 1.1), 1, 1, 1])
