"""What a beam search adds up: log probabilities of the next token from several sources."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from zoo.nn.decoding.decoder import TransformerDecoder
from zoo.nn.decoding.language_model import TransformerLanguageModel
from zoo.nn.decoding.paths import Survivors


class Scorer(Protocol):
    """Scores every token as the next one of every hypothesis.

    Attributes:
        name: how the search's results call it.
        weight: factor on its scores.
    """

    name: str
    weight: float

    def step(self, tokens: Tensor) -> Tensor:
        """Scores (B, K, V) of the tokens that may follow the newest tokens (B, K)."""
        ...

    def select(self, survivors: Survivors) -> None:
        """Go on with some of the hypotheses."""
        ...


class DecoderScorer:
    """Attention decoder over the encoder's states.

    Args:
        decoder: the decoder.
        memory: (B, T, M) states of the encoder.
        mask: (B, T) bool, True = valid.
        weight: factor on its log probabilities.
    """

    name = "decoder"

    def __init__(
        self,
        decoder: TransformerDecoder,
        memory: Tensor,
        mask: Tensor | None = None,
        weight: float = 1.0,
    ) -> None:
        self.decoder, self.weight = decoder, weight
        self.state = decoder.start(memory, mask)

    def step(self, tokens: Tensor) -> Tensor:
        """Log probabilities (B, K, V)."""
        return self.decoder.step(tokens, self.state).float().log_softmax(dim=-1)

    def select(self, survivors: Survivors) -> None:
        """Go on with some of the hypotheses."""
        self.state.select(survivors)


class LanguageModelScorer:
    """Language model over tokens."""

    name = "lm"

    def __init__(self, model: TransformerLanguageModel, weight: float) -> None:
        self.model, self.weight = model, weight
        self.state = model.start()

    def step(self, tokens: Tensor) -> Tensor:
        """Log probabilities (B, K, V)."""
        return self.model.step(tokens, self.state).float().log_softmax(dim=-1)

    def select(self, survivors: Survivors) -> None:
        """Go on with some of the hypotheses."""
        self.state.select(survivors)


class LengthBonus:
    """One point a token, the end included."""

    name = "length_bonus"

    def __init__(self, vocab_size: int, weight: float) -> None:
        self.vocab_size, self.weight = vocab_size, weight

    def step(self, tokens: Tensor) -> Tensor:
        """Ones (B, K, V)."""
        return torch.ones(*tokens.shape, self.vocab_size, device=tokens.device)

    def select(self, survivors: Survivors) -> None:
        """There is nothing to keep."""
