"""AV-HuBERT with what stands on its encoder: heads of pretraining, a text decoder, a CTC head."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from zoo.models.avhubert.config import AVHuBERTModelConfig
from zoo.nn.avhubert import AVHuBERT
from zoo.nn.avhubert_pretraining import ClusterHead
from zoo.nn.decoding.decoder import TransformerDecoder


class AVHuBERTNetwork(nn.Module):
    """The encoder and the parts that the configuration asks for."""

    def __init__(self, config: AVHuBERTModelConfig) -> None:
        super().__init__()
        self.encoder = AVHuBERT(config.encoder)
        self.heads = nn.ModuleDict(
            {name: ClusterHead(config.encoder, one.task) for name, one in config.iterations.items()}
        )
        self.decoder = None if config.decoder is None else TransformerDecoder(config.decoder)
        self.ctc = (
            nn.Linear(config.encoder.hidden_size, config.decoder.vocab_size)
            if config.ctc and config.decoder is not None
            else None
        )

    def forward(
        self,
        video: Tensor | None,
        audio: Tensor | None,
        mask: Tensor | None,
        tokens: Tensor,
    ) -> Tensor:
        """Logits (B, L, V) of the tokens after each of `tokens` (B, L).

        Args:
            video: (B, T, H, W) or None.
            audio: (B, T, 104) or None.
            mask: (B, T) bool, True = valid.
            tokens: int64, the start first.
        """
        return self.decode(self.encoder(video, audio, mask), mask, tokens)

    def decode(self, memory: Tensor, mask: Tensor | None, tokens: Tensor) -> Tensor:
        """Logits (B, L, V) from encoder states (B, T, D)."""
        return cast(Tensor, cast(TransformerDecoder, self.decoder)(tokens, memory, mask))
