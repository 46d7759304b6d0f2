"""Changing the sample rate: soxr, quality "HQ" (band-limited, linear phase)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.errors import MediaError

QUALITY = "HQ"
# outside of this range a header is broken or the number is not a sample rate
MIN_RATE, MAX_RATE = 4_000, 768_000


def check_rate(rate: float, where: str) -> None:
    """Raise `MediaError` unless `rate` can be the sample rate of a recording."""
    if not MIN_RATE <= rate <= MAX_RATE:
        raise MediaError(
            f"{where}: sample rate {rate} Hz is outside {MIN_RATE}..{MAX_RATE} Hz; "
            "the header or the argument is wrong"
        )


def resample(waveform: Tensor, source_rate: int, target_rate: int) -> Tensor:
    """Resample along the last axis.

    Args:
        waveform: (..., S) float.
        source_rate: its rate in Hz.
        target_rate: the rate wanted, in Hz.

    Returns:
        (..., round(S * target_rate / source_rate)) float32 on the same device.
    """
    check_rate(source_rate, "resample")
    check_rate(target_rate, "resample")
    waveform = waveform.to(torch.float32)
    if source_rate == target_rate:
        return waveform
    rows = waveform.detach().cpu().reshape(-1, waveform.shape[-1])
    out = soxr.resample(rows.T.numpy(), source_rate, target_rate, QUALITY)
    result = torch.from_numpy(np.ascontiguousarray(out.T))
    return result.reshape(*waveform.shape[:-1], -1).to(waveform.device)


def resample_blocks(
    blocks: Iterable[NDArray[np.float32]], source_rate: int, target_rate: int
) -> Iterator[NDArray[np.float32]]:
    """Resample mono blocks (n,) of one recording; the result does not depend on the cuts."""
    if source_rate == target_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32", quality=QUALITY)
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
