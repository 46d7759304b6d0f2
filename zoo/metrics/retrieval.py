"""Recall@k and median rank as metrics of the harness (numbers: `zoo.metrics.recall`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from zoo.metrics.base import Figure, Metric, Row, average, median, ratio

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.metrics.recall import DirectionRanks

ARROWS = {"speech_to_image": "speech→image", "image_to_speech": "image→speech"}


@dataclass(frozen=True)
class RetrievalData:
    """Predictions and references of one retrieval task.

    Attributes:
        captions: caption id -> image id, in the order of the task.
        images: image ids, in the order of the task.
        speech: caption id -> (D,) float32; a failed caption is absent.
        pictures: image id -> (D,) float32; a failed image is absent.
        texts: caption id -> what is said.
        keywords: caption id -> candidates as (word, score, slot); absent where not offered.
        tokens: caption id -> the words of the caption as the model's vocabulary cuts them.
        seed: of everything random in scoring, fixed by the task.
    """

    captions: Mapping[str, str]
    images: Sequence[str]
    speech: Mapping[str, Tensor]
    pictures: Mapping[str, Tensor]
    texts: Mapping[str, str] = field(default_factory=dict)
    keywords: Mapping[str, Sequence[tuple[str, float, int]]] = field(default_factory=dict)
    tokens: Mapping[str, Sequence[str]] = field(default_factory=dict)
    seed: int = 0


def rank_rows(data: RetrievalData, ks: Sequence[int]) -> list[Row]:
    """One row a query of either direction: its rank and its hits.

    A failed sample is not a candidate, and as a query it is a miss at every k: a model gains
    nothing by failing.
    """
    ranks = _ranks(data, ks)
    captions = [(caption, image) for caption, image in data.captions.items()]
    rows = _direction("speech_to_image", captions, *ranks["speech_to_image"], ks)
    images = [(image, image) for image in data.images]
    return rows + _direction("image_to_speech", images, *ranks["image_to_speech"], ks)


def _ranks(
    data: RetrievalData, ks: Sequence[int]
) -> dict[str, tuple[dict[str, tuple[int, int]], int]]:
    """Direction -> (query id -> (rank, worst rank under ties), number of candidates)."""
    import torch

    from zoo.metrics.recall import embedding_ranks

    captions = [caption for caption in data.captions if caption in data.speech]
    images = [image for image in data.images if image in data.pictures]
    if not captions or not images:
        return {"speech_to_image": ({}, len(images)), "image_to_speech": ({}, len(captions))}
    ranks = embedding_ranks(
        torch.stack([data.speech[caption] for caption in captions]),
        torch.stack([data.pictures[image] for image in images]),
        [data.captions[caption] for caption in captions],
        images,
        warn_at=ks,
    )
    return {
        "speech_to_image": (_by_id(captions, ranks.speech_to_image), len(images)),
        "image_to_speech": (_by_id(images, ranks.image_to_speech), len(captions)),
    }


def _by_id(ids: Sequence[str], ranks: DirectionRanks) -> dict[str, tuple[int, int]]:
    return dict(zip(ids, zip(ranks.rank.tolist(), ranks.worst.tolist()), strict=True))


def _direction(
    name: str,
    queries: Sequence[tuple[str, str]],
    ranks: Mapping[str, tuple[int, int]],
    candidates: int,
    ks: Sequence[int],
) -> list[Row]:
    rows = []
    for query, cluster in queries:
        rank, worst = ranks.get(query, (candidates + 1, candidates + 1))
        hits = {f"{name}/hit_{k}": float(rank <= min(k, candidates)) for k in ks}
        tied = {f"{name}/tied_{k}": float(rank <= k < worst <= candidates) for k in ks}
        values = {f"{name}/n": 1.0, f"{name}/rank": float(rank), **hits, **tied}
        rows.append(Row(f"{name}/{query}", cluster, values))
    return rows


class Recall(Metric):
    """Recall@k of both directions and their mean, in percent."""

    name: ClassVar[str] = "recall"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "share of queries whose target is among the k best candidates"
    needs: ClassVar[tuple[str, ...]] = ("embedding",)

    def __init__(self, ks: Sequence[int] = (1, 5, 10)) -> None:
        self.ks = tuple(int(k) for k in ks)

    def rows(self, data: RetrievalData) -> list[Row]:
        """One row a query."""
        return rank_rows(data, self.ks)

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """Three figures a k: both directions and the mean of the two."""
        result = [self._one(name, k, rows) for name in ARROWS for k in self.ks]
        return result + [self._mean(k) for k in self.ks]

    def _one(self, direction: str, k: int, rows: Sequence[Row]) -> Figure:
        hit, count, tied = f"{direction}/hit_{k}", f"{direction}/n", f"{direction}/tied_{k}"
        ties = int(sum(row.values.get(tied, 0.0) for row in rows))
        return Figure(
            id=f"recall_at_{k}[direction={direction}]",
            label=f"{ARROWS[direction]} R@{k}",
            unit="%",
            higher_is_better=True,
            aggregator="hits / queries",
            reduce=ratio(hit, count, 100.0),
            columns=(hit, count),
            count=count,
            details={"ties_that_decide": ties} if ties else {},
        )

    def _mean(self, k: int) -> Figure:
        columns = [(f"{name}/hit_{k}", f"{name}/n") for name in ARROWS]
        return Figure(
            id=f"recall_at_{k}[direction=mean]",
            label=f"mean R@{k}",
            unit="%",
            higher_is_better=True,
            aggregator="mean of the two directions",
            reduce=average(*(ratio(hit, count, 100.0) for hit, count in columns)),
            columns=tuple(name for pair in columns for name in pair),
            count="speech_to_image/n",
        )


class MedianRank(Metric):
    """Median rank of both directions (1 is perfect)."""

    name: ClassVar[str] = "median_rank"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "median over queries of the rank of the target"
    needs: ClassVar[tuple[str, ...]] = ("embedding",)

    def rows(self, data: RetrievalData) -> list[Row]:
        """One row a query."""
        return rank_rows(data, ())

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """One figure a direction."""
        return [self._one(name) for name in ARROWS]

    def _one(self, direction: str) -> Figure:
        rank, count = f"{direction}/rank", f"{direction}/n"
        return Figure(
            id=f"median_rank[direction={direction}]",
            label=f"{ARROWS[direction]} median rank",
            unit="rank",
            higher_is_better=False,
            aggregator="median over queries",
            reduce=median(rank, count),
            columns=(rank, count),
            count=count,
            additive=False,
        )
