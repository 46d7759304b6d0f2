"""CIDEr-D of captions, as pycocoevalcap computes it.

The weights of n-grams come from the references of the evaluated set, so that a value belongs to
that set: it is never averaged over parts. Intervals keep the document frequencies of the whole
set and resample the images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Any, ClassVar

from zoo.metrics.base import Figure, Row
from zoo.metrics.captions import CaptionMetric, Ngram, ngrams
from zoo.metrics.values import Quantity, Samples, counted, mean_figure

_ORDERS = (1, 2, 3, 4)
_SIGMA = 6.0


@dataclass(frozen=True)
class _Vector:
    """tf-idf weights of a caption, one mapping an order, with their norms."""

    weights: Mapping[int, Mapping[Ngram, float]]
    norms: Mapping[int, float]
    length: int
    """parity: the number of bigrams, which is what the official length penalty compares."""


def document_frequencies(references: Sequence[Sequence[Sequence[str]]]) -> Counter[Ngram]:
    """n-gram -> number of images with it in any reference."""
    found: Counter[Ngram] = Counter()
    for image in references:
        found.update({gram for tokens in image for gram in ngrams(tokens)})
    return found


def _vector(tokens: Sequence[str], frequencies: Counter[Ngram], images: int) -> _Vector:
    weights: dict[int, dict[Ngram, float]] = {n: {} for n in _ORDERS}
    total = log(float(images))
    for gram, count in ngrams(tokens).items():
        weights[len(gram)][gram] = count * (total - log(max(1.0, frequencies[gram])))
    norms = {n: sqrt(sum(x * x for x in weights[n].values())) for n in _ORDERS}
    return _Vector(weights, norms, max(0, len(tokens) - 1))


def _similarity(hypothesis: _Vector, reference: _Vector) -> float:
    penalty = exp(-((hypothesis.length - reference.length) ** 2) / (2 * _SIGMA**2))
    found = 0.0
    for n in _ORDERS:
        wanted = reference.weights[n]
        value = sum(
            min(x, wanted.get(gram, 0.0)) * wanted.get(gram, 0.0)
            for gram, x in hypothesis.weights[n].items()
        )
        scale = hypothesis.norms[n] * reference.norms[n]
        found += (value / scale if scale else value) * penalty
    return found / len(_ORDERS)


def cider_d(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> list[float]:
    """CIDEr-D of every image of a set, in 0..10.

    Args:
        hypotheses: tokens of the caption of each image.
        references: tokens of each of the image's references.
    """
    frequencies = document_frequencies(references)
    scores = []
    for tokens, texts in zip(hypotheses, references, strict=True):
        said = _vector(tokens, frequencies, len(references))
        each = [_similarity(said, _vector(text, frequencies, len(references))) for text in texts]
        scores.append(10.0 * sum(each) / len(each))
    return scores


class CIDEr(CaptionMetric):
    """CIDEr-D, mean over images."""

    name: ClassVar[str] = "cider"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "consensus of a caption with its references (CIDEr-D)"
    unit: ClassVar[str] = "x100"

    def score_sample(self, prediction: str, reference: str | Sequence[str]) -> dict[str, float]:
        """Of a set of this one image, which by definition is 0; use `rows` for a set."""
        said, texts = self.pair(prediction, reference)
        return {"cider": cider_d([said], [texts])[0]}

    def rows(self, data: Samples) -> list[Row]:
        """One row an image; a failed caption scores 0."""
        pairs = [self.pair(p, r) for _, _, p, r in data]
        scores = cider_d([said for said, _ in pairs], [texts for _, texts in pairs])
        return [
            Row(id_, cluster, counted({"cider": score}))
            for (id_, cluster, _, _), score in zip(data, scores, strict=True)
        ]

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """The mean."""
        quantity = Quantity("cider", "CIDEr", self.unit, True, scale=100.0)
        return [mean_figure(quantity, rows, self.details())]

    def details(self) -> dict[str, Any]:
        """The set that gave the weights."""
        return {**super().details(), "document_frequencies": "references of the evaluated set"}
