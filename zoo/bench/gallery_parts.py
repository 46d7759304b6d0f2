"""What both galleries share: which runs may be shown, names of copied files, waveforms to draw."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np

from zoo.bench.result import Result
from zoo.bench.task import load_task
from zoo.errors import BenchError

if TYPE_CHECKING:
    from torch import Tensor

_PEAKS: Final = 96


def is_showable(result: Result) -> bool:
    """Whether a run and its data are on this machine and the licence lets media be copied."""
    if result.folder is None or result.data_root is None:
        return False
    try:
        return load_task(result.task).redistributable
    except BenchError:  # a task that this version no longer ships
        return False


def file_name(id_: str, suffix: str) -> str:
    """A neutral name: ids come from the data, and a hash keeps them out of paths."""
    return hashlib.sha256(id_.encode()).hexdigest()[:16] + suffix


def envelope(waveform: Tensor) -> tuple[float, ...]:
    """Heights in [0, 1] for drawing a waveform (S,)."""
    signal = np.abs(waveform.detach().cpu().numpy())
    parts = np.array_split(signal, min(_PEAKS, max(1, len(signal))))
    peaks = np.array([part.max() if len(part) else 0.0 for part in parts])
    return tuple((peaks / max(float(peaks.max()), 1e-9)).round(3).tolist())
