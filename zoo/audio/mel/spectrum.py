"""Magnitude spectra of padded frames, equal for an item alone and inside a padded batch."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.errors import MediaError

PadMode = Literal["reflect", "constant"]


def num_frames(lengths: Tensor, n_fft: int, hop_length: int, padding: int) -> Tensor:
    """Frames of waveforms of `lengths` samples with `padding` samples added on both sides."""
    return (lengths + 2 * padding - n_fft).div(hop_length, rounding_mode="floor") + 1


def pad_ends(waveform: Tensor, lengths: Tensor | None, padding: int, mode: PadMode) -> Tensor:
    """Pad both ends of every item, the right one where the item itself ends.

    Args:
        waveform: (B, S), whatever lies beyond an item's length is ignored.
        lengths: (B,) int64 samples, None when all are S.
        padding: samples to add on each side.
        mode: mirror the signal, or zeros.

    Returns:
        (B, S + 2 * padding), zero beyond each item's padding.

    Raises:
        MediaError: an item is too short to be mirrored.
    """
    shortest = waveform.shape[-1] if lengths is None else int(lengths.min())
    if mode == "reflect" and shortest <= padding:
        raise MediaError(
            f"waveform: {shortest} samples are too short for this mel front-end; "
            f"expected more than {padding}, pad the recording with silence"
        )
    if lengths is None:
        return F.pad(waveform, (padding, padding), mode=mode)
    place = torch.arange(-padding, waveform.shape[-1] + padding, device=waveform.device)
    end = lengths.to(waveform.device)[:, None]
    if mode == "constant":
        inside = (place >= 0) & (place < end)
        return F.pad(waveform, (padding, padding)) * inside
    mirrored = torch.where(place < end, place.abs(), 2 * (end - 1) - place)
    values = waveform.gather(1, mirrored.clamp(min=0))
    return values * (place < end + padding)


def fft_spectrum(padded: Tensor, window: Tensor, hop_length: int) -> tuple[Tensor, Tensor]:
    """Real and imaginary parts (B, F, T) of the windowed frames of `padded` (B, S) by FFT."""
    spectrum = torch.stft(
        padded, len(window), hop_length, window=window, center=False, return_complex=True
    )
    return spectrum.real, spectrum.imag


def matrix_spectrum(padded: Tensor, basis: Tensor, hop_length: int) -> tuple[Tensor, Tensor]:
    """The same by one convolution with `fourier_basis`.

    parity: some front-ends were defined by this float32 matrix; in near-silent bins its rounding
    is not that of an FFT.
    """
    real, imag = F.conv1d(padded[:, None], basis[:, None], stride=hop_length).chunk(2, dim=1)
    return real, imag


def fourier_basis(n_fft: int) -> Tensor:
    """Windowed cosines and negative sines (2 * (n_fft // 2 + 1), n_fft) float32 on the CPU."""
    kind: dict[str, Any] = {"dtype": torch.float64, "device": torch.device("cpu")}
    # the product is reduced to one turn first, so that large angles lose no digits
    bins, samples = (torch.arange(n, **kind) for n in (n_fft // 2 + 1, n_fft))
    angle = torch.outer(bins, samples) % n_fft * (2 * torch.pi / n_fft)
    window = torch.hann_window(n_fft, **kind).float()
    basis: Tensor = torch.cat([angle.cos(), -angle.sin()]).float() * window
    return basis
