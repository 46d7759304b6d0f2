"""MFCC with their first and second differences: what the first clusters of HuBERT are made of."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.audio.avhubert import to_int16
from zoo.audio.mfcc import mfcc

_REACH = 2  # frames on both sides


def differences(features: Tensor) -> Tensor:
    """Slope (T, C) of features (T, C) by regression over two frames on both sides."""
    padded = F.pad(features.T.unsqueeze(0), (_REACH, _REACH), mode="replicate")[0]
    taps = torch.arange(-_REACH, _REACH + 1, dtype=features.dtype)
    return (padded.unfold(1, 2 * _REACH + 1, 1) * taps).sum(-1).T / taps.square().sum()


def cepstra(waveform: Tensor) -> Tensor:
    """(T, 39) float32 at 100 Hz: 13 MFCC, their differences, and the differences of these.

    Args:
        waveform: (S,) float in [-1, 1] at 16 kHz.
    """
    first = torch.from_numpy(mfcc(to_int16(waveform).numpy())).float()
    second = differences(first)
    return torch.cat([first, second, differences(second)], dim=1)
