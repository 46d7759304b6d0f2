"""Keyword hit rate: slots, top k, shuffled control."""

from __future__ import annotations

import pytest

from zoo.metrics.base import value_of
from zoo.metrics.keyword_hit_rate import KeywordHitRate, caption_words, shuffled_captions
from zoo.metrics.retrieval import RetrievalData

TEXTS = {"a0": "A red car.", "a1": "The car, red!", "b0": "A blue boat", "b1": "blue sails"}
OWNERS = {"a0": "a", "a1": "a", "b0": "b", "b1": "b"}


def rates(keywords, top_k: int = 5, **extra) -> dict[str, float]:
    content = RetrievalData(OWNERS, ["a", "b"], {}, {}, TEXTS, keywords, **extra)
    metric = KeywordHitRate(top_k)
    rows = metric.rows(content)
    return {figure.id: value_of(figure, rows) for figure in metric.figures(rows)}


def test_hits_per_slot_best_mean_and_control() -> None:
    keywords = {
        "a0": [("red", 0.9, 0), ("dog", 0.8, 0), ("cat", 0.5, 1)],
        "a1": [("truck", 0.9, 0), ("CAR ", 0.8, 0), ("a", 0.5, 1)],
        "b0": [("boat", 0.9, 0), ("a", 0.9, 1)],
        "b1": [("red", 0.9, 0), ("dog", 0.9, 1)],
    }
    found = rates(keywords)
    assert found["keyword_hit_rate[slot=1]"] == 75.0  # not b1
    assert found["keyword_hit_rate[slot=2]"] == 25.0  # only b0
    assert found["keyword_hit_rate[slot=best]"] == 75.0
    assert found["keyword_hit_rate[slot=mean]"] == 50.0
    # against the other image's captions: only b1's "red" hits in slot 1
    assert found["keyword_hit_rate[slot=1,captions=shuffled]"] == 25.0
    assert found["keyword_hit_rate[gain]"] == pytest.approx(
        75.0 - found["keyword_hit_rate[slot=best,captions=shuffled]"]
    )


def test_only_the_first_k_candidates_of_a_slot_count() -> None:
    keywords = {caption: [("dog", 0.9, 0), ("red", 0.8, 0)] for caption in OWNERS}
    assert rates(keywords, top_k=1)["keyword_hit_rate[slot=1]"] == 0.0
    assert rates(keywords, top_k=2)["keyword_hit_rate[slot=1]"] == 50.0


def test_a_constant_answer_gains_nothing() -> None:
    keywords = {caption: [("red", 0.9, 0), ("blue", 0.9, 0)] for caption in OWNERS}
    found = rates(keywords)
    assert found["keyword_hit_rate[slot=best]"] == 100.0
    assert found["keyword_hit_rate[gain]"] == 0.0


def test_a_failed_utterance_is_a_miss() -> None:
    found = rates({"a0": [("red", 1.0, 0)]})
    assert found["keyword_hit_rate[slot=1]"] == 25.0


def test_sub_words_of_the_model_replace_the_words() -> None:
    keywords = {"b1": [("sail", 1.0, 0)]}
    assert rates(keywords)["keyword_hit_rate[slot=1]"] == 0.0
    tokens = {"b1": ["blue", "sail", "s"]}
    assert rates(keywords, tokens=tokens)["keyword_hit_rate[slot=1]"] == 25.0


def test_no_keywords_no_rows() -> None:
    assert KeywordHitRate().rows(RetrievalData(OWNERS, ["a", "b"], {}, {}, TEXTS)) == []


def test_the_control_pairs_every_caption_with_another_image() -> None:
    owners = {f"{image}{k}": image for image in "abcdefg" for k in range(3)}
    partner = shuffled_captions(owners, seed=5)
    assert sorted(partner) == sorted(owners)
    assert sorted(partner.values()) == sorted(owners)  # a permutation
    assert all(owners[one] != owners[other] for one, other in partner.items())
    assert partner == shuffled_captions(owners, seed=5) != shuffled_captions(owners, seed=6)
    assert shuffled_captions({"a0": "a", "a1": "a"}, seed=5) == {}


def test_caption_words() -> None:
    assert caption_words("Two DOGS' 12 legs!") == ["two", "dogs", "'", "1", "2", "legs", "!"]
