"""The mel front-end: padded frames -> magnitudes -> mel bands -> logarithm, as one module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from zoo.audio.mel.filterbank import MelScale, mel_filterbank
from zoo.audio.mel.spectrum import (
    PadMode,
    fft_spectrum,
    fourier_basis,
    matrix_spectrum,
    num_frames,
    pad_ends,
)
from zoo.errors import MediaError


@dataclass(frozen=True, kw_only=True)
class MelConfig:
    """Everything that makes one mel front-end differ from another."""

    sample_rate: int
    """Hz; the waveform must be at this rate."""
    n_fft: int
    """Length of a frame, of its periodic Hann window and of the Fourier transform, in samples."""
    hop_length: int
    """Samples from frame to frame."""
    num_mels: int
    """Bands."""
    min_hz: float = 0.0
    """Lower edge of the first band."""
    max_hz: float | None = None
    """Upper edge of the last band; None = half the sample rate."""
    scale: MelScale = "slaney"
    """Spacing of the bands."""
    unit_area: bool = True
    """Slaney's normalisation of the bands."""
    padding: int
    """Samples added on each side."""
    pad_mode: PadMode = "reflect"
    """What is added."""
    power: Literal[1, 2] = 1
    """Magnitude or power spectrum."""
    epsilon: float = 0.0
    """Added to the power before the square root."""
    log_floor: float | None = None
    """Smallest value before the natural logarithm; None = no logarithm."""
    transform: Literal["fft", "matrix"] = "fft"
    """How the Fourier transform is computed (they differ in near-silent bins only)."""


class MelFrontEnd(nn.Module):
    """Mel spectrogram of a batch of waveforms.

    The buffers hold nothing learned and are not saved; `reset_buffers` computes them again.

    Example:
        >>> mel = mel_front_end("tacotron16k")(torch.zeros(2, 16000))
        >>> mel.shape
        torch.Size([2, 80, 101])
    """

    compute_dtype: ClassVar[torch.dtype] = torch.float32

    bank: Tensor
    window: Tensor

    def __init__(self, config: MelConfig) -> None:
        super().__init__()
        self.config = config
        bins = config.n_fft // 2 + 1
        rows = (2 * bins, config.n_fft) if config.transform == "matrix" else (config.n_fft,)
        kind = self.compute_dtype
        self.register_buffer("bank", torch.empty(config.num_mels, bins, dtype=kind), False)
        self.register_buffer("window", torch.empty(rows, dtype=kind), False)
        self.reset_buffers()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move with the model, but stay precise when the model goes to half precision."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.window.dtype != self.compute_dtype:
            self.bank = self.bank.to(self.compute_dtype)
            self.window = self.window.to(self.compute_dtype)
            self.reset_buffers()
        return self

    def reset_buffers(self) -> None:
        """Compute the filter bank and the window (again, after a build on the meta device)."""
        if self.bank.is_meta:
            # on the current default device, which a loader sets to the one it fills
            self.bank = torch.empty(self.bank.shape, dtype=self.bank.dtype)
            self.window = torch.empty(self.window.shape, dtype=self.window.dtype)
        if self.bank.is_meta:
            return
        config = self.config
        bank = mel_filterbank(
            sample_rate=config.sample_rate,
            n_fft=config.n_fft,
            num_mels=config.num_mels,
            min_hz=config.min_hz,
            max_hz=config.max_hz,
            scale=config.scale,
            unit_area=config.unit_area,
        )
        self.bank.copy_(bank)
        if config.transform == "matrix":
            self.window.copy_(fourier_basis(config.n_fft))
        else:
            cpu = torch.device("cpu")
            window = torch.hann_window(config.n_fft, dtype=self.compute_dtype, device=cpu)
            self.window.copy_(window)

    def band_shapes(self) -> tuple[Tensor, Tensor]:
        """Middle and half of the base of every band's triangle, (num_mels,) each, in Hz."""
        shares = self.bank / self.bank.sum(dim=1, keepdim=True).clamp(min=1e-9)
        hz = torch.linspace(
            0,
            self.config.sample_rate / 2,
            shares.shape[1],
            dtype=shares.dtype,
            device=shares.device,
        )
        middles = shares @ hz
        # of a triangle the variance is a sixth of the square of half its base
        variance = (shares * (hz - middles[:, None]).square()).sum(dim=1)
        return middles, (6 * variance).sqrt()

    def num_frames(self, lengths: Tensor) -> Tensor:
        """Mel frames (B,) of waveforms of `lengths` (B,) samples."""
        config = self.config
        return num_frames(lengths, config.n_fft, config.hop_length, config.padding)

    def forward(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Compute the mel spectrogram.

        Args:
            waveform: (B, S) or (S,) float in [-1, 1] at `config.sample_rate`.
            lengths: (B,) int64 valid samples of each item, None when all are S.

        Returns:
            (B, num_mels, T) or (num_mels, T) float32; with `lengths`, an item's frames are those
            it has alone, and frames beyond `num_frames(lengths)` are zero.

        Raises:
            MediaError: an item is too short for one frame.
        """
        if waveform.ndim == 1:
            return self.forward(waveform[None], lengths)[0]
        with torch.autocast(waveform.device.type, enabled=False):
            mel = self.compress(self.bank @ self.magnitude(waveform, lengths))
        if lengths is not None:
            frames = self.num_frames(lengths.to(mel.device))
            valid = torch.arange(mel.shape[-1], device=mel.device) < frames[:, None]
            mel = mel.masked_fill(~valid[:, None], 0.0)
        return mel.float()

    def magnitude(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Magnitude (or power) spectra (B, F, T) of `waveform` (B, S)."""
        config = self.config
        padded = pad_ends(waveform.to(self.window.dtype), lengths, config.padding, config.pad_mode)
        if padded.shape[-1] < config.n_fft:
            raise MediaError(
                f"waveform: {waveform.shape[-1]} samples are too short for one frame of "
                f"{config.n_fft}; pad the recording with silence"
            )
        spectrum = matrix_spectrum if config.transform == "matrix" else fft_spectrum
        real, imag = spectrum(padded, self.window, config.hop_length)
        power = real.square() + imag.square()
        return power if config.power == 2 else (power + config.epsilon).sqrt()

    def compress(self, mel: Tensor) -> Tensor:
        """What is done to the band values; here the natural logarithm, if any."""
        floor = self.config.log_floor
        return mel if floor is None else mel.clamp(min=floor).log()
