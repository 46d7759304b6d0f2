"""Dynamic time warping of two sequences, exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# on equal cost the diagonal is preferred, then the first sequence's step
_STEPS = ((1, 1), (1, 0), (0, 1))


def distances(first: Floats, second: Floats) -> Floats:
    """Euclidean distances (T, U) of the rows of (T, D) and (U, D)."""
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(first, second))


def warp(cost: Floats) -> list[tuple[int, int]]:
    """The cheapest path through `cost` (T, U) from corner to corner, steps (1,1), (1,0), (0,1)."""
    total = _accumulate(cost)
    i, j = cost.shape
    path = [(i - 1, j - 1)]
    while (i, j) != (1, 1):
        before = [total[i - di, j - dj] for di, dj in _STEPS]
        di, dj = _STEPS[int(np.argmin(before))]
        i, j = i - di, j - dj
        path.append((i - 1, j - 1))
    return path[::-1]


def _accumulate(cost: Floats) -> Floats:
    """(T + 1, U + 1) cost of the best path to every cell, one anti-diagonal at a time."""
    rows, columns = cost.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    for diagonal in range(rows + columns - 1):
        i = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        j = diagonal - i
        best = np.minimum(np.minimum(total[i, j], total[i, j + 1]), total[i + 1, j])
        total[i + 1, j + 1] = cost[i, j] + best
    return total
