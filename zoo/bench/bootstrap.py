"""Percentile bootstrap over samples or clusters, and the paired test of two runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.base import Array, Figure, Row, to_columns, value_of

RESAMPLES = 10_000
_CELLS = 1 << 22  # weights held at once


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval; `std` is the spread of the resamples (ddof 1)."""

    value: float
    low: float
    high: float
    std: float


@dataclass(frozen=True)
class PairedDifference:
    """First run minus second on the same samples.

    `wrong_sign` is the share of resamples whose difference does not have the sign of `value`.
    """

    value: float
    low: float
    high: float
    wrong_sign: float


def seed_of(task: str, metric: str) -> int:
    """Seed of a figure's resamples: the first 8 hex digits of sha256(task|metric)."""
    return int(hashlib.sha256(f"{task}|{metric}".encode()).hexdigest()[:8], 16)


def interval(
    figure: Figure, rows: Sequence[Row], seed: int, resamples: int = RESAMPLES
) -> Interval:
    """Value of a figure with its bootstrap interval (NaN where it is undefined)."""
    if not figure.resampled:
        return Interval(value_of(figure, rows), *[float("nan")] * 3)
    draws = _resampled([figure], [rows], seed, resamples)[0]
    low, high = _percentiles(draws)
    spread = float(np.nanstd(draws, ddof=1)) if np.isfinite(draws).sum() > 1 else float("nan")
    return Interval(value_of(figure, rows), low, high, spread)


def paired(
    figure: Figure,
    first: Sequence[Row],
    second: Sequence[Row],
    seed: int,
    resamples: int = RESAMPLES,
    *,
    second_figure: Figure | None = None,
) -> PairedDifference:
    """Bootstrap the difference of two runs, drawing the same clusters for both.

    `second_figure` is the second run's form of the figure, where it reads other columns.

    Raises:
        ValueError: the two runs do not cover the same ids and clusters.
    """
    order = {(row.id, row.cluster): row for row in second}
    if len(order) != len(first) or any((row.id, row.cluster) not in order for row in first):
        raise ValueError("the two runs were not made on the same samples")
    aligned = [order[row.id, row.cluster] for row in first]
    other = second_figure or figure
    left, right = _resampled([figure, other], [first, aligned], seed, resamples)
    value = value_of(figure, first) - value_of(other, aligned)
    draws = left - right
    low, high = _percentiles(draws)
    finite = draws[np.isfinite(draws)]
    wrong = (finite <= 0) if value > 0 else (finite >= 0)
    return PairedDifference(value, low, high, float(wrong.mean()) if len(finite) else float("nan"))


def draw(seed: int, units: int, resamples: int, chunk: int) -> Iterator[NDArray[np.int64]]:
    """Indices (r, units) of the drawn units, `chunk` resamples at a time from one stream."""
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, chunk):
        size = (min(chunk, resamples - start), units)
        yield generator.integers(0, units, size=size)


def _resampled(
    figures: Sequence[Figure], runs: Sequence[Sequence[Row]], seed: int, resamples: int
) -> list[Array]:
    """(resamples,) values of each (figure, run), all runs under the same draws."""
    clusters = list(dict.fromkeys(row.cluster for row in runs[0]))
    if not clusters:
        return [np.full(resamples, np.nan) for _ in runs]
    number = {cluster: i for i, cluster in enumerate(clusters)}
    member = np.array([number[row.cluster] for row in runs[0]])
    columns = [to_columns(rows, fig.columns) for fig, rows in zip(figures, runs, strict=True)]
    additive = all(figure.additive for figure in figures)
    if additive:
        columns = [
            {name: _sums(member, column, len(clusters)) for name, column in table.items()}
            for table in columns
        ]
    chunk = max(1, _CELLS // len(member))
    parts: list[list[Array]] = [[] for _ in runs]
    for index in draw(seed, len(clusters), resamples, chunk):
        weights = _weights(index, len(clusters))
        weights = weights if additive else weights[:, member]
        for part, figure, table in zip(parts, figures, columns, strict=True):
            part.append(figure.reduce(table, weights))
    return [np.concatenate(part) for part in parts]


def _sums(member: NDArray[np.int64], column: Array, clusters: int) -> Array:
    """(clusters,) sum of a column within each cluster."""
    return np.bincount(member, column, clusters).astype(np.float64)


def _weights(index: NDArray[np.int64], units: int) -> Array:
    """(r, units) how often each unit was drawn."""
    rows = len(index)
    flat = (index + units * np.arange(rows)[:, None]).ravel()
    return np.bincount(flat, minlength=rows * units).reshape(rows, units).astype(np.float64)


def _percentiles(draws: Array) -> tuple[float, float]:
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)
