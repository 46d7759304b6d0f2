"""The character language model as a zoo module; it is used, not trained, here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from zoo.hub.config import ZooConfig
from zoo.hub.module import ZooModule
from zoo.nn.decoding.language_model import LanguageModelConfig, TransformerLanguageModel


@dataclass(frozen=True, kw_only=True)
class CharLMConfig(ZooConfig):
    """Sizes; every file of the official repository brings its own."""

    PRESETS: ClassVar[tuple[str, ...]] = ("large",)

    network: LanguageModelConfig = field(default_factory=LanguageModelConfig)
    """The transformer."""

    @classmethod
    def large(cls) -> CharLMConfig:
        """ESPnet's large recipe."""
        return cls()


class CharLM(ZooModule):
    """Log probabilities of texts; `attach_language_model` of a recogniser takes it.

    Args:
        config: sizes.
        stage: there is none to train.
    """

    slug: ClassVar[str] = "char_lm"
    Config: ClassVar[type[CharLMConfig]] = CharLMConfig

    def __init__(self, config: CharLMConfig, stage: Literal["none"] = "none") -> None:
        super().__init__(config)
        self.config: CharLMConfig = config
        self.network = TransformerLanguageModel(config.network)

    def forward(self, tokens: Tensor) -> Tensor:
        """Log probabilities (B, L, V) of the token after each of `tokens` (B, L)."""
        return torch.as_tensor(self.network(tokens)).log_softmax(dim=-1)

    @torch.inference_mode()
    def perplexity(self, tokens: Sequence[int], start: int) -> float:
        """Perplexity of a text's ids behind a start token, in evaluation mode.

        Raises:
            ValueError: the text is empty.
        """
        if not tokens:
            raise ValueError("an empty text has no perplexity")
        ids = torch.tensor([[start, *tokens]], device=self.device)
        was_training = self.training
        found = self.eval()(ids[:, :-1]).gather(2, ids[:, 1:, None])
        self.train(was_training)
        return float((-found.mean()).exp())
