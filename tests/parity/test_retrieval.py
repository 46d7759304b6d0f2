"""Recall against the official retrieval of SpeechCLIP (golden speechclip/retrieval_io)."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from tests.parity.golden import golden_file
from zoo.metrics.recall import embedding_ranks, retrieval_ranks

KS = (1, 5, 10)
NAMES = {
    "speech_to_image": "recall_audio_to_image",
    "image_to_speech": "recall_image_to_audio",
    "mean": "recall_mean",
}


@pytest.mark.parametrize("direction", NAMES)
def test_recall_equals_the_official_one(direction: str) -> None:
    golden = load_file(golden_file("speechclip", "retrieval_io.safetensors"))
    ranks = retrieval_ranks(golden["scores"], golden["audio_ids"], golden["image_ids"])
    summary = ranks.summary(KS)
    ours = torch.tensor([summary[f"{direction}/recall@{k}"] for k in KS])
    assert torch.allclose(ours, golden[NAMES[direction]], rtol=0, atol=1e-4)


def test_blocks_of_embeddings_give_the_same_ranks() -> None:
    golden = load_file(golden_file("speechclip", "retrieval_io.safetensors"))
    scores = golden["scores"]
    # images as unit vectors of their own axis: the dot products are the golden scores themselves
    ranks = embedding_ranks(
        scores, torch.eye(scores.shape[1]), golden["audio_ids"], golden["image_ids"]
    )
    want = retrieval_ranks(scores, golden["audio_ids"], golden["image_ids"])
    assert torch.equal(ranks.speech_to_image.rank, want.speech_to_image.rank)
    assert torch.equal(ranks.image_to_speech.rank, want.image_to_speech.rank)
