"""Word error rate, over the corpus, with a named normaliser.

WER = (substitutions + deletions + insertions) / reference words, sums over the corpus. The mean
of the utterances' own rates is another number that some papers report; it is a second column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from zoo.metrics.base import Array, Columns, Figure, Reduce, Row, ratio
from zoo.metrics.values import Samples, ScoredMetric, figure_id
from zoo.text import get_normalizer

Tokens = list[str]
_COUNTS = ("substitutions", "deletions", "insertions")


def edit_counts(reference: Tokens, hypothesis: Tokens) -> dict[str, float]:
    """Errors by kind and reference length; an empty reference makes every token an insertion."""
    if not reference:
        return _counts(0, 0, len(hypothesis), 0)
    import jiwer

    # tokens go in as private characters, so that jiwer splits them where we did
    alphabet = {t: chr(0xF0000 + i) for i, t in enumerate(dict.fromkeys(reference + hypothesis))}
    coded = ["".join(alphabet[token] for token in text) for text in (reference, hypothesis)]
    found = jiwer.process_characters(coded[0], coded[1])
    return _counts(found.substitutions, found.deletions, found.insertions, len(reference))


def _counts(substitutions: int, deletions: int, insertions: int, length: int) -> dict[str, float]:
    errors = substitutions + deletions + insertions
    return {
        "errors": float(errors),
        "length": float(length),
        "substitutions": float(substitutions),
        "deletions": float(deletions),
        "insertions": float(insertions),
        # of this utterance alone; where nothing was said, anything said is one whole error
        "rate": errors / length if length else float(errors > 0),
        "n": 1.0,
    }


class ErrorRate(ScoredMetric):
    """Base of WER and CER: edits over reference length.

    Args:
        normalizer: name of the rule of `zoo.text`, applied to both texts.
    """

    needs: ClassVar[tuple[str, ...]] = ("text", "reference_text")
    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool | None] = False
    token: ClassVar[str]

    def __init__(self, normalizer: str = "lrs@1") -> None:
        self.normalizer = get_normalizer(normalizer)

    def tokens(self, text: str) -> Tokens:
        """Normalised text cut into what is counted."""
        raise NotImplementedError

    def options(self) -> dict[str, str | None]:
        """What belongs to the figure's name."""
        return {"norm": self.normalizer.name}

    def rows(self, data: Samples) -> list[Row]:
        """One row a sample; a failed prediction counts as an empty text."""
        return [Row(id_, cluster, self.score_sample(p or "", r)) for id_, cluster, p, r in data]

    def score_sample(self, prediction: str, reference: str) -> dict[str, float]:
        """Edit counts of one utterance."""
        return edit_counts(self.tokens(reference), self.tokens(prediction))

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """The corpus rate and the mean of the utterances' rates."""
        corpus = self._figure("", f"errors / reference {self.token}s", _rate, ("errors", "length"))
        mean = self._figure("mean", "mean of the utterances' rates", _mean, ("rate", "n"))
        return [corpus, mean]

    def _figure(self, kind: str, words: str, reduce: Reduce, columns: tuple[str, ...]) -> Figure:
        label = self.name.upper().replace("_", "-")
        return Figure(
            id=figure_id(f"{self.name}_mean" if kind else self.name, self.options()),
            label=f"{label}, mean" if kind else label,
            unit=self.unit,
            higher_is_better=self.higher_is_better,
            aggregator=words,
            reduce=reduce,
            columns=(*columns, "n") if "n" not in columns else columns,
            count="n",
            details=self.details(),
        )

    def details(self) -> dict[str, Any]:
        """The rule in words."""
        return {"normalizer": self.normalizer.name, "rule": self.normalizer.summary}


_mean = ratio("rate", "n", 100.0)


def _rate(columns: Columns, weights: Array) -> Array:
    """Percent; without a single reference token it is 0 or undefined (NaN)."""
    errors, length = weights @ columns["errors"], weights @ columns["length"]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(length > 0, 100.0 * errors / length, np.where(errors > 0, np.nan, 0.0))


class WER(ErrorRate):
    """Word error rate of a transcript."""

    name: ClassVar[str] = "wer"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "word errors per reference word, after a named normaliser"
    token: ClassVar[str] = "word"

    def tokens(self, text: str) -> Tokens:
        """Words between white space."""
        return self.normalizer(text).split()
