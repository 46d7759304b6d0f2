"""Cross-modal retrieval: ranks, recall@k and median rank in both directions.

The protocol of Flickr8k / SpokenCOCO retrieval with spoken captions (SpeechCLIP, 2210.00705):
a caption searches the unique images; an image searches all captions and is found when any one
of its own captions is. A rank is counted (one plus the candidates that score higher), never
sorted, so that memory stays at one block of the score matrix.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

log = logging.getLogger(__name__)

Ids = Sequence[Hashable] | Tensor
Scores = Callable[[slice], Tensor]
_BLOCK_CELLS = 1 << 24  # scores held at once: 64 MB of float32


@dataclass(frozen=True)
class DirectionRanks:
    """Ranks of one search direction; 1 is best, `candidates + 1` means "cannot be found".

    Ties: `rank` puts the lower index first, `worst` puts every tied rival first.
    """

    rank: Tensor  # (N,) int64
    worst: Tensor  # (N,) int64
    candidates: int

    def recall(self, k: int) -> float:
        """Percentage of queries whose target is among the k best candidates."""
        return 100.0 * self.hits(k).double().mean().item() if len(self.rank) else float("nan")

    def hits(self, k: int) -> Tensor:
        """(N,) bool: found within k, where k is cut to the number of candidates."""
        return self.rank <= min(k, self.candidates)

    def ties_across(self, k: int) -> int:
        """Number of queries whose hit at k depends on how a tie is broken."""
        best = self.rank <= k
        return int((best & (self.worst > k) & (self.worst <= self.candidates)).sum())

    def median(self) -> float:
        """Median rank (mean of the middle two for an even number of queries)."""
        if not len(self.rank):
            return float("nan")
        return torch.quantile(self.rank.double(), 0.5).item()


@dataclass(frozen=True)
class RetrievalRanks:
    """Ranks of both directions."""

    speech_to_image: DirectionRanks  # one query a caption
    image_to_speech: DirectionRanks  # one query an image

    def summary(self, ks: Sequence[int] = (1, 5, 10)) -> dict[str, float]:
        """Recall in percent as `speech_to_image/recall@k` ... `mean/recall@k`, median ranks."""
        result: dict[str, float] = {}
        directions = {
            "speech_to_image": self.speech_to_image,
            "image_to_speech": self.image_to_speech,
        }
        for k in ks:
            values = {name: ranks.recall(k) for name, ranks in directions.items()}
            result |= {f"{name}/recall@{k}": value for name, value in values.items()}
            result[f"mean/recall@{k}"] = sum(values.values()) / len(values)
        return result | {f"{n}/median_rank": r.median() for n, r in directions.items()}


def retrieval_ranks(
    scores: Tensor, caption_image_ids: Ids, image_ids: Ids, *, warn_at: Sequence[int] = (1, 5, 10)
) -> RetrievalRanks:
    """Rank every target from a full score matrix.

    Args:
        scores: (N_S, N_I) float, higher is closer; on any device.
        caption_image_ids: (N_S,) id of the image each caption speaks about.
        image_ids: (N_I,) ids of the unique images.
        warn_at: the k at which a tie that decides a hit is logged as a warning.

    Raises:
        ValueError: shapes do not fit, an image id occurs twice, or a score is not a number.
    """
    target, count = _targets(caption_image_ids, image_ids)
    if tuple(scores.shape) != (len(target), count):
        raise ValueError(
            f"scores are {tuple(scores.shape)}, expected {(len(target), count)}"
            " (captions, images) from the ids"
        )
    return _rank(lambda rows: scores[rows], lambda cols: scores[:, cols], target, count, warn_at)


def embedding_ranks(
    speech: Tensor,
    images: Tensor,
    caption_image_ids: Ids,
    image_ids: Ids,
    *,
    warn_at: Sequence[int] = (1, 5, 10),
) -> RetrievalRanks:
    """Rank from unit-norm embeddings without ever holding the whole score matrix.

    Args:
        speech: (N_S, D) float.
        images: (N_I, D) float.
        caption_image_ids: (N_S,) id of the image each caption speaks about.
        image_ids: (N_I,) ids of the unique images.
        warn_at: as in `retrieval_ranks`.

    Raises:
        ValueError: as `retrieval_ranks`.
    """
    target, count = _targets(caption_image_ids, image_ids)
    if len(speech) != len(target) or len(images) != count:
        raise ValueError(
            f"{len(speech)} speech and {len(images)} image vectors for"
            f" {len(target)} captions and {count} images"
        )
    speech, images = speech.float(), images.float()
    return _rank(
        lambda rows: speech[rows] @ images.T,
        lambda cols: speech @ images[cols].T,
        target,
        count,
        warn_at,
    )


def chance_recall(captions_per_image: Sequence[int], k: int) -> tuple[float, float]:
    """Expected recall@k in percent of a random ranking: (speech to image, image to speech)."""
    images, captions = len(captions_per_image), sum(captions_per_image)
    cut = min(k, captions)
    found = sum(
        1.0 - prod(max(0, captions - cut - i) / (captions - i) for i in range(own))
        for own in captions_per_image
    )
    return 100.0 * min(k, images) / images, 100.0 * found / images


def _targets(caption_image_ids: Ids, image_ids: Ids) -> tuple[Tensor, int]:
    """(N_S,) column of each caption's image (-1: not among the images), number of images."""
    images, owners = _plain(image_ids), _plain(caption_image_ids)
    column: Mapping[Hashable, int] = {image: i for i, image in enumerate(images)}
    if len(column) != len(images):
        raise ValueError("an image id occurs twice: retrieval is over unique images")
    return torch.tensor([column.get(owner, -1) for owner in owners], dtype=torch.long), len(images)


def _plain(ids: Ids) -> list[Hashable]:
    return ids.tolist() if isinstance(ids, Tensor) else list(ids)


def _rank(
    rows: Scores, columns: Scores, target: Tensor, count: int, warn_at: Sequence[int]
) -> RetrievalRanks:
    to_image = _caption_ranks(rows, target, count)
    to_speech = _image_ranks(columns, target, count)
    ranks = RetrievalRanks(to_image, to_speech)
    _warn_of_ties(ranks, warn_at)
    return ranks


def _blocks(total: int, width: int) -> list[slice]:
    size = max(1, _BLOCK_CELLS // max(1, width))
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]


def _caption_ranks(rows: Scores, target: Tensor, count: int) -> DirectionRanks:
    """Rank of its own image for every caption; `rows(slice)` gives (n, N_I) scores."""
    parts = []
    for block in _blocks(len(target), count):
        own = target[block]
        parts.append(_count(_checked(rows(block)), own.clamp(min=0), own >= 0, count))
    return _joined(parts, count)


def _image_ranks(columns: Scores, target: Tensor, count: int) -> DirectionRanks:
    """Rank of its best own caption for every image; `columns(slice)` gives (N_S, n) scores."""
    captions = len(target)
    parts = []
    for block in _blocks(count, captions):
        scores = _checked(columns(block)).T  # (n, N_S)
        mine = target[None] == torch.arange(block.start, block.stop)[:, None]
        mine = mine.to(scores.device)
        best = scores.masked_fill(~mine, -torch.inf).max(dim=1, keepdim=True).values
        # the lowest index among equally good own captions, so that they never outrank each other
        first = (mine & (scores == best)).int().argmax(dim=1)
        parts.append(_count(scores, first, mine.any(dim=1), captions, own=mine))
    return _joined(parts, captions)


def _count(
    scores: Tensor, target: Tensor, known: Tensor, candidates: int, own: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(n,) rank and (n,) worst rank of column `target` in each row of `scores` (n, M)."""
    target, known = target.to(scores.device), known.to(scores.device)
    reference = scores.gather(1, target[:, None]) if scores.shape[1] else scores.new_zeros(0, 1)
    higher = (scores > reference).sum(dim=1)
    equal = scores == reference
    before = torch.arange(scores.shape[1], device=scores.device)[None] < target[:, None]
    rivals = equal if own is None else equal & ~own
    self_tie = 1 if own is None else 0
    rank = torch.where(known, 1 + higher + (equal & before).sum(dim=1), candidates + 1)
    worst = torch.where(known, 1 + higher + rivals.sum(dim=1) - self_tie, candidates + 1)
    return rank.cpu(), worst.cpu()


def _checked(scores: Tensor) -> Tensor:
    if torch.isnan(scores).any():
        raise ValueError("a retrieval score is not a number; a NaN embedding cannot be ranked")
    return scores


def _joined(parts: list[tuple[Tensor, Tensor]], candidates: int) -> DirectionRanks:
    empty = torch.zeros(0, dtype=torch.long)
    rank = torch.cat([empty, *(part[0] for part in parts)])
    worst = torch.cat([empty, *(part[1] for part in parts)])
    return DirectionRanks(rank, worst, candidates)


def _warn_of_ties(ranks: RetrievalRanks, ks: Sequence[int]) -> None:
    for name in ("speech_to_image", "image_to_speech"):
        direction = getattr(ranks, name)
        tied = {k: n for k in ks if (n := direction.ties_across(k))}
        if tied:
            counts = ", ".join(f"{n} at k={k}" for k, n in tied.items())
            log.warning("%s: equal scores decide hits (%s); lower index wins", name, counts)
