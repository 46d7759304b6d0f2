"""Which frames masked prediction hides: spans of one length that may overlap (fairseq's draw)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MIN_SPANS = 2


@dataclass(frozen=True)
class Spans:
    """Masked frames of a batch.

    Attributes:
        mask: (B, T) bool, True = masked; every row has as many.
        items: (N,) int64, the row of each run of masked frames.
        starts: (N,) int64, its first frame.
        stops: (N,) int64, the frame after it.
    """

    mask: Tensor
    items: NDArray[np.int64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]


def draw_spans(
    lengths: Sequence[int], frames: int, share: float, span: int, draw: np.random.RandomState
) -> Spans:
    """Draw spans for a padded batch.

    Args:
        lengths: valid frames of every item.
        frames: T of the batch.
        share: frames to be in spans, if spans did not overlap.
        span: frames of a span.
        draw: where chance comes from.
    """
    draw.rand()  # parity: fairseq first draws a number of spans that it does not use
    chosen = [_frames_of(length, share, span, draw) for length in lengths]
    fewest = min(len(one) for one in chosen)
    mask = np.zeros((len(chosen), frames), dtype=bool)
    for row, one in zip(mask, chosen, strict=True):
        # every item is left the same number of masked frames
        row[draw.choice(one, fewest, replace=False) if len(one) > fewest else one] = True
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    items, starts = np.nonzero(edges == 1)
    stops = np.nonzero(edges == -1)[1]
    return Spans(torch.from_numpy(mask), items, starts, stops)


def _frames_of(
    length: int, share: float, span: int, draw: np.random.RandomState
) -> NDArray[np.int64]:
    """Masked frames of one item."""
    # rounded up as often as the fraction says
    count = max(MIN_SPANS, int(share * length / span + draw.rand()))
    room = min(span, length - 1) if length > 1 else 0
    if length - room <= count:
        room = max(0, length - count - 1)
    count = min(count, length - room)
    starts = draw.choice(length - room, count, replace=False)
    frames = np.unique(starts[:, None] + np.arange(span))
    return frames[frames < length]


def other_spans(spans: Spans, draw: np.random.RandomState) -> tuple[Tensor, Tensor]:
    """For every masked frame, another frame of the same clip that may stand in for it.

    A run is replaced by as many frames from elsewhere in its clip, from a start that does not
    touch the run; beyond the end the last frame is repeated.

    Returns:
        (M,) int64 rows and (M,) int64 frames, in the order of `spans.mask.nonzero()`.
    """
    frames = spans.mask.shape[1]
    rows, sources = [], []
    for item, start, stop in zip(spans.items, spans.starts, spans.stops, strict=True):
        size = stop - start
        free = np.setdiff1d(np.arange(frames), np.arange(max(0, start - size), stop))
        first = draw.choice(free, size=1) if len(free) else 0
        sources.append((first + np.arange(size)).clip(max=frames - 1))
        rows.append(np.full(size, item))
    return torch.from_numpy(np.concatenate(rows)), torch.from_numpy(np.concatenate(sources))
