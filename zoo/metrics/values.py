"""Metrics of single samples: what most of them share.

A sample is (id, cluster, prediction, reference). What stands for "prediction" is named by the
first item of `needs` (`text`, `speech`, `video`, `landmarks`) and what stands for "reference" by
the second (`reference_text`, ...); a metric without a second one gets None.
"""

from __future__ import annotations

import logging
import math
from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from zoo.errors import MediaError
from zoo.metrics.base import Figure, Row, SampleMetric, ratio, value_of

log = logging.getLogger(__name__)

Samples = Sequence[tuple[str, str, Any, Any]]


@dataclass(frozen=True)
class Quantity:
    """One number that a metric gives for a sample, published as its mean over samples."""

    name: str
    label: str
    unit: str
    higher_is_better: bool | None
    options: Mapping[str, Hashable] = field(default_factory=dict)
    """What changes the number and therefore belongs to its name."""
    scale: float = 1.0
    """Factor from the sample's value to the published one."""

    @property
    def id(self) -> str:
        """`name[option=value,...]`."""
        return figure_id(self.name, self.options)


def figure_id(name: str, options: Mapping[str, Hashable]) -> str:
    """Stable name of a figure, e.g. `wer[norm=lrs@1]`."""
    tags = ",".join(f"{key}={value}" for key, value in options.items() if value is not None)
    return f"{name}[{tags}]" if tags else name


class ScoredMetric(SampleMetric):
    """A metric of single samples with one main number."""

    unit: ClassVar[str]
    higher_is_better: ClassVar[bool | None]

    def details(self) -> dict[str, Any]:
        """What a reader must know to compare the number with another one."""
        return {}

    def score(
        self, predictions: Sequence[Any], references: Sequence[Any] | None = None
    ) -> dict[str, float]:
        """The corpus form: every figure over the given samples, by its id.

        Raises:
            ValueError: the two sequences differ in length.
            BenchError: the metric cannot be computed here.
        """
        rows = self.rows(pair_up(predictions, references))
        return {figure.id: value_of(figure, rows) for figure in self.figures(rows)}


class MeanMetric(ScoredMetric):
    """A metric published as means over samples; each quantity counts the samples that have it."""

    @property
    @abstractmethod
    def quantities(self) -> tuple[Quantity, ...]:
        """What `score_sample` returns, the main one first."""

    def rows(self, data: Samples) -> list[Row]:
        """One row a sample; one that is missing or cannot be scored counts for nothing."""
        return [Row(id_, cluster, self._values(id_, p, r)) for id_, cluster, p, r in data]

    def _values(self, id_: str, prediction: Any, reference: Any) -> dict[str, float]:
        if prediction is None:
            return dict.fromkeys(("missing",), 1.0)
        try:
            found = self.score_sample(prediction, reference)
        except MediaError as error:
            log.warning("%s: %s cannot be scored: %s", self.key, id_, error)
            return dict.fromkeys(("missing",), 1.0)
        return counted(found)

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """The mean of every quantity."""
        return [mean_figure(quantity, rows, self.details()) for quantity in self.quantities]


def counted(values: Mapping[str, float]) -> dict[str, float]:
    """Values with a count beside each; one that is not finite is left out."""
    result: dict[str, float] = {}
    for name, value in values.items():
        if math.isfinite(value):
            result |= {name: float(value), f"{name}/n": 1.0}
    return result


def mean_figure(quantity: Quantity, rows: Sequence[Row], details: Mapping[str, Any]) -> Figure:
    """The mean of a column over the rows that have it; says how many have not."""
    count = f"{quantity.name}/n"
    lacking = sum(count not in row.values for row in rows)
    return Figure(
        id=quantity.id,
        label=quantity.label,
        unit=quantity.unit,
        higher_is_better=quantity.higher_is_better,
        aggregator="mean over samples",
        reduce=ratio(quantity.name, count, quantity.scale),
        columns=(quantity.name, count),
        count=count,
        details={**details, **({"missing": lacking} if lacking else {})},
    )


def pair_up(predictions: Sequence[Any], references: Sequence[Any] | None) -> Samples:
    """Samples from two parallel sequences, numbered, each its own cluster."""
    found = [None] * len(predictions) if references is None else references
    if len(found) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(found)} references")
    return [(str(i), str(i), p, r) for i, (p, r) in enumerate(zip(predictions, found, strict=True))]
