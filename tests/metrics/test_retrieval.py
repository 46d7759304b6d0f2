"""Recall and median rank as metrics: rows, figures, failures."""

from __future__ import annotations

import pytest
import torch

from zoo.metrics.base import value_of
from zoo.metrics.retrieval import MedianRank, Recall, RetrievalData

NAMES = ["a", "b", "c", "d"]


def data(drop_speech: tuple[str, ...] = (), drop_images: tuple[str, ...] = ()) -> RetrievalData:
    """Perfect embeddings of four images with two captions each."""
    vectors = dict(zip(NAMES, torch.eye(4), strict=True))
    captions = {f"{name}{k}": name for name in NAMES for k in range(2)}
    return RetrievalData(
        captions=captions,
        images=NAMES,
        speech={c: vectors[image] for c, image in captions.items() if c not in drop_speech},
        pictures={image: vectors[image] for image in NAMES if image not in drop_images},
    )


def figures(metric, content) -> dict[str, float]:
    rows = metric.rows(content)
    return {figure.id: value_of(figure, rows) for figure in metric.figures(rows)}


def test_perfect_embeddings() -> None:
    assert set(figures(Recall((1, 2)), data()).values()) == {100.0}
    assert set(figures(MedianRank(), data()).values()) == {1.0}


def test_a_failed_sample_is_a_miss_and_stays_in_the_denominator() -> None:
    found = figures(Recall((1, 10)), data(drop_speech=("a0",), drop_images=("b",)))
    # caption a0 failed; both captions of b have no target; image b failed as a query
    assert found["recall_at_1[direction=speech_to_image]"] == pytest.approx(100 * 5 / 8)
    assert found["recall_at_10[direction=speech_to_image]"] == pytest.approx(100 * 5 / 8)
    assert found["recall_at_1[direction=image_to_speech]"] == pytest.approx(100 * 3 / 4)
    assert found["recall_at_1[direction=mean]"] == pytest.approx(100 * (5 / 8 + 3 / 4) / 2)


def test_nothing_embedded_is_zero_recall_not_an_error() -> None:
    everything = tuple(data().captions)
    found = figures(Recall((1,)), data(drop_speech=everything))
    assert set(found.values()) == {0.0}


def test_rows_hold_counts_and_the_cluster() -> None:
    rows = Recall((1,)).rows(data())
    assert len(rows) == 8 + 4
    assert rows[0].cluster == "a" and rows[-1].cluster == "d"
    assert rows[0].values["speech_to_image/hit_1"] == 1
