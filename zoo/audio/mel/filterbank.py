"""Triangular mel filter banks, by formula.

Two mel scales are in use. Slaney's (Auditory Toolbox, 1998) is linear up to 1 kHz and logarithmic
above; HTK's is 2595 log10(1 + f / 700). Slaney's normalisation gives every triangle unit area.
"""

from __future__ import annotations

from functools import lru_cache
from math import log
from typing import Any, Literal

import torch
from torch import Tensor

MelScale = Literal["slaney", "htk"]

_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = log(6.4) / 27.0  # 27 mels from 1 to 6.4 kHz


def hz_to_mel(hertz: Tensor, scale: MelScale) -> Tensor:
    """Frequencies in Hz to mels, any shape."""
    if scale == "htk":
        return 2595.0 * torch.log10(1.0 + hertz / 700.0)
    above = _BREAK_MEL + torch.log(hertz.clamp(min=_BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return torch.where(hertz < _BREAK_HZ, hertz / _LINEAR_HZ_PER_MEL, above)


def mel_to_hz(mel: Tensor, scale: MelScale) -> Tensor:
    """Mels to frequencies in Hz, any shape."""
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    above = _BREAK_HZ * torch.exp(_LOG_STEP * (mel - _BREAK_MEL).clamp(min=0.0))
    return torch.where(mel < _BREAK_MEL, mel * _LINEAR_HZ_PER_MEL, above)


@lru_cache(maxsize=32)
def _triangles(
    sample_rate: int,
    n_fft: int,
    num_mels: int,
    min_hz: float,
    max_hz: float,
    scale: MelScale,
    unit_area: bool,
) -> Tensor:
    # on the CPU in double whatever the caller's default device (a model may be built on meta)
    kind: dict[str, Any] = {"dtype": torch.float64, "device": torch.device("cpu")}
    low, high = hz_to_mel(torch.tensor([min_hz, max_hz], **kind), scale).tolist()
    edges = mel_to_hz(torch.linspace(low, high, num_mels + 2, **kind), scale)
    highest = (n_fft // 2) * sample_rate / n_fft
    bins = torch.linspace(0.0, highest, n_fft // 2 + 1, **kind)
    slope = bins - edges[:, None]  # (mels + 2, bins)
    width = edges.diff()[:, None]
    rising, falling = slope[:-2] / width[:-1], -slope[2:] / width[1:]
    bank = torch.minimum(rising, falling).clamp(min=0.0)
    if unit_area:
        bank = bank * (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return bank.float()


def mel_filterbank(
    *,
    sample_rate: int,
    n_fft: int,
    num_mels: int,
    min_hz: float = 0.0,
    max_hz: float | None = None,
    scale: MelScale = "slaney",
    unit_area: bool = True,
) -> Tensor:
    """The filter bank as a matrix.

    Args:
        sample_rate: Hz.
        n_fft: length of the Fourier transform.
        num_mels: number of bands.
        min_hz: lower edge of the first band.
        max_hz: upper edge of the last band, None for half the sample rate.
        scale: how the bands are spaced.
        unit_area: Slaney's normalisation; False leaves every triangle at height 1.

    Returns:
        (num_mels, n_fft // 2 + 1) float32 on the CPU, a copy of its own.
    """
    top = sample_rate / 2 if max_hz is None else float(max_hz)
    bank = _triangles(sample_rate, n_fft, num_mels, float(min_hz), top, scale, unit_area)
    return bank.clone()
