"""BLEU, in the two forms that papers publish; their values must not be compared.

`coco_bleu`: captions (pycocoevalcap): PTB tokens, no smoothing, several references, the closest
reference length (the shorter of two equally close). `bleu`: sacrebleu, for recognised speech and
translation: tokenizer 13a, exponential smoothing, single reference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from zoo.metrics.base import Array, Columns, Figure, Row
from zoo.metrics.captions import CaptionMetric, ngrams
from zoo.metrics.values import Samples, ScoredMetric, figure_id
from zoo.text import get_normalizer

ORDERS = (1, 2, 3, 4)
_LENGTHS = ("hypothesis_length", "reference_length")
_COLUMNS = (*(f"{kind}_{n}" for n in ORDERS for kind in ("correct", "total")), *_LENGTHS, "n")
# constants of the official scorer
_TINY, _SMALL = 1e-15, 1e-9


class CocoBLEU(CaptionMetric):
    """BLEU-1..4 of captions, over the corpus."""

    name: ClassVar[str] = "coco_bleu"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "BLEU-1..4 of captions as pycocoevalcap computes it"
    unit: ClassVar[str] = "x100"

    def score_sample(self, prediction: str, reference: str | Sequence[str]) -> dict[str, float]:
        """Clipped n-gram counts and lengths."""
        hypothesis, references = self.pair(prediction, reference)
        allowed: Counter[tuple[str, ...]] = Counter()
        for tokens in references:
            allowed |= ngrams(tokens)
        said = ngrams(hypothesis)
        size = len(hypothesis)
        values = {
            "hypothesis_length": float(size),
            "reference_length": float(min((len(r) for r in references), key=_nearness(size))),
            "n": 1.0,
        }
        for n in ORDERS:
            correct = sum(min(c, allowed[g]) for g, c in said.items() if len(g) == n)
            values |= {f"correct_{n}": float(correct), f"total_{n}": float(max(0, size - n + 1))}
        return values

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """BLEU-4 first, then the shorter orders."""
        return [self._figure(n) for n in reversed(ORDERS)]

    def _figure(self, order: int) -> Figure:
        return Figure(
            id=f"coco_bleu_{order}",
            label=f"BLEU-{order} (COCO)",
            unit=self.unit,
            higher_is_better=True,
            aggregator="n-gram counts summed over the corpus",
            reduce=partial(_coco_bleu, order=order),
            columns=_COLUMNS,
            count="n",
            details=self.details(),
        )


def _nearness(size: int) -> Any:
    return lambda length: (abs(length - size), length)


def _coco_bleu(columns: Columns, weights: Array, order: int) -> Array:
    product = np.ones(len(weights))
    for n in range(1, order + 1):
        correct, total = weights @ columns[f"correct_{n}"], weights @ columns[f"total_{n}"]
        product *= (correct + _TINY) / (total + _SMALL)
    length, wanted = (weights @ columns[name] for name in _LENGTHS)
    relative = (length + _TINY) / (wanted + _SMALL)
    penalty = np.exp(np.minimum(0.0, 1.0 - 1.0 / relative))
    return 100.0 * product ** (1.0 / order) * penalty


class BLEU(ScoredMetric):
    """sacrebleu's corpus BLEU, single or several references.

    Args:
        normalizer: rule of `zoo.text` applied to both texts first; "none" keeps case and marks.
        tokenize: sacrebleu's tokenizer (`13a`, `zh`, `ja-mecab`, `char`, ...).
        lowercase: fold case.
    """

    name: ClassVar[str] = "bleu"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "corpus BLEU by sacrebleu"
    needs: ClassVar[tuple[str, ...]] = ("text", "reference_text")
    unit: ClassVar[str] = "0-100"
    higher_is_better: ClassVar[bool | None] = True

    def __init__(
        self, normalizer: str = "none@1", tokenize: str = "13a", lowercase: bool = False
    ) -> None:
        self.normalizer = get_normalizer(normalizer)
        self.tokenize = tokenize
        self.lowercase = bool(lowercase)
        self._scorer: Any = None

    def available(self) -> str | None:
        """Needs sacrebleu."""
        if find_spec("sacrebleu") is None:
            return "sacrebleu is not installed; pip install 'avspeech-zoo[metrics]'"
        return None

    def setup(self) -> None:
        """Load the tokenizer."""
        from sacrebleu.metrics.bleu import BLEU as Scorer

        # only the counts are taken, which the effective order does not touch
        self._scorer = Scorer(
            tokenize=self.tokenize, lowercase=self.lowercase, effective_order=True
        )

    def rows(self, data: Samples) -> list[Row]:
        """One row a sample; a failed prediction counts as an empty text."""
        return [Row(id_, cluster, self.score_sample(p or "", r)) for id_, cluster, p, r in data]

    def score_sample(self, prediction: str, reference: str | Sequence[str]) -> dict[str, float]:
        """n-gram counts and lengths."""
        if self._scorer is None:
            self.setup()
        references = [reference] if isinstance(reference, str) else list(reference)
        found = self._scorer.sentence_score(
            self.normalizer(prediction), [self.normalizer(text) for text in references]
        )
        values = {
            "hypothesis_length": float(found.sys_len),
            "reference_length": float(found.ref_len),
            "references": float(len(references)),
            "n": 1.0,
        }
        for n in ORDERS:
            values[f"correct_{n}"] = float(found.counts[n - 1])
            values[f"total_{n}"] = float(found.totals[n - 1])
        return values

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """The corpus score."""
        options = {"norm": self.normalizer.name, "tok": self.tokenize}
        if self.lowercase:
            options["case"] = "lc"
        return [
            Figure(
                id=figure_id(self.name, {**options, **self.options()}),
                label=self.name.upper().replace("_", "-"),
                unit=self.unit,
                higher_is_better=True,
                aggregator="n-gram counts summed over the corpus",
                reduce=_sacre_bleu,
                columns=_COLUMNS,
                count="n",
                details={**self.details(), "signature": self.signature(rows)},
            )
        ]

    def options(self) -> dict[str, str]:
        """What else belongs to the figure's name."""
        return {}

    def signature(self, rows: Sequence[Row]) -> str:
        """sacrebleu's own description of the number."""
        from importlib.metadata import version

        counts = {int(row.values["references"]) for row in rows if "references" in row.values}
        number = str(counts.pop()) if len(counts) == 1 else "var"
        case = "lc" if self.lowercase else "mixed"
        return (
            f"nrefs:{number}|case:{case}|eff:no|tok:{self.tokenize}|smooth:exp"
            f"|version:{version('sacrebleu')}"
        )


def _sacre_bleu(columns: Columns, weights: Array) -> Array:
    """Geometric mean of precisions; the k-th order without a hit counts 1 / 2^k hits."""
    logs = np.zeros(len(weights))
    halved = np.ones(len(weights))
    possible = np.ones(len(weights), dtype=bool)
    any_hit = np.zeros(len(weights), dtype=bool)
    for n in ORDERS:
        correct, total = weights @ columns[f"correct_{n}"], weights @ columns[f"total_{n}"]
        any_hit |= correct > 0
        possible &= total > 0
        halved = np.where(correct > 0, halved, halved * 2.0)
        hits = np.where(correct > 0, correct, 1.0 / halved)
        logs += np.log(hits / np.maximum(total, 1.0)) / len(ORDERS)
    length, wanted = (weights @ columns[name] for name in _LENGTHS)
    with np.errstate(divide="ignore", invalid="ignore"):
        penalty = np.where(length < wanted, np.exp(1.0 - wanted / length), 1.0)
    return np.where(possible & any_hit, 100.0 * np.exp(logs) * penalty, 0.0)
