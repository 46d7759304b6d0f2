"""MFCC and log filter-bank energies as `python_speech_features` computes them.

SyncNet and AV-HuBERT were trained on these numbers: samples on the 16-bit scale (not divided by
32768), rectangular 25 ms frames every 10 ms, HTK mels whose corners are rounded down to bins of
the Fourier transform.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.errors import MediaError

Array = NDArray[np.float64]

FRAME, HOP, N_FFT = 400, 160, 512
SAMPLE_RATE = 16_000
NUM_BANDS = 26
_PRE_EMPHASIS = 0.97
_LIFTER = 22
_EPS = float(np.finfo(np.float64).eps)


def log_filterbank(samples: ArrayLike) -> Array:
    """Log energies (T, 26) of 26 mel bands.

    Args:
        samples: (S,) at 16 kHz on the 16-bit scale.

    Raises:
        MediaError: `samples` is not (S,) or is empty.
    """
    energies: Array = np.log(_band_energies(_power_frames(samples)))
    return energies


def mfcc(samples: ArrayLike, num_coefficients: int = 13) -> Array:
    """MFCC (T, num_coefficients); the first is the log energy of the frame.

    Args:
        samples: (S,) at 16 kHz on the 16-bit scale.
        num_coefficients: how many to keep, the energy included.

    Raises:
        MediaError: `samples` is not (S,) or is empty.
    """
    from scipy.fft import dct

    power = _power_frames(samples)
    series = dct(np.log(_band_energies(power)), type=2, axis=1, norm="ortho")[:, :num_coefficients]
    order = np.arange(num_coefficients)
    found: Array = series * (1 + _LIFTER / 2 * np.sin(np.pi * order / _LIFTER))
    found[:, 0] = np.log(_above_zero(power.sum(axis=1)))
    return found


def _power_frames(samples: ArrayLike) -> Array:
    """Power spectra (T, 257) of pre-emphasised frames; the last one is filled with zeros."""
    signal = np.asarray(samples, dtype=np.float64)
    if signal.ndim != 1 or not len(signal):
        raise MediaError(f"MFCC: expected samples (S,), got shape {signal.shape}")
    emphasised = np.append(signal[0], signal[1:] - _PRE_EMPHASIS * signal[:-1])
    count = 1 + max(0, -(-(len(signal) - FRAME) // HOP))
    padded = np.pad(emphasised, (0, max(0, (count - 1) * HOP + FRAME - len(signal))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP][:count]
    power: Array = np.abs(np.fft.rfft(frames, N_FFT)) ** 2 / N_FFT
    return power


def _band_energies(power: Array) -> Array:
    return _above_zero(power @ _bank().T)


def _above_zero(energy: Array) -> Array:
    return np.where(energy == 0, _EPS, energy)


@cache
def _bank() -> Array:
    """(26, 257) triangles between corners that are whole bins."""
    top = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700.0)
    mels = np.linspace(0.0, top, NUM_BANDS + 2)
    corners = np.floor((N_FFT + 1) * 700 * (10 ** (mels / 2595.0) - 1) / SAMPLE_RATE)
    bank = np.zeros((NUM_BANDS, N_FFT // 2 + 1))
    for band, (left, centre, right) in enumerate(zip(corners, corners[1:], corners[2:])):
        rising = np.arange(int(left), int(centre))
        falling = np.arange(int(centre), int(right))
        bank[band, rising] = (rising - left) / (centre - left)
        bank[band, falling] = (right - falling) / (right - centre)
    return bank
