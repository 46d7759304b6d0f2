"""Tokenizer and caption scores against pycocoevalcap 1.2 with Java."""

from __future__ import annotations

from typing import Any

import pytest

from tests.parity.golden import golden_json
from zoo.metrics.bleu import CocoBLEU
from zoo.metrics.cider import CIDEr
from zoo.metrics.meteor import METEOR
from zoo.metrics.ptb import tokenize_line
from zoo.metrics.rouge import RougeL

KINDS = ("hyp", "asr")


@pytest.fixture(scope="module")
def corpus() -> dict[str, Any]:
    return golden_json("caption_metrics", "corpus.json")


@pytest.fixture(scope="module")
def scores() -> dict[str, Any]:
    return golden_json("caption_metrics", "scores.json")


def samples(corpus: dict[str, Any], kind: str) -> list[tuple[str, str, Any, Any]]:
    return [(key, key, item[kind], item["refs"]) for key, item in corpus.items()]


def corpus_value(metric: Any, data: list[tuple[str, str, Any, Any]]) -> dict[str, float]:
    return metric.score([p for _, _, p, _ in data], [r for _, _, _, r in data])


def test_tokenizer_probe() -> None:
    for raw, tokens in golden_json("caption_metrics", "ptb_probe.json"):
        assert tokenize_line(raw) == tokens, raw


def test_tokenized_corpus(corpus: dict[str, Any]) -> None:
    golden = golden_json("caption_metrics", "tokenized.json")
    for key, item in corpus.items():
        assert [tokenize_line(text) for text in item["refs"]] == golden["refs"][key]
        for kind in KINDS:
            wanted = golden[kind][key]
            assert tokenize_line(item[kind]) == (wanted[0] if isinstance(wanted, list) else wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_bleu(corpus: dict[str, Any], scores: dict[str, Any], kind: str) -> None:
    data = samples(corpus, kind)
    found = corpus_value(CocoBLEU(), data)
    for n in (1, 2, 3, 4):
        golden = scores[kind][f"Bleu_{n}"]
        assert found[f"coco_bleu_{n}"] / 100 == pytest.approx(golden["corpus"], abs=1e-11)
        for sample in data:
            alone = corpus_value(CocoBLEU(), [sample])[f"coco_bleu_{n}"] / 100
            assert alone == pytest.approx(golden["per_image"][sample[0]], abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("metric", "name"), [(RougeL(), "ROUGE_L"), (CIDEr(), "CIDEr")])
def test_rouge_and_cider(
    corpus: dict[str, Any], scores: dict[str, Any], kind: str, metric: Any, name: str
) -> None:
    data = samples(corpus, kind)
    golden = scores[kind][name]
    for row in metric.rows(data):
        assert row.values[metric.name] == pytest.approx(golden["per_image"][row.id], abs=1e-11)
    value = corpus_value(metric, data)[metric.name] / 100
    assert value == pytest.approx(golden["corpus"], abs=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_cider_belongs_to_its_set(
    corpus: dict[str, Any], scores: dict[str, Any], kind: str
) -> None:
    golden = scores[kind]["CIDEr_first6"]
    data = samples(corpus, kind)[: len(golden["per_image"])]
    assert corpus_value(CIDEr(), data)["cider"] / 100 == pytest.approx(golden["corpus"], abs=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_meteor(corpus: dict[str, Any], scores: dict[str, Any], kind: str) -> None:
    metric = METEOR()
    reason = metric.available()
    if reason:
        pytest.skip(reason)
    data = samples(corpus, kind)
    golden = scores[kind]["METEOR"]
    rows = metric.rows(data)
    for row in rows:
        assert row.values["score"] == pytest.approx(golden["per_image"][row.id], abs=1e-9)
    found = corpus_value(metric, data)
    assert found["meteor"] / 100 == pytest.approx(golden["corpus"], abs=1e-9)
