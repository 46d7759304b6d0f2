"""Best-path decoding of CTC outputs, with the time and the certainty of every symbol."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BLANK = 0


@dataclass(frozen=True)
class Symbol:
    """One decoded symbol.

    Attributes:
        id: its number, above `BLANK`.
        start: first output of its run.
        stop: output after its run.
        probability: highest within the run.
    """

    id: int
    start: int
    stop: int
    probability: float


def greedy_symbols(log_probs: Tensor, lengths: Tensor) -> list[list[Symbol]]:
    """The best path of every item, repetitions merged, blanks taken out.

    Args:
        log_probs: (B, T, V) with the blank first.
        lengths: (B,) valid outputs.
    """
    best = log_probs.max(dim=-1)
    ids, probabilities = best.indices.cpu(), best.values.exp().cpu()
    counts = lengths.tolist()
    return [_runs(i[:n], p[:n]) for i, p, n in zip(ids, probabilities, counts, strict=True)]


def _runs(ids: Tensor, probabilities: Tensor) -> list[Symbol]:
    """Runs of one path (T,) that are not blank."""
    values, sizes = torch.unique_consecutive(ids, return_counts=True)
    stops = sizes.cumsum(0).tolist()
    spans = zip(values.tolist(), [0, *stops[:-1]], stops)
    return [
        Symbol(value, start, stop, float(probabilities[start:stop].max()))
        for value, start, stop in spans
        if value != BLANK
    ]
