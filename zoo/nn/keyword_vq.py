"""Hard choice among the rows of a fixed table, differentiable by straight-through (SpeechCLIP)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

COSINE_EPS = 1e-8


@dataclass(frozen=True)
class Choice:
    """Outcome of the quantiser.

    Attributes:
        weights: (B, K, V), one-hot in value; in training its gradient is that of the softmax.
        targets: (B, K) int64 chosen rows.
        code_perplexity: scalar, exp of the entropy of how often each row was chosen.
        prob_perplexity: scalar, the same of the mean softmax at temperature 1.
        slot_entropy: (K,) mean entropy of the softmax of each slot.
    """

    weights: Tensor
    targets: Tensor
    code_perplexity: Tensor
    prob_perplexity: Tensor
    slot_entropy: Tensor

    @property
    def diversity_loss(self) -> Tensor:
        """Share of the table the mean softmax leaves unused (reported, not trained on)."""
        rows = self.weights.shape[-1]
        return (rows - self.prob_perplexity) / rows


class KeywordQuantizer(nn.Module):
    """Chooses one row per slot by score.

    Args:
        temperature: of the softmax whose gradient the choice gets.
        forbidden: rows that are never chosen (padding, start and end of text).
    """

    def __init__(self, temperature: float = 0.1, forbidden: Sequence[int] = ()) -> None:
        super().__init__()
        self.forbidden = tuple(forbidden)
        self.temperature: Tensor
        self.register_buffer("temperature", torch.tensor([temperature]))

    def mask(self, scores: Tensor) -> Tensor:
        """A copy of scores (..., V) with the forbidden rows at -inf."""
        scores = scores.clone()
        scores[..., list(self.forbidden)] = -torch.inf
        return scores

    def forward(self, scores: Tensor) -> Choice:
        """Choose by scores (B, K, V), masking the forbidden rows first."""
        scores = self.mask(scores)
        targets = scores.argmax(-1)
        hard = F.one_hot(targets, scores.shape[-1]).to(scores.dtype)
        weights = hard
        if self.training:
            soft = (scores / self.temperature).softmax(-1)
            weights = hard + soft - soft.detach()
        with torch.no_grad():
            probabilities = scores.float().softmax(-1)
            return Choice(
                weights=weights,
                targets=targets,
                code_perplexity=_entropy(hard.float().mean((0, 1))).exp(),
                prob_perplexity=_entropy(probabilities.mean((0, 1))).exp(),
                slot_entropy=_entropy(probabilities).mean(0),
            )


def cosine_scores(vectors: Tensor, table: Tensor) -> Tensor:
    """Cosine of each vector (B, K, C) with each row of the table (V, C): (B, K, V)."""
    vectors = F.normalize(vectors, dim=-1, eps=COSINE_EPS)
    return vectors @ F.normalize(table, dim=-1, eps=COSINE_EPS).T


def _entropy(probabilities: Tensor) -> Tensor:
    """Entropy in nats over the last axis."""
    # parity: the official diagnostics guard the logarithm by this offset
    return -(probabilities * torch.log(probabilities + 1e-7)).sum(-1)
