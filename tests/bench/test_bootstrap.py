"""Intervals: known vectors, coverage, pairing, chunking."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from zoo.bench import bootstrap
from zoo.bench.bootstrap import draw, interval, paired, seed_of
from zoo.metrics.base import Figure, Row, median, ratio, value_of

ERRORS = [1, 0, 2, 0, 1, 3, 0, 0, 5, 1]
WORDS = [4, 5, 6, 3, 2, 8, 7, 9, 5, 6]
CLUSTERS = [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]
OTHER = [1, 0, 1, 0, 1, 2, 0, 1, 4, 1]
RATE = Figure("rate", "rate", "", False, "", ratio("e", "w"), ("e", "w"), "w")


def rows(errors=ERRORS, clusters=None) -> list[Row]:
    clusters = range(len(errors)) if clusters is None else clusters
    return [
        Row(str(i), str(c), {"e": e, "w": w})
        for i, (e, w, c) in enumerate(zip(errors, WORDS, clusters, strict=True))
    ]


def test_corpus_value_is_a_ratio_of_sums() -> None:
    assert value_of(RATE, rows()) == pytest.approx(13 / 55)


def test_sample_bootstrap_vector() -> None:
    found = interval(RATE, rows(), 1234, 2000)
    assert found.low == pytest.approx(0.07350936, abs=5e-9)
    assert found.high == pytest.approx(0.42857143, abs=5e-9)
    assert found.std == pytest.approx(0.09132070, abs=5e-9)


def test_cluster_bootstrap_vector() -> None:
    found = interval(RATE, rows(clusters=CLUSTERS), 1234, 2000)
    assert found.low == pytest.approx(0.13793103, abs=5e-9)
    assert found.high == pytest.approx(0.43906250, abs=5e-9)


def test_paired_vector() -> None:
    found = paired(RATE, rows(), rows(OTHER), 1234, 2000)
    assert found.value == pytest.approx(0.03636364, abs=5e-9)
    assert found.low == pytest.approx(-0.03334746, abs=5e-9)
    assert found.high == pytest.approx(0.10169492, abs=5e-9)
    assert found.wrong_sign == pytest.approx(0.2110)


def test_pairing_goes_by_id_and_refuses_other_samples() -> None:
    turned = list(reversed(rows(OTHER)))
    assert paired(RATE, rows(), turned, 1, 50) == paired(RATE, rows(), rows(OTHER), 1, 50)
    with pytest.raises(ValueError, match="same samples"):
        paired(RATE, rows(), rows(OTHER)[:-1], 1, 50)


def test_chunks_come_from_one_stream() -> None:
    whole = np.concatenate(list(draw(7, 13, 101, 1000)))
    parts = np.concatenate(list(draw(7, 13, 101, 8)))
    assert np.array_equal(whole, parts)
    assert np.array_equal(whole, np.random.default_rng(7).integers(0, 13, (101, 13)))


@pytest.mark.parametrize("additive", [True, False])
def test_the_interval_does_not_depend_on_memory_or_on_summing_first(monkeypatch, additive) -> None:
    figure = Figure("r", "r", "", False, "", ratio("e", "w"), ("e", "w"), "w", additive)
    want = interval(RATE, rows(clusters=CLUSTERS), 3, 300)
    monkeypatch.setattr(bootstrap, "_CELLS", 40)
    got = interval(figure, rows(clusters=CLUSTERS), 3, 300)
    assert (got.low, got.high) == pytest.approx((want.low, want.high), rel=1e-12)


def test_95_percent_intervals_cover_the_truth() -> None:
    rng = np.random.default_rng(0)
    figure = Figure("p", "p", "", True, "", ratio("hit", "n"), ("hit", "n"), "n")
    truth, covered = 0.4, 0
    for repeat in range(300):
        hits = rng.random(200) < truth
        sample = [Row(str(i), str(i), {"hit": float(h), "n": 1.0}) for i, h in enumerate(hits)]
        found = interval(figure, sample, repeat, 400)
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 300 <= 0.98


def test_a_median_has_an_interval_of_its_values() -> None:
    figure = Figure("m", "m", "", False, "", median("w", "one"), ("w", "one"), "one", False)
    sample = [Row(str(i), str(i), {"w": w, "one": 1}) for i, w in enumerate(WORDS)]
    found = interval(figure, sample, 0, 500)
    assert found.low <= found.value == np.median(WORDS) <= found.high


def test_undefined_stays_undefined() -> None:
    empty = [Row("0", "0", {"e": 1.0, "w": 0.0})]
    found = interval(RATE, empty, 0, 10)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert np.isnan(interval(RATE, [], 0, 10).low)


def test_seed_rule() -> None:
    digest = hashlib.sha256(b"some-task@1|wer").hexdigest()
    assert seed_of("some-task@1", "wer") == int(digest[:8], 16)
