"""Random variation of recorded speech for training: pace, microphone, room noise.

Mild on purpose: everything stays easy for a person. Distortions that test robustness are in
`zoo.audio.distortions`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr
import torch
from numpy.random import Generator
from torch import Tensor

from zoo.audio.distortions import low_pass
from zoo.audio.noise import mix_at_snr


@dataclass(frozen=True, kw_only=True)
class Variation:
    """Ranges that are drawn from; a share is how many utterances are changed that way."""

    speed_share: float = 0.7
    speed: tuple[float, float] = (0.88, 1.13)
    """Factor on pace, pitch and formants together, as a tape played faster."""
    level_db: tuple[float, float] = (-12.0, 3.0)
    """Change of level, always; peaks above full scale are clipped."""
    noise_share: float = 0.5
    snr_db: tuple[float, float] = (12.0, 40.0)
    """Of a steady noise between white and red."""
    band_share: float = 0.2
    cutoff_hz: tuple[float, float] = (2800.0, 7500.0)
    """Of a low-pass filter."""

    def __call__(self, speech: Tensor, rng: Generator) -> Tensor:
        """Another version of (S,) float32 at 16 kHz; its length changes with the speed."""
        if rng.random() < self.speed_share:
            speech = changed_speed(speech, rng.uniform(*self.speed))
        if rng.random() < self.noise_share and bool(speech.any()):
            noise = coloured_noise(len(speech), rng.uniform(0, 2), rng)
            speech = mix_at_snr(speech, noise, rng.uniform(*self.snr_db))
        if rng.random() < self.band_share:
            speech = low_pass(speech, rng.uniform(*self.cutoff_hz))
        return (speech * 10 ** (rng.uniform(*self.level_db) / 20)).clamp(-1, 1)


def changed_speed(speech: Tensor, factor: float) -> Tensor:
    """Play (S,) faster by `factor`: (about S / factor,)."""
    return torch.from_numpy(soxr.resample(speech.numpy(), factor, 1.0, "MQ"))


def equalized(speech: Tensor, spread_db: float, rng: Generator) -> Tensor:
    """(S,) through a microphone whose response, in decibels, is a sum of three cosines over the
    band, each of a height drawn with the standard deviation `spread_db`."""
    spectrum = torch.fft.rfft(speech)
    place = torch.linspace(0, np.pi, len(spectrum))
    response = sum(rng.normal(0, spread_db) * torch.cos(waves * place) for waves in (1, 2, 3))
    heard: Tensor = torch.fft.irfft(spectrum * 10 ** (response / 20), len(speech))
    return heard


def coloured_noise(samples: int, exponent: float, rng: Generator) -> Tensor:
    """Noise (samples,) whose power falls as frequency ** -exponent: 0 white, 1 pink, 2 red."""
    size = 1 << max(1, samples - 1).bit_length()  # a length that is fast to transform
    spectrum = np.fft.rfft(rng.standard_normal(size))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1.0 + size / 400) ** (-exponent / 2)
    return torch.from_numpy(np.fft.irfft(spectrum, size)[:samples].astype(np.float32))
