"""Transformer decoders of text: the ones of ESPnet and of fairseq are settings of one class.

Training runs whole targets (`forward`). Decoding runs one position of many hypotheses at a time
(`step`): the keys and values of earlier positions are kept, those of the encoder are projected
once, and the hypotheses of an utterance share both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from zoo.hub.config import ZooConfig
from zoo.nn.attention import KeysValues, MultiHeadAttention, key_mask
from zoo.nn.conformer import ActivationName, FeedForward
from zoo.nn.decoding.paths import PathCache, Survivors
from zoo.nn.positions import PositionKind, sinusoids


@dataclass(frozen=True, kw_only=True)
class DecoderConfig(ZooConfig):
    """A pre-norm or post-norm transformer decoder; the defaults are ESPnet's."""

    vocab_size: int = 41
    """Tokens V, the special ones included."""
    size: int = 256
    """Width D."""
    num_layers: int = 6
    """Layers."""
    num_heads: int = 4
    """Attention heads."""
    ffn_size: int = 2048
    """Width of the feed-forward part."""
    activation: ActivationName = "relu"
    """Of the feed-forward part."""
    dropout: float = 0.1
    """After every part and after the embedding."""
    attention_dropout: float = 0.0
    """On the attention weights."""
    activation_dropout: float = 0.0
    """Inside the feed-forward part."""
    pre_norm: bool = True
    """Norms before the parts and at the end, instead of after every part."""
    norm_eps: float = 1e-12
    """Of the layer norms."""
    scale_embedding: bool = True
    """Multiply embeddings by the root of D."""
    positions: PositionKind = "interleaved"
    """Order of the sinusoids."""
    first_position: int = 0
    """Number of the first position."""
    shared_output: bool = False
    """The output weights are the embedding, without bias."""
    output_bias: bool = True
    """Bias of output weights of their own."""
    memory_size: int | None = None
    """Width of the encoder's states; None is D."""

    @classmethod
    def espnet(cls) -> DecoderConfig:
        """As in ESPnet's recipes for lip reading."""
        return cls(activation_dropout=0.1)

    @classmethod
    def fairseq(cls) -> DecoderConfig:
        """As in AV-HuBERT (base): positions start behind the padding token's number 1."""
        return cls(
            vocab_size=1000,
            size=768,
            ffn_size=3072,
            norm_eps=1e-5,
            scale_embedding=False,
            positions="halves",
            first_position=2,
            shared_output=True,
        )


class DecoderLayer(nn.Module):
    """Self-attention, attention to the encoder (unless it is a language model), feed-forward."""

    def __init__(self, config: DecoderConfig, cross: bool = True) -> None:
        super().__init__()
        size, eps, heads = config.size, config.norm_eps, config.num_heads
        self.pre_norm = config.pre_norm
        self.dropout = nn.Dropout(config.dropout)
        self.self_attention = MultiHeadAttention(size, heads, config.attention_dropout)
        self.self_norm = nn.LayerNorm(size, eps=eps)
        self.cross_attention = (
            MultiHeadAttention(size, heads, config.attention_dropout, config.memory_size)
            if cross
            else None
        )
        self.cross_norm = nn.LayerNorm(size, eps=eps) if cross else None
        self.ffn = FeedForward(size, config.ffn_size, config.activation, config.activation_dropout)
        self.ffn_norm = nn.LayerNorm(size, eps=eps)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Whole sequences `x` (B, L, D), each position seeing the earlier ones.

        Args:
            x: the sequences.
            memory: (B, T, M) states of the encoder.
            memory_mask: (B, 1, 1, T).
            mask: (B, 1, 1, L) positions that may be attended to.
        """
        source = self._before(x, self.self_norm)
        own = self.self_attention.project(source)
        attended = self.self_attention.attend(source, own, mask, causal=True)
        x = self._after(x, attended, self.self_norm)
        if self.cross_attention is not None and memory is not None:
            x = self._cross(x, self.cross_attention.project(memory), memory_mask)
        return self._feed_forward(x)

    def step(
        self,
        x: Tensor,
        earlier: KeysValues | None,
        mask: Tensor,
        memory: KeysValues | None = None,
        memory_mask: Tensor | None = None,
    ) -> tuple[Tensor, KeysValues]:
        """The newest position of every hypothesis.

        Args:
            x: (B, K, D), K hypotheses of each of B utterances.
            earlier: keys and values (B, N, P, D / N) of positions that came before.
            mask: (B, 1, K, P + K): which of them, and of the new ones, a hypothesis sees.
            memory: the encoder's, (B, N, T, D / N).
            memory_mask: (B, 1, 1, T).

        Returns:
            (B, K, D), and the keys and values of all positions (B, N, P + K, D / N).
        """
        source = self._before(x, self.self_norm)
        own = self.self_attention.project(source)
        known = own if earlier is None else earlier.append(own)
        x = self._after(x, self.self_attention.attend(source, known, mask), self.self_norm)
        if memory is not None:
            x = self._cross(x, memory, memory_mask)
        return self._feed_forward(x), known

    def _cross(self, x: Tensor, memory: KeysValues, mask: Tensor | None) -> Tensor:
        assert self.cross_attention is not None and self.cross_norm is not None
        attended = self.cross_attention.attend(self._before(x, self.cross_norm), memory, mask)
        return self._after(x, attended, self.cross_norm)

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self._after(x, self.ffn(self._before(x, self.ffn_norm)), self.ffn_norm)

    def _before(self, x: Tensor, norm: nn.LayerNorm) -> Tensor:
        return cast(Tensor, norm(x)) if self.pre_norm else x

    def _after(self, x: Tensor, change: Tensor, norm: nn.LayerNorm) -> Tensor:
        x = x + self.dropout(change)
        return x if self.pre_norm else cast(Tensor, norm(x))


@dataclass
class DecoderState:
    """What decoding keeps between steps.

    Attributes:
        length: positions done.
        paths: the positions of all hypotheses.
        memory: projected states of the encoder, one a layer; empty for a language model.
        memory_mask: (B, 1, 1, T) bool, or None.
    """

    length: int
    paths: PathCache
    memory: list[KeysValues]
    memory_mask: Tensor | None

    def select(self, survivors: Survivors) -> None:
        """Go on with some of the hypotheses."""
        self.paths.select(survivors)
        if survivors.utterances is not None:
            self.memory = [pair.select(survivors.utterances) for pair in self.memory]
            if self.memory_mask is not None:
                self.memory_mask = self.memory_mask.index_select(0, survivors.utterances)


class TransformerDecoder(nn.Module):
    """Token ids and encoder states in, logits of the next tokens out."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.size)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(config.size, eps=config.norm_eps) if config.pre_norm else None
        self.output = (
            None
            if config.shared_output
            else nn.Linear(config.size, config.vocab_size, bias=config.output_bias)
        )
        if config.shared_output:
            # the table is also the output, whose logits should start small
            nn.init.normal_(self.embedding.weight, std=config.size**-0.5)

    def forward(self, tokens: Tensor, memory: Tensor, memory_mask: Tensor | None = None) -> Tensor:
        """Logits of the token after each given one.

        Args:
            tokens: (B, L) int64, the start token first.
            memory: (B, T, M) states of the encoder.
            memory_mask: (B, T) bool, True = valid.

        Returns:
            (B, L, V).
        """
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x, mask = self._embed(tokens, places), key_mask(memory_mask)
        for layer in self.layers:
            x = layer(x, memory, mask)
        return self._logits(x)

    def start(self, memory: Tensor, memory_mask: Tensor | None = None) -> DecoderState:
        """Begin to decode B utterances whose encoder states are `memory` (B, T, M)."""
        layers = cast(Sequence[DecoderLayer], self.layers)
        crosses = [cast(MultiHeadAttention, layer.cross_attention) for layer in layers]
        projected = [cross.project(memory) for cross in crosses]
        return DecoderState(0, PathCache(len(layers)), projected, key_mask(memory_mask))

    def step(self, tokens: Tensor, state: DecoderState) -> Tensor:
        """Logits (B, K, V) after the newest tokens (B, K); `state` moves on by a position."""
        x = self._embed(tokens, torch.tensor([state.length], device=tokens.device))
        mask = state.paths.extend(torch.ones_like(tokens, dtype=torch.bool))
        for number, layer in enumerate(cast(Sequence[DecoderLayer], self.layers)):
            memory, earlier = state.memory[number], state.paths.layers[number]
            x, state.paths.layers[number] = layer.step(x, earlier, mask, memory, state.memory_mask)
        state.length += 1
        return self._logits(x)

    def _embed(self, tokens: Tensor, places: Tensor) -> Tensor:
        """(..., D) of tokens (...) at places that broadcast to them."""
        config, x = self.config, self.embedding(tokens)
        if config.scale_embedding:
            x = x * config.size**0.5
        table = sinusoids(places + config.first_position, config.size, config.positions)
        return cast(Tensor, self.dropout(x + table.to(x.dtype)))

    def _logits(self, x: Tensor) -> Tensor:
        if self.norm is not None:
            x = self.norm(x)
        if self.output is None:
            return x @ self.embedding.weight.T
        return cast(Tensor, self.output(x))
