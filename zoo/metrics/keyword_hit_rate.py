"""Keyword hit rate of a retriever that names what it hears (SpeechCLIP, cascaded branch).

Per keyword slot: share of utterances for which any of the slot's `top_k` candidates is a token of
the spoken caption. A model that always answers "a" hits almost every caption, so the rate is
reported beside its control: the same keywords against captions of other images (a fixed
permutation). The official script builds a caption's tokens by decoding and re-encoding its padded
ids, by which the padding token may count as said; here only what was said counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from zoo.metrics.base import Figure, Metric, Reduce, Row, average, difference, largest, ratio
from zoo.metrics.retrieval import RetrievalData

_WORD = re.compile(r"[^\W\d_]+|\d|[^\s\w]+")


def caption_words(text: str) -> list[str]:
    """Lower-case words, single digits and runs of punctuation of a caption."""
    return _WORD.findall(text.lower())


def shuffled_captions(captions: Mapping[str, str], seed: int) -> dict[str, str]:
    """Caption id -> id of a caption of another image; empty where there is only one image.

    Images are put in a random order and each hands its captions to the next.
    """
    by_image: dict[str, list[str]] = {}
    for caption, image in captions.items():
        by_image.setdefault(image, []).append(caption)
    if len(by_image) < 2:
        return {}
    images = sorted(by_image)
    order = [images[i] for i in np.random.default_rng(seed).permutation(len(images))]
    partner = dict(zip(order, order[1:] + order[:1], strict=True))
    result: dict[str, str] = {}
    for image, own in by_image.items():
        theirs = by_image[partner[image]]
        result |= {caption: theirs[i % len(theirs)] for i, caption in enumerate(own)}
    return result


class KeywordHitRate(Metric):
    """Hit rate per slot, of the best slot and of the mean slot, with the shuffled control."""

    name: ClassVar[str] = "keyword_hit_rate"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "share of utterances with a top candidate of the slot in the caption"
    needs: ClassVar[tuple[str, ...]] = ("keywords", "text")

    def __init__(self, top_k: int = 5) -> None:
        self.top_k = int(top_k)

    def rows(self, data: RetrievalData) -> list[Row]:
        """One row a caption; none at all where the model names no keywords."""
        if not any(data.keywords.values()):
            return []
        slots = 1 + max(slot for found in data.keywords.values() for _, _, slot in found)
        said = {caption: _tokens(data, caption) for caption in data.captions}
        partner = shuffled_captions(data.captions, data.seed)
        return [
            Row(caption, image, self._hits(data.keywords.get(caption, ()), slots, said, pair))
            for caption, image in data.captions.items()
            for pair in [(caption, partner.get(caption))]
        ]

    def _hits(
        self,
        found: Sequence[tuple[str, float, int]],
        slots: int,
        said: Mapping[str, set[str]],
        pair: tuple[str, str | None],
    ) -> dict[str, float]:
        own, other = said[pair[0]], said[pair[1]] if pair[1] else None
        values = {"n": 1.0, "shuffled/n": float(other is not None)}
        for slot in range(slots):
            words = [word.strip().lower() for word, _, at in found if at == slot][: self.top_k]
            values[f"hit_{slot + 1}"] = float(any(word in own for word in words))
            if other is not None:
                values[f"shuffled/hit_{slot + 1}"] = float(any(word in other for word in words))
        return values

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """Rates, controls, and the best slot's gain over the control's best slot."""
        if not rows:
            return []
        slots = sum(name.startswith("hit_") for name in rows[0].values)
        controlled = any(row.values.get("shuffled/n") for row in rows)
        true, control = _rates("", slots), _rates("shuffled/", slots)
        result = [
            self._one(f"slot={i + 1}", f"slot {i + 1}", [rate]) for i, rate in enumerate(true)
        ]
        result += [
            self._one("slot=best", "best slot", true, largest),
            self._one("slot=mean", "mean slot", true, average),
        ]
        if controlled:
            result += self._controls(true, control)
        return result

    def _controls(self, true: list[_Rate], control: list[_Rate]) -> list[Figure]:
        per_slot = [
            self._one(f"slot={i + 1},captions=shuffled", f"slot {i + 1}, shuffled", [rate])
            for i, rate in enumerate(control)
        ]
        best = self._one("slot=best,captions=shuffled", "best slot, shuffled", control, largest)
        mean = self._one("slot=mean,captions=shuffled", "mean slot, shuffled", control, average)
        gain = difference(
            largest(*(reduce for reduce, _ in true)), largest(*(reduce for reduce, _ in control))
        )
        columns = tuple({name: None for _, names in true + control for name in names})
        return [*per_slot, best, mean, self._figure("gain", "best slot, gain", gain, columns)]

    def _one(self, tag: str, label: str, rates: list[_Rate], join=largest) -> Figure:  # type: ignore[no-untyped-def]
        columns = tuple({name: None for _, names in rates for name in names})
        return self._figure(tag, label, join(*(reduce for reduce, _ in rates)), columns)

    def _figure(self, tag: str, label: str, reduce: Reduce, columns: tuple[str, ...]) -> Figure:
        is_control = tag.endswith("shuffled")
        return Figure(
            id=f"keyword_hit_rate[{tag}]",
            label=f"keyword hits, {label}",
            unit="%",
            higher_is_better=None if is_control else True,
            aggregator="utterances with a hit / utterances",
            reduce=reduce,
            columns=columns,
            count="shuffled/n" if is_control else "n",
            details={"top_k": self.top_k},
        )


_Rate = tuple[Reduce, tuple[str, str]]


def _rates(prefix: str, slots: int) -> list[_Rate]:
    names = [(f"{prefix}hit_{slot + 1}", f"{prefix}n") for slot in range(slots)]
    return [(ratio(hit, count, 100.0), (hit, count)) for hit, count in names]


def _tokens(data: RetrievalData, caption: str) -> set[str]:
    tokens = data.tokens.get(caption)
    if tokens is None:
        tokens = caption_words(data.texts.get(caption, ""))
    return {token.strip().lower() for token in tokens}
