"""Every metric of the registry has what the harness and the docs need, and a unit vector."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zoo.errors import BenchError
from zoo.metrics import METRICS, get_metric
from zoo.metrics.base import Row, SampleMetric, median, ratio, to_columns, value_of
from zoo.metrics.retrieval import RetrievalData

VECTOR = RetrievalData(
    captions={"a0": "a", "b0": "b"},
    images=["a", "b"],
    speech={"a0": torch.tensor([1.0, 0.0]), "b0": torch.tensor([1.0, 0.0])},
    pictures={"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([0.0, 1.0])},
    texts={"a0": "red", "b0": "blue"},
    keywords={"a0": [("red", 1.0, 0)], "b0": [("red", 1.0, 0)]},
)
UNIT = {
    "recall": ("recall_at_1[direction=speech_to_image]", 50.0),
    "median_rank": ("median_rank[direction=speech_to_image]", 1.5),
    "keyword_hit_rate": ("keyword_hit_rate[slot=1]", 50.0),
}


@pytest.mark.parametrize("name", METRICS)
def test_metadata(name: str) -> None:
    metric = get_metric(name)
    assert metric.name == name and metric.version >= 1 and metric.summary and metric.needs
    assert metric.available() is None or isinstance(metric.available(), str)


@pytest.mark.parametrize("name", UNIT)
def test_unit_vector(name: str) -> None:
    metric = get_metric(name)
    rows = metric.rows(VECTOR)
    figures = {figure.id: figure for figure in metric.figures(rows)}
    assert len(figures) == len(metric.figures(rows)), "two figures share an id"
    figure, value = UNIT[name]
    assert value_of(figures[figure], rows) == value
    assert all(f.label and f.unit and f.aggregator for f in figures.values())


def test_unknown_metric_or_option_is_refused() -> None:
    with pytest.raises(BenchError, match=r"known: .*keyword_hit_rate"):
        get_metric("recal")
    with pytest.raises(BenchError, match=r"recall: .*depth"):
        get_metric("recall", depth=3)


def test_an_additive_figure_does_not_depend_on_summing_clusters_first() -> None:
    rng = np.random.default_rng(0)
    member, n = np.array([0, 0, 1, 2, 2]), 5
    columns = {"a": rng.integers(0, 9, n).astype(float), "b": rng.integers(1, 9, n).astype(float)}
    weights = rng.integers(0, 4, (20, 3)).astype(float)
    sums = {name: np.bincount(member, column) for name, column in columns.items()}
    reduce = ratio("a", "b")
    assert np.allclose(reduce(columns, weights[:, member]), reduce(sums, weights), equal_nan=True)


def test_weighted_median_equals_the_median_of_repeated_values() -> None:
    rng = np.random.default_rng(1)
    values, member = rng.integers(1, 30, 12).astype(float), np.array([1.0] * 9 + [0.0] * 3)
    weights = rng.integers(0, 3, (50, 12)).astype(float)
    weights[:, 0] += 1
    got = median("v", "m")({"v": values, "m": member}, weights)
    for row, value in zip(weights, got, strict=True):
        repeated = np.repeat(values[:9], row[:9].astype(int))
        assert value == np.median(repeated)


class Length(SampleMetric):
    """Difference in length: a per-sample metric."""

    name, version, summary, needs = "length", 1, "difference in length", ("text",)

    def score_sample(self, prediction: str, reference: str) -> dict[str, float]:
        return {"off": float(abs(len(prediction) - len(reference))), "n": 1.0}

    def figures(self, rows):
        return []


def test_a_per_sample_metric_makes_a_row_a_sample() -> None:
    rows = Length().rows([("1", "x", "abc", "a"), ("2", "y", "a", "a")])
    assert rows == [Row("1", "x", {"off": 2.0, "n": 1.0}), Row("2", "y", {"off": 0.0, "n": 1.0})]
    assert to_columns(rows, ["off", "absent"])["absent"].tolist() == [0.0, 0.0]
