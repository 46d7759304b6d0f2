"""The multi-input vocoder of Lip2Speech-Unit (arXiv 2305.19603, section 2.3).

Units say what is spoken, the mel spectrogram how, the speaker vector by whom.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.hub.config import ZooConfig
from zoo.nn.hifigan import HiFiGAN, HiFiGANConfig
from zoo.nn.istft_vocoder import ISTFTVocoder, ISTFTVocoderConfig

MEL_FRAMES = 2
"""Mel frames of 10 ms a unit of 20 ms."""


@dataclass(frozen=True, kw_only=True)
class MultiInputVocoderConfig(ZooConfig):
    """Sizes; the defaults are the released ones."""

    num_units: int = 200
    """Units of the inventory."""
    embedding_size: int = 128
    """Width of units and speaker."""
    num_mels: int = 80
    """Mel bands."""
    speaker_size: int = 256
    """Width of the speaker vector."""
    dropout: float = 0.1
    """On the units, in training."""
    generator: HiFiGANConfig = field(default_factory=HiFiGANConfig.multi_input)
    """The trunk."""
    istft: ISTFTVocoderConfig | None = None
    """An inverse-STFT head in its place (ours), which small budgets can train."""


class MultiInputVocoder(nn.Module):
    """Mel, units brought to the mel's rate, and speaker, joined in this order, into a trunk."""

    def __init__(self, config: MultiInputVocoderConfig) -> None:
        super().__init__()
        self.config = config
        width = config.embedding_size
        self.dict = nn.Embedding(config.num_units, width)
        self.upsampler = nn.ConvTranspose1d(width, width, 4, MEL_FRAMES, padding=1)
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(width, width)
        self.spkr = nn.Linear(config.speaker_size, width)
        self.generator: HiFiGAN | ISTFTVocoder
        if config.istft is None:
            self.generator = HiFiGAN(config.num_mels + 2 * width, config.generator)
        else:
            self.generator = ISTFTVocoder(config.istft, 2 * width)

    def forward(self, units: Tensor, mel: Tensor, speaker: Tensor) -> Tensor:
        """Waveforms (B, 1, T * hop).

        Args:
            units: (B, T / 2) int64.
            mel: (B, num_mels, T) natural log.
            speaker: (B, speaker_size).

        Raises:
            ValueError: the mel has not twice as many frames as there are units.
        """
        if mel.shape[2] != MEL_FRAMES * units.shape[1]:
            raise ValueError(
                f"{units.shape[1]} units need {MEL_FRAMES * units.shape[1]} mel frames, "
                f"got {mel.shape[2]}"
            )
        voice = self.spkr(speaker).unsqueeze(2).expand(-1, -1, mel.shape[2])
        condition = torch.cat([self.condition(units), voice], dim=1)
        made: Tensor
        if isinstance(self.generator, ISTFTVocoder):
            made = self.generator(mel, condition)
        else:
            made = self.generator(torch.cat([mel, condition], dim=1))
        return made

    def condition(self, units: Tensor) -> Tensor:
        """Units (B, T / 2) as features (B, C, T) at the mel's rate."""
        x = F.gelu(self.upsampler(self.dict(units).transpose(1, 2)))
        return torch.as_tensor(self.fc(self.dropout(x.transpose(1, 2)))).transpose(1, 2)
