"""From a log-mel back to a spectrum, and from a spectrum back to a waveform.

What a vocoder with an inverse-STFT head and Griffin-Lim's algorithm share.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.audio.mel import CONFIGS, MelConfig, mel_filterbank
from zoo.errors import ConfigError

FLOOR = 1e-5


def invertible(front_end: str) -> MelConfig:
    """The front-end of that name.

    Raises:
        ConfigError: it is no log-mel of magnitudes whose frames overlap evenly.
    """
    mel = CONFIGS.get(front_end)
    if mel is None or mel.log_floor is None or mel.power != 1 or mel.n_fft % mel.hop_length:
        raise ConfigError(f"front_end {front_end!r}: not a log-mel whose frames can be joined")
    return mel


class MelFrames(nn.Module):
    """The frames of one mel front-end, inverted.

    Args:
        front_end: a name of `zoo.audio.mel`.
    """

    inverse: Tensor
    window: Tensor

    def __init__(self, front_end: str) -> None:
        super().__init__()
        self.mel = invertible(front_end)
        bins = self.mel.n_fft // 2 + 1
        self.register_buffer("inverse", torch.empty(bins, self.mel.num_mels), persistent=False)
        self.register_buffer("window", torch.empty(self.mel.n_fft), persistent=False)
        self.reset_buffers()

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

    def start(self, mel: Tensor) -> Tensor:
        """Log magnitudes (B, F, T) by the pseudo-inverse of the filter bank."""
        with torch.autocast(mel.device.type, enabled=False):
            return (self.inverse @ mel.float().exp()).clamp(min=FLOOR).log()

    def analyse(self, waveform: Tensor) -> Tensor:
        """Spectrum (B, F, T) of waveforms (B, T * hop), framed as the front-end frames them."""
        pad = self.mel.padding
        mode = "reflect" if waveform.shape[1] > pad else "constant"
        padded = F.pad(waveform, (pad, pad), mode=mode)
        spectrum = torch.stft(
            padded,
            self.mel.n_fft,
            self.mel.hop_length,
            window=self.window,
            center=False,
            return_complex=True,
        )
        return spectrum[:, :, : waveform.shape[1] // self.mel.hop_length]

    def invert(self, spectrum: Tensor) -> Tensor:
        """Overlap-add of the frames (B, F, T): (B, T * hop)."""
        frames = torch.fft.irfft(spectrum, self.mel.n_fft, dim=1) * self.window[:, None]
        length = spectrum.shape[2] * self.mel.hop_length
        added = self._overlap(frames)
        weight = self._overlap(self.window.square()[None, :, None].expand_as(frames[:1]))
        # the first sample lies `padding` samples into the padded signal
        cut = slice(self.mel.padding, self.mel.padding + length)
        made = added[:, cut] / weight[:, cut].clamp(min=FLOOR)
        return F.pad(made, (0, length - made.shape[1]))

    def _overlap(self, frames: Tensor) -> Tensor:
        """Sum frames (B, n_fft, T) that start `hop` apart: (B, (T - 1) * hop + n_fft)."""
        parts = frames.view(len(frames), -1, self.mel.hop_length, frames.shape[2]).transpose(2, 3)
        last = parts.shape[1] - 1
        shifted = [F.pad(parts[:, k], (0, 0, k, last - k)) for k in range(last + 1)]
        return torch.stack(shifted).sum(0).flatten(1)


def direction(spectrum: Tensor) -> Tensor:
    """Complex numbers of unit length; the square root is kept off zero, where it has no slope."""
    power = spectrum.real.square() + spectrum.imag.square()
    return spectrum / (power + FLOOR**2).sqrt()


class GriffinLim(nn.Module):
    """A mel vocoder without anything learned (Griffin and Lim, 1984): the floor of all others.

    Args:
        front_end: a name of `zoo.audio.mel`.
        iterations: how often phases are made to agree.
    """

    def __init__(self, front_end: str = "tacotron16k", iterations: int = 32) -> None:
        super().__init__()
        self.frames, self.iterations = MelFrames(front_end), iterations

    def forward(self, mel: Tensor, *, seed: int = 0) -> Tensor:
        """Waveforms (B, 1, T * hop) of log-mels (B, num_mels, T); `seed` draws the first phases."""
        level = self.frames.start(mel).exp()
        generator = torch.Generator().manual_seed(seed)
        phase = 2 * torch.pi * torch.rand(level.shape[1:], generator=generator).to(level)
        waveform = self.frames.invert(torch.polar(level, phase.expand_as(level)))
        for _ in range(self.iterations):
            waveform = self.frames.invert(level * direction(self.frames.analyse(waveform)))
        return waveform.unsqueeze(1)
