"""What the caption metrics share: references of several captions, cut by the PTB rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from zoo.metrics.ptb import tokenize
from zoo.metrics.values import ScoredMetric

Ngram = tuple[str, ...]


def as_references(reference: str | Sequence[str]) -> list[str]:
    """One or several references as a list."""
    return [reference] if isinstance(reference, str) else list(reference)


def ngrams(tokens: Sequence[str], longest: int = 4) -> Counter[Ngram]:
    """How often each n-gram of 1..`longest` tokens occurs."""
    return Counter(
        tuple(tokens[i : i + n]) for n in range(1, longest + 1) for i in range(len(tokens) - n + 1)
    )


class CaptionMetric(ScoredMetric):
    """Base of the metrics of pycocoevalcap: one hypothesis against all references of an image.

    Args:
        tokenizer: "ptb" (the rules of `zoo.metrics.ptb`) or "split" (text is tokenised already).
    """

    needs: ClassVar[tuple[str, ...]] = ("text", "reference_text")
    higher_is_better: ClassVar[bool | None] = True

    def __init__(self, tokenizer: str = "ptb") -> None:
        if tokenizer not in ("ptb", "split"):
            raise TypeError(f"tokenizer {tokenizer!r}: use 'ptb' or 'split'")
        self.tokenizer = tokenizer

    def tokens(self, text: str) -> list[str]:
        """Tokens of a caption."""
        return tokenize(text) if self.tokenizer == "ptb" else text.split()

    def pair(
        self, prediction: str | None, reference: str | Sequence[str]
    ) -> tuple[list[str], list[list[str]]]:
        """Tokens of the hypothesis (none where it failed) and of each reference."""
        return self.tokens(prediction or ""), [self.tokens(r) for r in as_references(reference)]

    def details(self) -> dict[str, Any]:
        """How the text was cut."""
        return {"tokenizer": self.tokenizer}
