"""The multi-input vocoder of Lip2Speech-Unit (arXiv 2305.19603, section 2.3).

Units say what is spoken, the mel spectrogram how, the speaker vector by whom.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.audio.mel import mel_front_end
from zoo.errors import ConfigError
from zoo.hub.config import ZooConfig
from zoo.nn.hifigan import HiFiGAN, HiFiGANConfig
from zoo.nn.istft_vocoder import GuessedMelVocoder, ISTFTVocoder, ISTFTVocoderConfig
from zoo.nn.unit_hifigan import ContextConfig, UnitHiFiGAN, context_blocks

MEL_FRAMES = 2
"""Mel frames of 10 ms a unit of 20 ms."""
# what context makes of embeddings exceeds them, by less than this factor
_ROOM = 4.0


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
    context: ContextConfig | None = None
    """Blocks that look at the neighbours of every unit (ours), see `UnitHiFiGANConfig`."""
    generator: HiFiGANConfig = field(default_factory=HiFiGANConfig.multi_input)
    """The trunk."""
    istft: ISTFTVocoderConfig | None = None
    """An inverse-STFT head in its place (ours), which small budgets can train."""
    guesses_mel: bool = False
    """As many blocks before that head as it has (ours), which guess a mel from the given one, units
    and speaker: a predicted mel is too smooth to be spoken as it is."""

    def __post_init__(self) -> None:
        if self.guesses_mel and self.istft is None:
            raise ConfigError(
                "guesses_mel: the released vocoder speaks the mel as it is; set istft"
            )


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
        self.context = context_blocks(config.context, 2 * width)
        self.generator: HiFiGAN | ISTFTVocoder | GuessedMelVocoder
        channels = config.num_mels + 2 * width
        if config.istft is None:
            self.generator = HiFiGAN(channels, config.generator)
        elif config.guesses_mel:
            hop = mel_front_end(config.istft.front_end).config.hop_length
            self.generator = GuessedMelVocoder(channels, config.istft, hop)
        else:
            self.generator = ISTFTVocoder(config.istft, 2 * width)

    @torch.no_grad()
    def start_from_units(self, other: UnitHiFiGAN) -> None:
        """Speak as a vocoder of units and speaker does; the mel, which it has not learned, changes
        nothing yet.

        Raises:
            ConfigError: this one does not guess its mel, or the other's sizes or inputs differ.
        """
        own, theirs, width = self.generator, other.generator, self.config.embedding_size
        shapes = other.dict.weight.shape, getattr(other.spkr, "in_features", None)
        if (
            not (isinstance(own, GuessedMelVocoder) and isinstance(theirs, GuessedMelVocoder))
            or shapes != (self.dict.weight.shape, self.config.speaker_size)
            or other.config.in_channels != 2 * width
            or own.vocoder.config != theirs.vocoder.config
            or self.config.context != other.config.context
        ):
            raise ConfigError(
                "a multi-input vocoder can only start from a unit vocoder with the same units, "
                f"speaker vector, context and inverse-STFT head: {self.config}, not {other.config}"
            )
        assert other.spkr is not None
        self.dict.load_state_dict(other.dict.state_dict())
        self.spkr.load_state_dict(other.spkr.state_dict())
        self.context.load_state_dict(other.context.state_dict())
        # a unit twice: of each output's two taps the one of its own unit; far to the right, GELU is
        # the identity
        twice = torch.zeros_like(self.upsampler.weight)
        twice[:, :, 1] = twice[:, :, 2] = torch.eye(width)
        self.upsampler.weight.copy_(twice)
        shift = 6.0 + _ROOM * float(self.dict.weight.abs().max())
        assert self.upsampler.bias is not None
        self.upsampler.bias.fill_(shift)
        self.fc.weight.copy_(torch.eye(width))
        self.fc.bias.fill_(-shift)
        # what the other makes of a pitch is left out
        state = {k: v for k, v in theirs.state_dict().items() if not k.startswith("depth.")}
        kernel = torch.zeros_like(own.conv_pre.weight)
        kernel[:, self.config.num_mels :] = state["conv_pre.weight"]
        own.load_state_dict({**state, "conv_pre.weight": kernel})

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
        condition = self.condition(units, speaker)
        made: Tensor
        if isinstance(self.generator, ISTFTVocoder):
            made = self.generator(mel, condition)
        else:
            made = self.generator(torch.cat([mel, condition], dim=1))
        return made

    def condition(self, units: Tensor, speaker: Tensor) -> Tensor:
        """Units (B, T / 2) and speaker (B, speaker_size) as features (B, 2 C, T) at the mel's rate."""
        voice = self.spkr(speaker).unsqueeze(1).expand(-1, units.shape[1], -1)
        known, voice = self.context(torch.cat([self.dict(units), voice], dim=2)).chunk(2, dim=2)
        x = F.gelu(self.upsampler(known.transpose(1, 2)))
        x = self.fc(self.dropout(x.transpose(1, 2)))
        return torch.cat([x, voice.repeat_interleave(MEL_FRAMES, dim=1)], dim=2).transpose(1, 2)
