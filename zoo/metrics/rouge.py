"""ROUGE-L of captions, as pycocoevalcap computes it (beta 1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from zoo.metrics.base import Figure, Row
from zoo.metrics.captions import CaptionMetric
from zoo.metrics.values import Quantity, Samples, counted, mean_figure

_BETA_SQUARED = 1.2**2


def longest_common(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    reached = [0] * (len(second) + 1)
    for token in first:
        before = 0
        for j, other in enumerate(second, start=1):
            before, reached[j] = (
                reached[j],
                before + 1 if token == other else max(reached[j], reached[j - 1]),
            )
    return reached[-1]


def rouge_l(hypothesis: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """F-measure of the best precision and the best recall over the references.

    parity: the two are chosen independently, possibly from different references, and an empty
    caption is one empty token.
    """
    said = list(hypothesis) or [""]
    texts = [list(reference) or [""] for reference in references]
    common = [longest_common(text, said) for text in texts]
    precision = max(common) / len(said)
    recall = max(length / len(text) for length, text in zip(common, texts, strict=True))
    if not precision or not recall:
        return 0.0
    return (1 + _BETA_SQUARED) * precision * recall / (recall + _BETA_SQUARED * precision)


class RougeL(CaptionMetric):
    """ROUGE-L, mean over images."""

    name: ClassVar[str] = "rouge_l"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "longest common subsequence F-measure of captions"
    unit: ClassVar[str] = "x100"

    def score_sample(self, prediction: str, reference: str | Sequence[str]) -> dict[str, float]:
        """The score of one image, in 0..1."""
        return {"rouge_l": rouge_l(*self.pair(prediction, reference))}

    def rows(self, data: Samples) -> list[Row]:
        """One row an image; a failed caption scores as an empty one."""
        return [Row(id_, cluster, counted(self.score_sample(p, r))) for id_, cluster, p, r in data]

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """The mean."""
        quantity = Quantity("rouge_l", "ROUGE-L", self.unit, True, scale=100.0)
        return [mean_figure(quantity, rows, self.details())]
