"""AKVSR: lips, what they bring to mind of sounds, text (paper, figure 2)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.models.akvsr.config import AKVSRConfig
from zoo.nn.avhubert import AVHuBERT
from zoo.nn.decoding.decoder import TransformerDecoder
from zoo.nn.memory_bridge import MemoryBridge


class AKVSRNetwork(nn.Module):
    """Visual encoder, audio bridging module over the memory, decoder and CTC head."""

    def __init__(self, config: AKVSRConfig) -> None:
        super().__init__()
        self.encoder = AVHuBERT(config.encoder)
        size, memory = config.encoder.hidden_size, config.memory
        if memory.kind == "none":
            self.register_parameter("memory", None)
            self.bridge = None
        else:
            # zeros until `set_memory`; they stand for "not fitted yet"
            self.memory = nn.Parameter(torch.zeros(memory.num_slots, memory.size))
            self.bridge = MemoryBridge(
                size, memory.num_heads, memory_size=memory.size, residual="concat", dropout=0.1
            )
        self.decoder = TransformerDecoder(config.decoder)
        self.ctc = nn.Linear(size, config.decoder.vocab_size)

    def forward(self, video: Tensor, mask: Tensor) -> Tensor:
        """States (B, T, D) of mouths (B, T, H, W) with valid frames (B, T)."""
        features = self.encoder(video, None, mask)
        return cast(Tensor, features if self.bridge is None else self.bridge(features, self.memory))

    @torch.no_grad()
    def set_memory(self, codewords: Tensor) -> None:
        """Fill the memory with codewords (K, M).

        Each is scaled to the length of a vector of unit variances: attention to vectors of any
        length would be uniform, or all on one, from the start.
        """
        scaled = F.normalize(codewords.float(), dim=-1) * codewords.shape[-1] ** 0.5
        self.memory.copy_(scaled)

    @property
    def has_memory(self) -> bool:
        """Whether the memory was ever filled."""
        return self.bridge is None or bool(self.memory.any())
