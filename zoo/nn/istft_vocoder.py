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

from zoo.audio.mel import CONFIGS, MelConfig, mel_filterbank
from zoo.errors import ConfigError
from zoo.hub.config import ZooConfig

_FLOOR = 1e-5
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


def _invertible(front_end: str) -> MelConfig:
    mel = CONFIGS.get(front_end)
    if mel is None or mel.log_floor is None or mel.power != 1 or mel.n_fft % mel.hop_length:
        raise ConfigError(f"front_end {front_end!r}: not a log-mel whose frames can be joined")
    return mel


class ISTFTVocoder(nn.Module):
    """Log-mel in, waveform out.

    Example:
        >>> ISTFTVocoder(ISTFTVocoderConfig.tiny())(torch.zeros(1, 80, 5)).shape
        torch.Size([1, 1, 800])
    """

    inverse: Tensor
    window: Tensor

    def __init__(self, config: ISTFTVocoderConfig) -> None:
        super().__init__()
        self.config = config
        self.mel = _invertible(config.front_end)
        bins = self.mel.n_fft // 2 + 1
        self.conv_pre = nn.Conv1d(
            self.mel.num_mels, config.width, config.kernel, padding=config.kernel // 2
        )
        self.norm_pre = nn.LayerNorm(config.width)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.width, config.ffn_size, config.kernel)
            for _ in range(config.num_blocks)
        )
        self.norm_post = nn.LayerNorm(config.width)
        # correction of the log magnitude, and a direction in the complex plane, per bin
        self.head = nn.Linear(config.width, 3 * bins)
        self.register_buffer("inverse", torch.empty(bins, self.mel.num_mels), persistent=False)
        self.register_buffer("window", torch.empty(self.mel.n_fft), persistent=False)
        self.reset_buffers()

    @property
    def hop(self) -> int:
        """Samples a frame."""
        return self.mel.hop_length

    def reset_buffers(self) -> None:
        """Compute the inverse filter bank and the window (again, after a build on meta)."""
        if self.window.is_meta:
            self.inverse = torch.empty(self.inverse.shape)
            self.window = torch.empty(self.window.shape)
        if self.window.is_meta:
            return
        bank = mel_filterbank(
            sample_rate=self.mel.sample_rate,
            n_fft=self.mel.n_fft,
            num_mels=self.mel.num_mels,
            min_hz=self.mel.min_hz,
            max_hz=self.mel.max_hz,
            scale=self.mel.scale,
            unit_area=self.mel.unit_area,
        )
        self.inverse.copy_(torch.linalg.pinv(bank))
        self.window.copy_(torch.hann_window(self.mel.n_fft, device="cpu"))

    def forward(self, mel: Tensor) -> Tensor:
        """Waveforms (B, 1, T * hop) of log-mels (B, num_mels, T)."""
        x = self.norm_pre(self.conv_pre(mel).transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        delta, real, imag = self.head(self.norm_post(x)).transpose(1, 2).float().chunk(3, dim=1)
        level = (self.start(mel) + delta).clamp(max=_LOUDEST).exp()
        waveform = self._invert(level * _direction(torch.complex(real, imag)))
        for _ in range(self.config.refinements):
            waveform = self._invert(level * _direction(self._analyse(waveform)))
        return waveform.unsqueeze(1)

    def start(self, mel: Tensor) -> Tensor:
        """Log magnitudes (B, F, T) by the pseudo-inverse of the filter bank."""
        with torch.autocast(mel.device.type, enabled=False):
            return (self.inverse @ mel.float().exp()).clamp(min=_FLOOR).log()

    def _analyse(self, waveform: Tensor) -> Tensor:
        """Spectrum (B, F, T) of waveforms (B, T * hop), framed as the front-end frames them."""
        pad = self.mel.padding
        mode = "reflect" if waveform.shape[1] > pad else "constant"
        padded = F.pad(waveform, (pad, pad), mode=mode)
        spectrum = torch.stft(
            padded, self.mel.n_fft, self.hop, window=self.window, center=False, return_complex=True
        )
        return spectrum[:, :, : waveform.shape[1] // self.hop]

    def _invert(self, spectrum: Tensor) -> Tensor:
        """Overlap-add of the frames (B, F, T): (B, T * hop)."""
        frames = torch.fft.irfft(spectrum, self.mel.n_fft, dim=1) * self.window[:, None]
        length = spectrum.shape[2] * self.hop
        added = self._overlap(frames)
        weight = self._overlap(self.window.square()[None, :, None].expand_as(frames[:1]))
        # the first sample lies `padding` samples into the padded signal
        cut = slice(self.mel.padding, self.mel.padding + length)
        made = added[:, cut] / weight[:, cut].clamp(min=_FLOOR)
        return F.pad(made, (0, length - made.shape[1]))

    def _overlap(self, frames: Tensor) -> Tensor:
        """Sum frames (B, n_fft, T) that start `hop` apart: (B, (T - 1) * hop + n_fft)."""
        parts = frames.view(len(frames), -1, self.hop, frames.shape[2]).transpose(2, 3)
        last = parts.shape[1] - 1
        shifted = [F.pad(parts[:, k], (0, 0, k, last - k)) for k in range(last + 1)]
        return torch.stack(shifted).sum(0).flatten(1)


def _direction(spectrum: Tensor) -> Tensor:
    """Complex numbers of unit length; the square root is kept off zero, where it has no slope."""
    power = spectrum.real.square() + spectrum.imag.square()
    return spectrum / (power + _FLOOR**2).sqrt()


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
