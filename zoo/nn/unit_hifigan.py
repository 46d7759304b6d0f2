"""Unit HiFi-GAN: discrete units, with or without a voice and a melody, into a waveform.

Sources: arXiv 2104.00355 (units, speaker, F0), arXiv 2107.05604 (durations).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from zoo.errors import ConfigError
from zoo.hub.config import ZooConfig
from zoo.nn.duration_predictor import DurationPredictor, durations
from zoo.nn.hifigan import HiFiGAN, HiFiGANConfig
from zoo.nn.istft_vocoder import ConvNeXtBlock, GuessedMelVocoder, ISTFTVocoderConfig
from zoo.nn.melody import Melody


@dataclass(frozen=True, kw_only=True)
class DurationConfig(ZooConfig):
    """Sizes of the duration predictor."""

    hidden: int = 128
    """Width inside."""
    kernel: int = 3
    """Of its convolutions."""
    dropout: float = 0.5
    """After both of them."""


@dataclass(frozen=True, kw_only=True)
class ContextConfig(ZooConfig):
    """Sizes of the blocks that look at the neighbours of every unit."""

    num_blocks: int = 6
    """ConvNeXt blocks."""
    kernel: int = 13
    """Of their depthwise convolutions, in units."""
    ffn_size: int = 256
    """Channels inside a block."""


@dataclass(frozen=True, kw_only=True)
class UnitHiFiGANConfig(ZooConfig):
    """What a unit vocoder takes besides units, and its sizes."""

    PRESETS: ClassVar[tuple[str, ...]] = ("single", "speaker_id", "speaker_vector", "frame_units")

    num_units: int = 1000
    """Units of the inventory, K."""
    embedding_size: int = 128
    """Width of the unit embedding, and of those of speaker and F0."""
    durations: DurationConfig | None = field(default_factory=DurationConfig)
    """The duration predictor; None for a vocoder of units that are not deduplicated."""
    speaker: Literal["none", "id", "vector"] = "none"
    """How a voice is given: not at all, as a number, or as a speaker vector."""
    num_speakers: int = 200
    """Rows of the speaker table (`speaker="id"`)."""
    speaker_size: int = 256
    """Width of the speaker vector (`speaker="vector"`)."""
    f0: Literal["none", "raw", "bins", "optional"] = "none"
    """How F0 is given: not at all, as one number a frame, as the number of a bin, or (ours) in Hz a
    unit, if it is known, see `zoo.nn.melody`."""
    num_f0_bins: int = 20
    """Rows of the F0 table (`f0="bins"`)."""
    context: ContextConfig | None = None
    """Blocks between the embeddings and the trunk (ours): the units of small encoders name a sound
    only together with their neighbours, further off than a trunk sees. None, as in all released
    vocoders, has none."""
    generator: HiFiGANConfig = field(default_factory=HiFiGANConfig)
    """The trunk."""
    istft: ISTFTVocoderConfig | None = None
    """A guess of the mel with an inverse-STFT vocoder behind it in its place (ours), which small
    budgets can train."""

    def __post_init__(self) -> None:
        if self.num_units < 1:
            raise ConfigError(f"num_units {self.num_units}: a vocoder needs units")

    @property
    def in_channels(self) -> int:
        """Channels that enter the trunk."""
        f0 = {"none": 0, "raw": 1, "bins": self.embedding_size, "optional": 0}[self.f0]
        return self.embedding_size * (1 if self.speaker == "none" else 2) + f0

    @classmethod
    def single(cls) -> UnitHiFiGANConfig:
        """One voice, deduplicated units: the released mHuBERT vocoders."""
        return cls()

    @classmethod
    def speaker_id(cls) -> UnitHiFiGANConfig:
        """A table of voices."""
        return cls(speaker="id")

    @classmethod
    def speaker_vector(cls) -> UnitHiFiGANConfig:
        """Any voice, by its speaker vector (AV2AV)."""
        return cls(speaker="vector")

    @classmethod
    def frame_units(cls) -> UnitHiFiGANConfig:
        """One voice, a unit every 20 ms, 100 units."""
        return cls(num_units=100, durations=None)


def context_blocks(config: ContextConfig | None, channels: int) -> nn.Sequential:
    """Blocks (B, T, channels) -> (B, T, channels) of a configuration; None has none."""
    if config is None:
        return nn.Sequential()
    shape = (channels, config.ffn_size, config.kernel)
    return nn.Sequential(*(ConvNeXtBlock(*shape) for _ in range(config.num_blocks)))


@dataclass(frozen=True)
class Resynthesis:
    """What a unit vocoder gives.

    Attributes:
        waveform: (B, 1, S) in (-1, 1).
        units: (B, T') the units at frame rate, repeated by their durations.
        durations: (B, T) frames of each unit given, where they were predicted.
    """

    waveform: Tensor
    units: Tensor
    durations: Tensor | None = None


class UnitHiFiGAN(nn.Module):
    """Embeddings of units, F0 and speaker, joined in this order, into a trunk."""

    def __init__(self, config: UnitHiFiGANConfig) -> None:
        super().__init__()
        self.config = config
        width = config.embedding_size
        self.dict = nn.Embedding(config.num_units, width)
        self.f0_embedding = nn.Embedding(config.num_f0_bins, width) if config.f0 == "bins" else None
        self.melody = Melody(config.in_channels) if config.f0 == "optional" else None
        self.spkr: nn.Embedding | nn.Linear | None = None
        if config.speaker == "id":
            self.spkr = nn.Embedding(config.num_speakers, width)
        elif config.speaker == "vector":
            self.spkr = nn.Linear(config.speaker_size, width)
        self.dur_predictor: DurationPredictor | None = None
        if config.durations is not None:
            sizes = config.durations
            self.dur_predictor = DurationPredictor(width, sizes.hidden, sizes.kernel, sizes.dropout)
        self.context = context_blocks(config.context, config.in_channels)
        self.generator: HiFiGAN | GuessedMelVocoder
        if config.istft is None:
            self.generator = HiFiGAN(config.in_channels, config.generator)
        else:
            hop = config.generator.hop
            self.generator = GuessedMelVocoder(
                config.in_channels, config.istft, hop, melodic=self.melody is not None
            )

    def forward(
        self,
        units: Tensor,
        *,
        speaker: Tensor | None = None,
        f0: Tensor | None = None,
        predict_durations: bool = False,
    ) -> Resynthesis:
        """Synthesise.

        Args:
            units: (B, T) int64 in [0, num_units); with `predict_durations` one deduplicated
                sequence (1, T), since the items of a batch would come out of unequal length.
            speaker: (B,) int64 or (B, C) float, as the configuration says.
            f0: (B, F) float or int64; the longer of F and T must be a multiple of the other. Where
                it is optional, (B, T') in Hz, one a unit that is spoken, 0 where that is unvoiced,
                negative where it is not known.
            predict_durations: repeat every unit for as long as the predictor says.

        Raises:
            ValueError: inputs and configuration do not agree.
        """
        self._check(units, speaker, f0)
        frames = None
        if predict_durations:
            frames = self.predict_durations(units)
            units = torch.repeat_interleave(units, frames[0], dim=1)
        joined = self._joined(units, speaker, f0)
        if isinstance(self.generator, GuessedMelVocoder):
            made = self.generator(joined, f0)
        else:
            made = self.generator(joined)
        return Resynthesis(made, units, frames)

    def guess_mel(
        self, units: Tensor, *, speaker: Tensor | None = None, f0: Tensor | None = None
    ) -> Tensor:
        """The log-mel (B, num_mels, T') that is spoken; arguments as `forward`.

        Raises:
            ValueError: inputs and configuration do not agree, or the trunk guesses no mel.
        """
        self._check(units, speaker, f0)
        if not isinstance(self.generator, GuessedMelVocoder):
            raise ValueError("this vocoder makes its waveform without a mel: set istft")
        return self.generator.guess(self._joined(units, speaker, f0), f0)

    def _joined(self, units: Tensor, speaker: Tensor | None, f0: Tensor | None) -> Tensor:
        """What enters the trunk, (B, in_channels, T')."""
        parts = [self.dict(units).transpose(1, 2), *self._melody(f0)]
        length = max(part.shape[2] for part in parts)
        parts = [repeat_to(part, length) for part in parts]
        if self.spkr is not None and speaker is not None:
            parts.append(self.spkr(speaker).unsqueeze(2).expand(-1, -1, length))
        joined = torch.cat(parts, dim=1).transpose(1, 2)
        if self.melody is not None and f0 is not None:
            if f0.shape[1] != length:
                raise ValueError(f"{length} units need a pitch each, got {f0.shape[1]}")
            joined = joined + self.melody(f0)
        x: Tensor = self.context(joined)
        return x.transpose(1, 2)

    def predict_durations(self, units: Tensor) -> Tensor:
        """Frames (1, T) int64 of one deduplicated sequence (1, T).

        Raises:
            ValueError: there is no predictor, or more than one sequence.
        """
        if self.dur_predictor is None:
            raise ValueError("this vocoder has no duration predictor: give a unit every frame")
        if len(units) != 1:
            raise ValueError(f"durations are predicted one sequence at a time, got {len(units)}")
        return durations(self.dur_predictor(self.dict(units)))

    def _melody(self, f0: Tensor | None) -> list[Tensor]:
        if f0 is None or self.melody is not None:
            return []
        if self.f0_embedding is None:
            return [f0.unsqueeze(1)]
        return [self.f0_embedding(f0).transpose(1, 2)]

    def _check(self, units: Tensor, speaker: Tensor | None, f0: Tensor | None) -> None:
        if units.numel() == 0:
            raise ValueError("no units were given")
        low, high = int(units.min()), int(units.max())
        if low < 0 or high >= self.config.num_units:
            raise ValueError(
                f"units lie in [{low}, {high}], this vocoder's in [0, {self.config.num_units - 1}]:"
                " they come from another inventory, or hold padding"
            )
        for name, given, wanted in (
            ("speaker", speaker, self.config.speaker),
            ("f0", f0, self.config.f0),
        ):
            if wanted != "optional" and (given is None) != (wanted == "none"):
                raise ValueError(f"{name} is {'lacking' if given is None else 'not taken'} here")


def repeat_to(x: Tensor, length: int) -> Tensor:
    """Repeat every frame of (B, C, T) so that there are `length`.

    Raises:
        ValueError: `length` is not a multiple of T.
    """
    factor, rest = divmod(length, x.shape[2])
    if rest:
        raise ValueError(f"{length} frames are not a multiple of {x.shape[2]}")
    return x if factor == 1 else torch.repeat_interleave(x, factor, dim=2)
