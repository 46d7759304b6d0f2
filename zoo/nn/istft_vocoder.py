"""A mel vocoder that predicts a short-time spectrum and inverts it (after Vocos, arXiv 2306.00814).

The network runs at the frame rate only. Its magnitude starts from what the mel already says, the
pseudo-inverse of the filter bank, so that it has to learn a correction and the phase.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.audio.mel import mel_front_end
from zoo.errors import ConfigError
from zoo.hub.config import ZooConfig
from zoo.nn.mel_inversion import MelFrames, direction
from zoo.nn.melody import band_harmonics

# e^9 is beyond any magnitude of a waveform in [-1, 1]; a guard of the exponential
_LOUDEST = 9.0
_QUIET = -5.0  # about the mean of a log-mel of speech


@dataclass(frozen=True, kw_only=True)
class ISTFTVocoderConfig(ZooConfig):
    """Sizes of the network; the spectrum is that of the mel front-end it inverts."""

    PRESETS: ClassVar[tuple[str, ...]] = ("base", "tiny")

    front_end: str = "tacotron16k"
    """Mel front-end of `zoo.audio.mel`."""
    width: int = 512
    """Channels."""
    num_blocks: int = 8
    """ConvNeXt blocks."""
    ffn_size: int = 1536
    """Channels inside a block."""
    kernel: int = 7
    """Of the depthwise convolutions, in frames."""
    refinements: int = 0
    """Griffin-Lim iterations that follow, through which gradients flow: they make the phases of
    neighbouring frames agree."""

    @classmethod
    def base(cls) -> ISTFTVocoderConfig:
        """The size of Vocos."""
        return cls()

    @classmethod
    def tiny(cls) -> ISTFTVocoderConfig:
        """About 1.3 M parameters."""
        return cls(width=192, num_blocks=6, ffn_size=448, refinements=2)


class ISTFTVocoder(nn.Module):
    """Log-mel in, waveform out.

    Args:
        config: sizes.
        condition_size: channels of what the network sees besides the mel.

    Example:
        >>> ISTFTVocoder(ISTFTVocoderConfig.tiny())(torch.zeros(1, 80, 5)).shape
        torch.Size([1, 1, 800])
    """

    def __init__(self, config: ISTFTVocoderConfig, condition_size: int = 0) -> None:
        super().__init__()
        self.config = config
        self.frames = MelFrames(config.front_end)
        mel = self.frames.mel
        channels = mel.num_mels + condition_size
        self.conv_pre = nn.Conv1d(channels, config.width, config.kernel, padding=config.kernel // 2)
        self.norm_pre = nn.LayerNorm(config.width)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.width, config.ffn_size, config.kernel)
            for _ in range(config.num_blocks)
        )
        self.norm_post = nn.LayerNorm(config.width)
        # correction of the log magnitude, and a direction in the complex plane, per bin
        self.head = nn.Linear(config.width, 3 * (mel.n_fft // 2 + 1))

    @property
    def hop(self) -> int:
        """Samples a frame."""
        return self.frames.mel.hop_length

    def start_from(self, other: ISTFTVocoder) -> None:
        """Copy a vocoder of mels alone; a condition, which it has not learned, changes nothing yet.

        Of a deeper one the first blocks are copied: each only corrects what the ones before it say.

        Raises:
            ConfigError: its other sizes differ.
        """
        last = len(self.blocks)
        state = {
            key: value
            for key, value in other.state_dict().items()
            if not (key.startswith("blocks.") and int(key.split(".")[1]) >= last)
        }
        known = state["conv_pre.weight"]
        kernel = torch.zeros_like(self.conv_pre.weight)
        try:
            kernel[:, : known.shape[1]] = known
            self.load_state_dict({**state, "conv_pre.weight": kernel})
        except RuntimeError as error:
            raise ConfigError(
                f"a vocoder can only start from one of the same sizes: {self.config}, not "
                f"{other.config}"
            ) from error

    def forward(self, mel: Tensor, condition: Tensor | None = None) -> Tensor:
        """Waveforms (B, 1, T * hop).

        Args:
            mel: (B, num_mels, T) natural log.
            condition: (B, condition_size, T); None where the network sees the mel alone.
        """
        seen = mel if condition is None else torch.cat([mel, condition], dim=1)
        x = self.norm_pre(self.conv_pre(seen).transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        delta, real, imag = self.head(self.norm_post(x)).transpose(1, 2).float().chunk(3, dim=1)
        level = (self.frames.start(mel) + delta).clamp(max=_LOUDEST).exp()
        waveform = self.frames.invert(level * direction(torch.complex(real, imag)))
        for _ in range(self.config.refinements):
            waveform = self.frames.invert(level * direction(self.frames.analyse(waveform)))
        return waveform.unsqueeze(1)


class GuessedMelVocoder(nn.Module):
    """Anything in, waveform out: guesses a log-mel and speaks it.

    Args:
        in_channels: channels of the input.
        config: sizes of the vocoder, and of as many blocks that make its mel.
        hop: samples a frame of the input, a multiple of the mel's.
        melodic: a pitch that is given draws its harmonics into the mel, as deep as the blocks say.

    Raises:
        ConfigError: the hops do not fit.
    """

    def __init__(
        self, in_channels: int, config: ISTFTVocoderConfig, hop: int, *, melodic: bool = False
    ) -> None:
        super().__init__()
        self.vocoder = ISTFTVocoder(config)
        self.repeats, rest = divmod(hop, self.vocoder.hop)
        if rest or not self.repeats:
            raise ConfigError(
                f"{hop} samples a frame are not a multiple of {self.vocoder.hop}, the hop of "
                f"{config.front_end}"
            )
        width, kernel = config.width, config.kernel
        self.conv_pre = nn.Conv1d(in_channels, width, kernel, padding=kernel // 2)
        self.norm_pre = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(width, config.ffn_size, kernel) for _ in range(config.num_blocks)
        )
        self.norm_post = nn.LayerNorm(width)
        self.head = nn.Linear(width, self.vocoder.frames.mel.num_mels)
        nn.init.constant_(self.head.bias, _QUIET)
        self.depth: nn.Linear | None = None
        if melodic:
            self.front_end = mel_front_end(config.front_end)
            self.depth = nn.Linear(width, self.vocoder.frames.mel.num_mels)
            nn.init.zeros_(self.depth.weight)
            nn.init.zeros_(self.depth.bias)

    def start_from(self, other: ISTFTVocoder) -> None:
        """Copy a vocoder of mels alone; see `ISTFTVocoder.start_from`."""
        self.vocoder.start_from(other)

    def forward(self, x: Tensor, f0: Tensor | None = None) -> Tensor:
        """Waveforms (B, 1, T * hop) of (B, in_channels, T); arguments as `guess`."""
        made: Tensor = self.vocoder(self.guess(x, f0))
        return made

    def guess(self, x: Tensor, f0: Tensor | None = None) -> Tensor:
        """Log-mel (B, num_mels, T * hop / the mel's hop) that `forward` speaks.

        Args:
            x: (B, in_channels, T).
            f0: (B, T) in Hz, not above 0 where there is none; of `melodic` vocoders.
        """
        x = x.repeat_interleave(self.repeats, dim=2)
        x = self.norm_pre(self.conv_pre(x).transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        x = self.norm_post(x)
        mel: Tensor = self.head(x).transpose(1, 2)
        if self.depth is not None and f0 is not None:
            harmonics = band_harmonics(f0, self.front_end)
            harmonics = harmonics.repeat_interleave(self.repeats, dim=2).to(mel.dtype)
            mel = mel + self.depth(x).transpose(1, 2) * harmonics
        return mel


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, then a feed-forward part, around a scaled residual (2201.03545)."""

    def __init__(self, width: int, ffn_size: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, ffn_size)
        self.down = nn.Linear(ffn_size, width)
        self.scale = nn.Parameter(torch.full((width,), 0.2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        y = self.norm(self.conv(x.transpose(1, 2)).transpose(1, 2))
        return x + self.scale * torch.as_tensor(self.down(F.gelu(self.up(y))))
