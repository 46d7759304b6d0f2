"""STOI and ESTOI (short-time objective intelligibility), by the `pystoi` package."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from zoo.errors import MediaError
from zoo.metrics.speech_pairs import Signal, SpeechPairMetric
from zoo.metrics.values import Quantity
from zoo.tasks import SpeechLike


class STOI(SpeechPairMetric):
    """STOI and ESTOI at 16 kHz (10 kHz inside); a delay of 20 ms alone costs 0.1 and 0.17."""

    name: ClassVar[str] = "stoi"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "short-time objective intelligibility, plain and extended"
    unit: ClassVar[str] = "0-1"
    higher_is_better: ClassVar[bool | None] = True

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Both forms."""
        return (
            Quantity("stoi", "STOI", self.unit, True),
            Quantity("estoi", "ESTOI", self.unit, True),
        )

    def available(self) -> str | None:
        """Needs the `pystoi` package."""
        if find_spec("pystoi") is None:
            return "pystoi is not installed; pip install 'avspeech-zoo[metrics]'"
        return None

    def score_sample(self, prediction: SpeechLike, reference: SpeechLike) -> dict[str, float]:
        """Both values of one pair; a pair too short for them counts as missing."""
        generated, original = self.pair(prediction, reference)
        return {
            name: stoi_score(original, generated, self.sample_rate, extended=name == "estoi")
            for name in ("stoi", "estoi")
        }

    def details(self) -> dict[str, Any]:
        """Rate and resampling."""
        return {"sample_rate": self.sample_rate, "resampling": "soxr HQ"}


def stoi_score(
    reference: Signal, degraded: Signal, sample_rate: int, *, extended: bool = False
) -> float:
    """STOI or ESTOI of two signals (S,).

    Raises:
        MediaError: fewer than 384 ms are left once silence is removed.
    """
    from pystoi import stoi

    with warnings.catch_warnings(), _same_draws():
        # pystoi warns and returns 1e-5, a number that would enter the mean
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(stoi(reference, degraded, sample_rate, extended=extended))
        except (RuntimeWarning, ValueError) as error:
            raise MediaError(f"STOI is not defined for this pair: {error}") from error


@contextmanager
def _same_draws() -> Iterator[None]:
    """ESTOI adds noise of 1e-16 from numpy's global generator: the same one every time."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)
