"""What a search finds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A finished text.

    Attributes:
        tokens: (L,) int64 ids without the start token, with the end token.
        score: what hypotheses are ranked by.
        token_scores: unweighted scores (L,) of every token, by scorer.
    """

    tokens: Tensor
    score: float
    token_scores: dict[str, Tensor]

    def sums(self) -> dict[str, float]:
        """Sum of each scorer over the text."""
        return {name: float(scores.sum()) for name, scores in self.token_scores.items()}

    def confidences(self, scorer: str = "decoder") -> Tensor:
        """Probability (L,) that a scorer gave to each token."""
        return self.token_scores[scorer].exp().clamp(max=1.0)

    def content(self, end: int) -> tuple[Tensor, Tensor]:
        """Tokens in front of the first end token, and their confidences."""
        ends = (self.tokens == end).nonzero()
        length = int(ends[0]) if len(ends) else len(self.tokens)
        confidences = (
            self.confidences() if "decoder" in self.token_scores else torch.ones(len(self.tokens))
        )
        return self.tokens[:length], confidences[:length]
