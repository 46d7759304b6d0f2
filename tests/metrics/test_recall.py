"""Ranks against a plain sort, ties, blocks, chance."""

from __future__ import annotations

import logging
from itertools import permutations

import pytest
import torch

from zoo.metrics import recall
from zoo.metrics.recall import chance_recall, embedding_ranks, retrieval_ranks


def by_sorting(scores: torch.Tensor, owners: list[int], images: list[int]) -> tuple[list, list]:
    """Ranks by a stable descending sort: lower index first among equals."""
    to_image = []
    for row, owner in zip(scores, owners, strict=True):
        order = torch.argsort(row, descending=True, stable=True).tolist()
        to_image.append(1 + order.index(images.index(owner)))
    to_speech = []
    for column, image in zip(scores.T, images, strict=True):
        order = torch.argsort(column, descending=True, stable=True).tolist()
        to_speech.append(1 + min(order.index(i) for i, o in enumerate(owners) if o == image))
    return to_image, to_speech


@pytest.mark.parametrize("levels", [3, 1000])  # many ties, hardly any
@pytest.mark.parametrize("cells", [1 << 24, 7])  # one block, a block a row
def test_ranks_agree_with_a_stable_sort(monkeypatch, levels: int, cells: int) -> None:
    monkeypatch.setattr(recall, "_BLOCK_CELLS", cells)
    generator = torch.Generator().manual_seed(levels)
    images = torch.randperm(9, generator=generator).tolist()
    owners = (images * 4)[:33]
    scores = torch.randint(0, levels, (33, 9), generator=generator).float()
    ranks = retrieval_ranks(scores, owners, images)
    to_image, to_speech = by_sorting(scores, owners, images)
    assert ranks.speech_to_image.rank.tolist() == to_image
    assert ranks.image_to_speech.rank.tolist() == to_speech


def test_embeddings_rank_like_their_score_matrix(monkeypatch) -> None:
    monkeypatch.setattr(recall, "_BLOCK_CELLS", 20)
    generator = torch.Generator().manual_seed(1)
    speech, images = torch.randn(20, 6, generator=generator), torch.randn(5, 6, generator=generator)
    owners = torch.arange(20) % 5
    got = embedding_ranks(speech, images, owners, range(5))
    want = retrieval_ranks(speech @ images.T, owners, range(5))
    assert torch.equal(got.speech_to_image.rank, want.speech_to_image.rank)
    assert torch.equal(got.image_to_speech.rank, want.image_to_speech.rank)


def test_an_image_is_found_by_any_of_its_captions() -> None:
    # captions 0, 1 belong to "a", 2, 3 to "b"
    scores = torch.tensor([[0.9, 0.8], [0.1, 0.2], [0.3, 0.1], [0.4, 0.7]])
    ranks = retrieval_ranks(scores, ["a", "a", "b", "b"], ["a", "b"])
    assert ranks.speech_to_image.rank.tolist() == [1, 2, 2, 1]
    assert ranks.image_to_speech.rank.tolist() == [1, 2]
    assert ranks.summary(ks=(1,)) == {
        "speech_to_image/recall@1": 50.0,
        "image_to_speech/recall@1": 50.0,
        "mean/recall@1": 50.0,
        "speech_to_image/median_rank": 1.5,
        "image_to_speech/median_rank": 1.5,
    }


def test_k_is_cut_to_the_candidates_and_an_unknown_target_is_never_found() -> None:
    ranks = retrieval_ranks(torch.ones(3, 2), ["a", "b", "gone"], ["a", "b"], warn_at=())
    assert ranks.speech_to_image.rank.tolist() == [1, 2, 3]
    assert ranks.speech_to_image.hits(100).tolist() == [True, True, False]
    lonely = retrieval_ranks(torch.ones(1, 2), ["a"], ["a", "b"], warn_at=())
    assert lonely.image_to_speech.hits(100).tolist() == [True, False]


def test_a_tie_that_decides_is_logged(caplog) -> None:
    scores = torch.tensor([[0.5, 0.5], [0.1, 0.9]])
    with caplog.at_level(logging.WARNING):
        ranks = retrieval_ranks(scores, [0, 1], [0, 1], warn_at=(1, 2))
    assert ranks.speech_to_image.ties_across(1) == 1
    assert ranks.speech_to_image.ties_across(2) == 0
    assert "1 at k=1" in caplog.text and "at k=2" not in caplog.text


def test_equal_captions_of_one_image_are_no_rivals() -> None:
    scores = torch.tensor([[0.5, 0.1], [0.5, 0.1], [0.2, 0.9]])
    ranks = retrieval_ranks(scores, [0, 0, 1], [0, 1])
    assert ranks.image_to_speech.rank.tolist() == [1, 1]
    assert ranks.image_to_speech.ties_across(1) == 0


@pytest.mark.parametrize(
    ("scores", "owners", "images", "text"),
    [
        (torch.zeros(2, 2), [0, 1], [0, 0], "occurs twice"),
        (torch.zeros(2, 3), [0, 1], [0, 1], r"\(2, 3\), expected \(2, 2\)"),
        (torch.tensor([[0.0, float("nan")], [0, 0]]), [0, 1], [0, 1], "not a number"),
    ],
)
def test_unusable_input_is_refused(scores, owners, images, text) -> None:
    with pytest.raises(ValueError, match=text):
        retrieval_ranks(scores, owners, images)


def test_chance_is_the_mean_over_all_rankings() -> None:
    owners = [0, 0, 1, 2, 2, 2]
    counts = [owners.count(image) for image in range(3)]
    orders = list(permutations(owners))
    for k in (1, 2, 4):
        found = sum(image in order[:k] for order in orders for image in range(3))
        to_image, to_speech = chance_recall(counts, k)
        assert to_speech == pytest.approx(100 * found / len(orders) / 3)
        assert to_image == pytest.approx(100 * min(k, 3) / 3)
