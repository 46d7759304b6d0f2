"""Character error rate, over the corpus, with a named normaliser.

Two conventions exist: spaces are characters (jiwer, torchmetrics) or are removed (the AV-RelScore
code). The name of the figure says which.
"""

from __future__ import annotations

from typing import ClassVar

from zoo.metrics.wer import ErrorRate, Tokens


class CER(ErrorRate):
    """Character error rate of a transcript.

    Args:
        normalizer: name of the rule of `zoo.text`, applied to both texts.
        spaces: count spaces as characters.
    """

    name: ClassVar[str] = "cer"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "character errors per reference character, after a named normaliser"
    token: ClassVar[str] = "character"

    def __init__(self, normalizer: str = "lrs@1", spaces: bool = True) -> None:
        super().__init__(normalizer)
        self.spaces = bool(spaces)

    def tokens(self, text: str) -> Tokens:
        """Characters, with or without the spaces between words."""
        return list((" " if self.spaces else "").join(self.normalizer(text).split()))

    def options(self) -> dict[str, str | None]:
        """The normaliser and the convention."""
        return {**super().options(), "spaces": "kept" if self.spaces else "removed"}
