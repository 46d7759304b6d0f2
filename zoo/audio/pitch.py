"""Pitch of recordings, as vocoders take it: one number a unit of speech."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

import numpy as np
import torch
from torch import Tensor

RATE: Final = 16_000
UNIT_MS: Final = 20.0
_LOWEST_HZ, _HIGHEST_HZ = 50.0, 600.0


def pitch_lacking() -> str | None:
    """Why no pitch can be found here, or None."""
    if find_spec("pyworld") is None:
        return "pip install pyworld (or 'avspeech-zoo[metrics]')"
    return None


def unit_pitch(waveform: Tensor, units: int) -> Tensor:
    """Pitch (units,) float32 in Hz in the middle of every 20 ms, 0 where nothing is voiced.

    WORLD's DIO, refined by StoneMask: its harvest finds more voiced frames, but takes far longer.

    Args:
        waveform: (S,) at 16 kHz.
        units: how many; what lies after the end of the waveform is unvoiced.

    Raises:
        ImportError: pyworld is not installed.
    """
    import pyworld

    signal = np.ascontiguousarray(waveform.detach().cpu().numpy(), dtype=np.float64)
    found = np.zeros(units, dtype=np.float32)
    if len(signal):
        contour, times = pyworld.dio(
            signal, RATE, f0_floor=_LOWEST_HZ, f0_ceil=_HIGHEST_HZ, frame_period=UNIT_MS / 2
        )
        middles = pyworld.stonemask(signal, contour, times, RATE)[1::2][:units]
        found[: len(middles)] = middles
    return torch.from_numpy(found)
