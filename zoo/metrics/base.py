"""The contract of a metric: rows of counts per sample, figures that reduce them.

A metric turns predictions and references into one `Row` a sample (counts, not ratios). A
`Figure` turns rows into the number that is published. It is written against resample weights:
weight w of a row means that the row occurs w times, so that the corpus value (all weights one)
and ten thousand bootstrap resamples are the same code.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Columns = Mapping[str, Array]  # name -> (n,)
Reduce = Callable[[Columns, Array], Array]  # columns, weights (R, n) -> (R,)


@dataclass(frozen=True)
class Row:
    """What one sample contributes to a metric; `cluster` is the unit that is resampled."""

    id: str
    cluster: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Figure:
    """One number of a metric.

    Attributes:
        id: stable name in results, e.g. `recall_at_1[direction=speech_to_image]`.
        label: short heading for tables.
        unit: of the value ("%", "rank", ...).
        higher_is_better: direction, None where neither is.
        aggregator: how samples become the value, in words.
        reduce: value for every row of weights.
        columns: the columns `reduce` reads.
        count: the column whose sum is the number of samples behind the value.
        resampled: whether there is an interval; not where a number is of the set as it is.
        additive: whether `reduce` only needs column sums, so that clusters can be summed first.
        details: anything a reader must know, JSON-able.
    """

    id: str
    label: str
    unit: str
    higher_is_better: bool | None
    aggregator: str
    reduce: Reduce
    columns: tuple[str, ...]
    count: str
    additive: bool = True
    resampled: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)


class Metric(ABC):
    """Base of every metric. Heavy imports belong into `setup`, never to the module."""

    name: ClassVar[str]
    version: ClassVar[int]
    summary: ClassVar[str]
    """One line of documentation."""
    needs: ClassVar[tuple[str, ...]]
    """What it reads of a sample: `embedding`, `text`, `keywords`, ..."""
    of_set: ClassVar[bool] = False
    """Whether its figures are of all samples scored since `setup`: rows alone do not give them."""
    judge: str | None = None
    """The external network that decides, with its version."""
    requires: tuple[str, ...] = ()
    """Catalogue entries it loads."""

    @property
    def key(self) -> str:
        """`name@version`, also the name of its file under scores/."""
        return f"{self.name}@{self.version}"

    def available(self) -> str | None:
        """None, or the reason why the metric cannot be computed here. Never raises."""
        return None

    def setup(self) -> None:  # noqa: B027 - most metrics have nothing to load
        """Load what scoring needs; called once, after `available`."""

    @abstractmethod
    def rows(self, data: Any) -> list[Row]:
        """One row a sample, in the order of the task, failed samples included."""

    @abstractmethod
    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """The numbers that can be made of these rows."""


class SampleMetric(Metric):
    """A metric of single samples: `data` is a sequence of (id, cluster, prediction, reference)."""

    @abstractmethod
    def score_sample(self, prediction: Any, reference: Any) -> dict[str, float]:
        """Counts or values of one sample."""

    def rows(self, data: Sequence[tuple[str, str, Any, Any]]) -> list[Row]:
        """Score every sample on its own."""
        return [Row(id_, cluster, self.score_sample(p, r)) for id_, cluster, p, r in data]


def ratio(numerator: str, denominator: str, scale: float = 1.0) -> Reduce:
    """Sum of one column over the sum of another; NaN where the denominator sums to 0."""

    def reduce(columns: Columns, weights: Array) -> Array:
        top, bottom = weights @ columns[numerator], weights @ columns[denominator]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(bottom > 0, scale * top / bottom, np.nan)

    return reduce


def average(*parts: Reduce) -> Reduce:
    """Mean of several reductions of the same rows."""
    return lambda columns, weights: np.mean([part(columns, weights) for part in parts], axis=0)


def largest(*parts: Reduce) -> Reduce:
    """Largest of several reductions, chosen anew in every resample."""
    return lambda columns, weights: np.max([part(columns, weights) for part in parts], axis=0)


def difference(left: Reduce, right: Reduce) -> Reduce:
    """Left minus right, of the same rows."""
    return lambda columns, weights: left(columns, weights) - right(columns, weights)


def median(value: str, member: str) -> Reduce:
    """Median of a column over the rows where `member` is set (mean of the middle two)."""

    def reduce(columns: Columns, weights: Array) -> Array:
        chosen = np.flatnonzero(columns[member])
        order = chosen[np.argsort(columns[value][chosen], kind="stable")]
        reached = np.cumsum(weights[:, order], axis=1)
        if not len(order):
            return np.full(len(weights), np.nan)
        total = reached[:, -1:]
        lower = (reached <= (total - 1) // 2).sum(axis=1)
        upper = (reached <= total // 2).sum(axis=1)
        values = np.append(columns[value][order], np.nan)
        middle: Array = (values[lower] + values[upper]) / 2
        return middle

    return reduce


def value_of(figure: Figure, rows: Sequence[Row]) -> float:
    """A figure over all rows."""
    columns = to_columns(rows, figure.columns)
    return float(figure.reduce(columns, np.ones((1, len(rows))))[0])


def to_columns(rows: Sequence[Row], names: Sequence[str]) -> dict[str, Array]:
    """(n,) arrays of the named values; a row without the value counts as 0."""
    return {
        name: np.array([float(row.values.get(name, 0.0)) for row in rows], dtype=np.float64)
        for name in names
    }
