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

from zoo.hub.config import ZooConfig
from zoo.nn.mel_inversion import MelFrames, direction

# e^9 is beyond any magnitude of a waveform in [-1, 1]; a guard of the exponential
_LOUDEST = 9.0


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

    Example:
        >>> ISTFTVocoder(ISTFTVocoderConfig.tiny())(torch.zeros(1, 80, 5)).shape
        torch.Size([1, 1, 800])
    """

    def __init__(self, config: ISTFTVocoderConfig) -> None:
        super().__init__()
        self.config = config
        self.frames = MelFrames(config.front_end)
        mel = self.frames.mel
        self.conv_pre = nn.Conv1d(
            mel.num_mels, config.width, config.kernel, padding=config.kernel // 2
        )
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

    def forward(self, mel: Tensor) -> Tensor:
        """Waveforms (B, 1, T * hop) of log-mels (B, num_mels, T)."""
        x = self.norm_pre(self.conv_pre(mel).transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        delta, real, imag = self.head(self.norm_post(x)).transpose(1, 2).float().chunk(3, dim=1)
        level = (self.frames.start(mel) + delta).clamp(max=_LOUDEST).exp()
        waveform = self.frames.invert(level * direction(torch.complex(real, imag)))
        for _ in range(self.config.refinements):
            waveform = self.frames.invert(level * direction(self.frames.analyse(waveform)))
        return waveform.unsqueeze(1)


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
