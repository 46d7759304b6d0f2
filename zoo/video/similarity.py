"""Similarity transforms (turn, scale, shift) between point sets: least squares, or robust.

The robust estimator is OpenCV's least median of squares (`estimateAffinePartial2D`), which the
published mouth crops were made with. Which of two nearly equal fits it returns depends on the
pairs of points it tries, so its random generator, a multiply-with-carry generator with a fixed
seed, is part of the method.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (N, 2), x and y
Matrix = NDArray[np.float64]  # (2, 3): [a -b tx; b a ty]

_CONFIDENCE = 0.99
_OUTLIERS = 0.45  # share assumed when the number of trials is computed
_MIN_SCALE = 0.001  # pixels; smallest spread that inliers are allowed
_MULTIPLIER = 4164903690


def apply(matrix: Matrix, points: Points) -> Points:
    """Map points (..., 2) by a matrix (2, 3)."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def fit(source: Points, target: Points) -> Matrix:
    """The similarity that maps `source` (N, 2) to `target` (N, 2) with least squared error.

    Umeyama's method (PAMI 1991, eq. 40-42). A closed form without the decomposition differs in the
    last bit only, but AV-HuBERT truncates pixels, where that bit shows.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    centred = source - source_mean
    covariance = (target - target_mean).T @ centred / len(source)
    signs = np.array([1.0, -1.0 if np.linalg.det(covariance) < 0 else 1.0])
    left, strengths, right = np.linalg.svd(covariance)
    turn = left @ np.diag(signs) @ right
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN where all points are one
        scale = 1.0 / centred.var(axis=0).sum() * (strengths @ signs)
    shift = target_mean - scale * (turn @ source_mean)
    return np.concatenate([turn * scale, shift[:, None]], axis=1)


def fit_robust(source: Points, target: Points) -> Matrix:
    """The least-median-of-squares similarity, refined by least squares on its inliers.

    Args:
        source: (N, 2), N of at least 3.
        target: (N, 2).
    """
    # parity: OpenCV keeps the points in single precision and so does everything computed of them
    single, wanted = source.astype(np.float32), target.astype(np.float32)
    count = len(single)
    best, best_median = None, np.inf
    for pair in _pairs(count):
        matrix = _fit_pair(single[pair].astype(np.float64), wanted[pair].astype(np.float64))
        errors = _squared_errors(matrix, single, wanted)
        median = float(np.partition(errors, count // 2)[count // 2])
        if median < best_median:
            best, best_median = matrix, median
    if best is None:  # no two points differ
        return fit(source, target)
    scale = max(2.5 * 1.4826 * (1 + 5 / (count - 2)) * sqrt(best_median), _MIN_SCALE)
    inliers = _squared_errors(best, single, wanted) <= np.float32(scale * scale)
    return fit(single[inliers].astype(np.float64), wanted[inliers].astype(np.float64))


@cache
def _pairs(count: int) -> tuple[list[int], ...]:
    """The pairs of point numbers that are tried."""
    trials = round(log(1 - _CONFIDENCE) / log(1 - (1 - _OUTLIERS) ** 2))
    numbers = _random_numbers(count)
    pairs = []
    for _ in range(max(trials, 3)):
        first = next(numbers)
        second = next(number for number in numbers if number != first)
        pairs.append([first, second])
    return tuple(pairs)


def _random_numbers(below: int) -> Iterator[int]:
    """Integers in [0, below) as OpenCV draws them."""
    state = (1 << 64) - 1
    while True:
        state = ((state & 0xFFFFFFFF) * _MULTIPLIER + (state >> 32)) & ((1 << 64) - 1)
        yield (state & 0xFFFFFFFF) % below


def _fit_pair(source: Points, target: Points) -> Matrix:
    """The similarity through two points; NaN where they are the same point."""
    (dx, dy), (du, dv) = source[0] - source[1], target[0] - target[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.float64(1) / (dx * dx + dy * dy)
        a, b = scale * (du * dx + dv * dy), scale * (dv * dx - du * dy)
        turn = np.array([[a, -b], [b, a]])
        return np.concatenate([turn, (target[0] - turn @ source[0])[:, None]], axis=1)


def _squared_errors(
    matrix: Matrix, source: NDArray[np.float32], target: NDArray[np.float32]
) -> NDArray[np.float32]:
    turn = matrix.astype(np.float32)
    with np.errstate(invalid="ignore"):
        u = turn[0, 0] * source[:, 0] + turn[0, 1] * source[:, 1] + turn[0, 2] - target[:, 0]
        v = turn[1, 0] * source[:, 0] + turn[1, 1] * source[:, 1] + turn[1, 2] - target[:, 1]
        errors: NDArray[np.float32] = u * u + v * v
    return errors
