"""A transformer language model over tokens, in the form of ESPnet's `TransformerLM`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from zoo.hub.config import ZooConfig
from zoo.nn.attention import key_mask
from zoo.nn.decoding.decoder import DecoderConfig, DecoderLayer, DecoderState
from zoo.nn.decoding.paths import PathCache
from zoo.nn.positions import sinusoids


@dataclass(frozen=True, kw_only=True)
class LanguageModelConfig(ZooConfig):
    """Sizes of a language model; the defaults are those of ESPnet's large recipe."""

    vocab_size: int = 41
    """Tokens V, the special ones included."""
    embedding_size: int = 128
    """Width of the embedding, which a linear layer brings to `size`."""
    size: int = 512
    """Width D."""
    num_layers: int = 16
    """Layers."""
    num_heads: int = 8
    """Attention heads."""
    ffn_size: int = 2048
    """Width of the feed-forward part."""
    dropout: float = 0.1
    """Everywhere."""
    norm_eps: float = 1e-12
    """Of the layer norms, except the one behind the embedding."""


class TransformerLanguageModel(nn.Module):
    """Token ids in, logits of the next tokens out; token 0 is padding and is not seen."""

    def __init__(self, config: LanguageModelConfig) -> None:
        super().__init__()
        self.config = config
        layer = DecoderConfig(
            size=config.size,
            num_heads=config.num_heads,
            ffn_size=config.ffn_size,
            dropout=config.dropout,
            attention_dropout=config.dropout,
            activation_dropout=config.dropout,
            norm_eps=config.norm_eps,
        )
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size)
        self.input = nn.Linear(config.embedding_size, config.size)
        self.input_norm = nn.LayerNorm(config.size)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(
            DecoderLayer(layer, cross=False) for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.size, eps=config.norm_eps)
        self.output = nn.Linear(config.size, config.vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, L, V) of the token after each of `tokens` (B, L)."""
        x = self._embed(tokens, torch.arange(tokens.shape[1], device=tokens.device))
        mask = key_mask(tokens != 0)
        for layer in self.layers:
            x = layer(x, mask=mask)
        return cast(Tensor, self.output(self.norm(x)))

    def start(self) -> DecoderState:
        """Begin a text."""
        return DecoderState(0, PathCache(len(self.layers)), [], None)

    def step(self, tokens: Tensor, state: DecoderState) -> Tensor:
        """Logits (B, K, V) after the newest tokens (B, K); `state` moves on by a position."""
        x = self._embed(tokens, torch.tensor([state.length], device=tokens.device))
        mask = state.paths.extend(tokens != 0)
        for number, layer in enumerate(cast(Sequence[DecoderLayer], self.layers)):
            x, state.paths.layers[number] = layer.step(x, state.paths.layers[number], mask)
        state.length += 1
        return cast(Tensor, self.output(self.norm(x)))

    def _embed(self, tokens: Tensor, places: Tensor) -> Tensor:
        x = self.input_norm(self.input(self.embedding(tokens)))
        x = torch.relu(self.dropout(x)) * self.config.size**0.5
        return cast(Tensor, self.dropout(x + sinusoids(places, self.config.size).to(x.dtype)))
