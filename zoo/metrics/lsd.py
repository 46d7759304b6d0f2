"""Log-spectral distance: mean over frames of the root mean square difference in decibels."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from zoo.errors import MediaError
from zoo.metrics.speech_pairs import Signal, SpeechPairMetric
from zoo.metrics.values import Quantity
from zoo.tasks import SpeechLike


def log_spectral_distance(
    reference: Signal, generated: Signal, *, n_fft: int = 1024, hop: int = 256, floor: float = 1e-10
) -> float:
    """LSD in dB of two signals (S,) of one length: periodic Hann, frames not centred.

    Raises:
        MediaError: the signals are shorter than one frame.
    """
    spectra = [np.log10(_power(x, n_fft, hop) + floor) * 10.0 for x in (reference, generated)]
    return float(np.sqrt(((spectra[0] - spectra[1]) ** 2).mean(axis=1)).mean())


def _power(signal: Signal, n_fft: int, hop: int) -> Signal:
    if len(signal) < n_fft:
        raise MediaError(f"{len(signal)} samples are shorter than one frame of {n_fft}")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    frames = np.lib.stride_tricks.sliding_window_view(signal, n_fft)[::hop]
    power: Signal = np.abs(np.fft.rfft(frames * window)) ** 2
    return power


class LSD(SpeechPairMetric):
    """Log-spectral distance at 16 kHz.

    Args:
        n_fft: samples in a frame (1024/256, or 2048/512 in speech enhancement).
        hop: samples between frames.
        sample_rate: Hz.
    """

    name: ClassVar[str] = "lsd"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "log-spectral distance"
    unit: ClassVar[str] = "dB"
    higher_is_better: ClassVar[bool | None] = False
    floor: ClassVar[float] = 1e-10

    def __init__(self, n_fft: int = 1024, hop: int = 256, sample_rate: int = 16_000) -> None:
        self.n_fft, self.hop, self.sample_rate = int(n_fft), int(hop), int(sample_rate)

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """One distance."""
        options = {"fft": self.n_fft, "hop": self.hop}
        return (Quantity("lsd", "LSD", self.unit, False, options),)

    def score_sample(self, prediction: SpeechLike, reference: SpeechLike) -> dict[str, float]:
        """Distance of one pair."""
        generated, original = self.pair(prediction, reference)
        found = log_spectral_distance(
            original, generated, n_fft=self.n_fft, hop=self.hop, floor=self.floor
        )
        return {"lsd": found}

    def details(self) -> dict[str, Any]:
        """Window and floor."""
        return {"sample_rate": self.sample_rate, "window": "hann", "floor": self.floor}
