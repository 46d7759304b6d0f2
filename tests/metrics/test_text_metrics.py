"""WER, CER, BLEU and the caption metrics: conventions, failures, reference libraries."""

from __future__ import annotations

import random

import jiwer
import numpy as np
import pytest

from zoo.bench.bootstrap import interval
from zoo.metrics.asr import ASRBLEU, ASRWER
from zoo.metrics.bleu import BLEU, CocoBLEU
from zoo.metrics.cer import CER
from zoo.metrics.cider import CIDEr
from zoo.metrics.meteor import METEOR
from zoo.metrics.rouge import RougeL, longest_common
from zoo.metrics.values import ScoredMetric, pair_up
from zoo.metrics.wer import WER

WORDS = ["the", "a", "dog", "runs", "on", "grass", "red", "bus", "don't", "7", "well-known", "café"]


def sentences(count: int, seed: int, shortest: int = 1) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(shortest, 9))) for _ in range(count)]


def value(metric: ScoredMetric, said: list[str | None], wanted: list[str]) -> float:
    return next(iter(metric.score(said, wanted).values()))


def test_counts_are_those_of_jiwer_on_random_text() -> None:
    references, hypotheses = sentences(500, 1), sentences(500, 2, shortest=0)
    metric, letters = WER("none"), CER("none")
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        row = metric.score_sample(hypothesis, reference)
        found = jiwer.process_words(reference, hypothesis)
        assert row["errors"] == found.substitutions + found.deletions + found.insertions
        assert row["length"] == found.hits + found.substitutions + found.deletions
        row = letters.score_sample(hypothesis, reference)
        assert row["errors"] / row["length"] == pytest.approx(jiwer.cer(reference, hypothesis))
    total = value(metric, list(hypotheses), references)
    assert total == pytest.approx(100 * jiwer.wer(references, hypotheses))


def test_empty_texts() -> None:
    assert WER().score_sample("", "a b c")["deletions"] == 3
    silent = WER().score_sample("a b", "")
    assert (silent["insertions"], silent["length"]) == (2, 0)
    assert value(WER(), ["one two", "a"], ["", "a b"]) == pytest.approx(150.0)
    assert value(WER(), [""], [""]) == 0.0
    assert np.isnan(value(WER(), ["said"], [""]))


def test_a_failed_prediction_costs_every_word() -> None:
    assert value(WER(), [None, "a b"], ["a b", "a b"]) == pytest.approx(50.0)


def test_the_normalizer_is_part_of_the_name_and_matters() -> None:
    said, wanted = ["It's 5%."], ["it's 5 percent"]
    assert WER("lrs").score(said, wanted) == {
        "wer[norm=lrs@1]": 0.0,
        "wer_mean[norm=lrs@1]": 0.0,
    }
    assert value(WER("none"), list(said), wanted) > 50


def test_corpus_rate_is_not_the_mean_of_rates() -> None:
    corpus, mean = WER("none").score(["a", "x b c d"], ["b", "a b c d"]).values()
    assert (corpus, mean) == (pytest.approx(40.0), pytest.approx(62.5))


def test_the_bootstrap_reads_the_rows() -> None:
    metric = WER("none")
    rows = metric.rows(pair_up(sentences(40, 3), sentences(40, 4)))
    found = interval(metric.figures(rows)[0], rows, seed=1, resamples=500)
    assert found.low < found.value < found.high


def test_sacrebleu_resamples_like_the_library() -> None:
    pytest.importorskip("sacrebleu")
    from sacrebleu import corpus_bleu

    said, wanted = sentences(30, 5, 3), sentences(30, 6, 3)
    wanted[:10] = said[:10]
    metric = BLEU()
    rows = metric.rows(pair_up(said, wanted))
    figure = metric.figures(rows)[0]
    draw = np.random.default_rng(0).integers(0, 30, 30)
    weights = np.bincount(draw, minlength=30).astype(float)[None]
    columns = {c: np.array([row.values[c] for row in rows]) for c in figure.columns}
    expected = corpus_bleu([said[i] for i in draw], [[wanted[i] for i in draw]]).score
    assert figure.reduce(columns, weights)[0] == pytest.approx(expected, abs=1e-9)


def test_smoothing_of_orders_without_a_hit() -> None:
    pytest.importorskip("sacrebleu")
    from sacrebleu import corpus_bleu

    said, wanted = ["the dog runs on red grass"], ["a dog on the grass runs"]
    assert value(BLEU(), list(said), wanted) == pytest.approx(corpus_bleu(said, [wanted]).score)
    assert value(BLEU(), ["x y z"], ["a b c"]) == 0.0


def test_closest_reference_length_prefers_the_shorter() -> None:
    row = CocoBLEU("split").score_sample("a b c d", ["a b c d e", "a b c"])
    assert row["reference_length"] == 3


def test_longest_common_subsequence() -> None:
    assert longest_common(list("abcde"), list("xbde")) == 3
    assert longest_common([], ["a"]) == 0


@pytest.mark.parametrize("metric", [CocoBLEU(), RougeL(), CIDEr()])
def test_captions_perfect_and_failed(metric: ScoredMetric) -> None:
    wanted = ["a dog runs on the grass", "two red buses stop here", "people sit in a boat"]
    perfect = value(metric, list(wanted), wanted)
    failed = value(metric, [wanted[0], None, wanted[2]], wanted)
    assert perfect > 99
    assert failed < perfect


def test_cider_of_one_image_is_zero() -> None:
    assert value(CIDEr(), ["a dog runs"], ["a dog runs"]) == 0.0


def test_meteor_is_reported_missing_without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    reason = METEOR().available()
    assert reason is not None and "Java" in reason


def test_recognised_speech_names_its_judge() -> None:
    metric = ASRWER("none", judge="org/hearing-aid", beam=5)
    metric.use(lambda speech: str(speech))
    scores = metric.score(["a b", None], ["a c", "a b"])
    assert scores["asr_wer[norm=none@1,asr=hearing-aid,beam=5]"] == pytest.approx(75.0)


def test_recogniser_that_is_not_here_is_a_reason() -> None:
    reason = ASRWER(judge="org/absent").available()
    assert reason is not None and "org/absent" in reason


def test_asr_bleu_drops_case_and_marks() -> None:
    pytest.importorskip("sacrebleu")
    metric = ASRBLEU(judge="org/judge")
    metric.use(lambda speech: str(speech))
    scores = metric.score(["hello there my friend"], ["Hello there, my friend!"])
    assert scores == {"asr_bleu[norm=strip_punct@1,tok=13a,asr=judge]": pytest.approx(100.0)}
