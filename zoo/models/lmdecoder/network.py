"""LMDecoder: speech units to text, and lips to text by way of the embeddings of units.

Paper sections 3.2 (the unit-to-text model, whose embedding is a memory of how a language sounds)
and 3.3 (the visual encoder reads that memory).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from zoo.models.lmdecoder.config import LMDecoderConfig, UnitEncoderConfig, VisualConfig
from zoo.nn.avhubert import AVHuBERT
from zoo.nn.decoding.decoder import TransformerDecoder
from zoo.nn.memory_bridge import MemoryBridge
from zoo.nn.speech_transformer import SpeechTransformer

SPARE_ROWS = 2  # of the embedding: row 0 is padding, the last one is never used


class LipPart(nn.Module):
    """What a lip reader has in front of the unit encoder, and its CTC head.

    Args:
        config: sizes of the visual encoder and of the read.
        size: width of the memory and of the unit encoder.
        vocab_size: outputs of the CTC head.
    """

    def __init__(self, config: VisualConfig, size: int, vocab_size: int) -> None:
        super().__init__()
        self.encoder = AVHuBERT(config.encoder)
        self.bridge = MemoryBridge(size, config.memory_heads)
        self.residual_norm = nn.LayerNorm(size) if config.residual_norm else None
        self.ctc = nn.Linear(size, vocab_size)


class LMDecoderNetwork(nn.Module):
    """Both networks of the paper; `lips` is None in the unit-to-text model."""

    def __init__(self, config: LMDecoderConfig) -> None:
        super().__init__()
        self.config = config
        size = config.unit_encoder.hidden_size
        self.embedding = nn.Embedding(config.num_units + SPARE_ROWS, size)
        self.unit_encoder = _unit_encoder(config.unit_encoder)
        self.decoder = TransformerDecoder(config.decoder)
        self.lips = (
            None
            if config.visual is None
            else LipPart(config.visual, size, config.decoder.vocab_size)
        )

    @property
    def memory(self) -> Tensor:
        """(K, D), a row a unit; training of the lip reader leaves it as it is."""
        return self.embedding.weight[1 : self.config.num_units + 1].detach()

    def encode_units(self, units: Tensor, mask: Tensor) -> Tensor:
        """States (B, U, D) of units (B, U) int64 in 1..K, 0 where `mask` (B, U) is False."""
        return self._encode(self.embedding(units), mask)

    def read_lips(self, video: Tensor, mask: Tensor) -> Tensor:
        """Visual features (B, T, D) of mouths (B, T, H, W)."""
        return cast(Tensor, self._lips.encoder(video, None, mask))

    def encode_lips(self, features: Tensor, mask: Tensor) -> Tensor:
        """States (B, T, D) of visual features, as training has them."""
        return self._encode(self._lips.bridge(features, self.memory), mask)

    def encode_for_decoding(self, features: Tensor, mask: Tensor) -> Tensor:
        """States (B, T, D) as decoding has them, which for Spanish is something else."""
        states = self.encode_lips(features, mask)
        visual = self.config.visual
        if visual is not None and visual.inference_residual:
            # parity: the released Spanish model adds the visual features only here
            norm = cast(nn.LayerNorm, self._lips.residual_norm)
            return torch.as_tensor(norm(states + features))
        return states

    def ctc_logits(self, states: Tensor) -> Tensor:
        """(B, T, V) of the CTC head."""
        return cast(Tensor, self._lips.ctc(states))

    def ctc_lengths(self, mask: Tensor) -> Tensor:
        """(B,) frames that CTC may use."""
        lengths = mask.sum(1)
        # parity: the official code takes everybody to be as long as the first clip
        return lengths[:1].expand_as(lengths) if self.config.official_ctc_lengths else lengths

    def decode(self, states: Tensor, mask: Tensor, tokens: Tensor) -> Tensor:
        """Logits (B, L, V) of the tokens after each of `tokens` (B, L)."""
        return cast(Tensor, self.decoder(tokens, states, mask))

    @property
    def _lips(self) -> LipPart:
        assert self.lips is not None
        return self.lips

    def _encode(self, x: Tensor, mask: Tensor) -> Tensor:
        states: tuple[Tensor, ...] = self.unit_encoder(x, mask)
        return self.unit_encoder.final_norm(states[-1])


def _unit_encoder(config: UnitEncoderConfig) -> SpeechTransformer:
    return SpeechTransformer(
        config.hidden_size,
        config.num_layers,
        config.num_heads,
        config.ffn_size,
        position_kernel=config.position_kernel,
        position_groups=config.position_groups,
        pre_norm=False,
        dropout=config.dropout,
        attention_dropout=config.dropout,
    )


def reduced_units(units: Tensor) -> Tensor:
    """Units (U,) of 50 Hz in 0..K-1 as the model takes them: (U',) in 1..K.

    Every second one is kept, then repetitions are merged, in this order.
    """
    merged: Tensor = torch.unique_consecutive(units[::2])
    return merged + 1
