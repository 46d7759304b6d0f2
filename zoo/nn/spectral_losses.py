"""Losses between waveforms by their spectra: log-mel, and short-time Fourier at several sizes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.audio.mel import mel_front_end

# window lengths in samples; hop is a quarter (Parallel WaveGAN uses 512 to 2048)
RESOLUTIONS = (256, 512, 1024)
_FLOOR = 1e-5


class MelLoss(nn.Module):
    """Mean absolute difference of log-mel spectra.

    Args:
        front_end: a name of `zoo.audio.mel`; `hifigan16k` is what the vocoders were trained with.
    """

    def __init__(self, front_end: str = "hifigan16k") -> None:
        super().__init__()
        self.mel = mel_front_end(front_end)

    def forward(self, made: Tensor, real: Tensor) -> Tensor:
        """Distance of waveforms (B, S)."""
        return F.l1_loss(self.mel(made), self.mel(real))


class MultiResolutionSTFTLoss(nn.Module):
    """Spectral convergence and log-magnitude distance at several window lengths.

    arXiv 1910.11480, equations 3 to 6.

    Args:
        resolutions: window lengths in samples.
    """

    def __init__(self, resolutions: Sequence[int] = RESOLUTIONS) -> None:
        super().__init__()
        self.resolutions = tuple(resolutions)

    def forward(self, made: Tensor, real: Tensor) -> Tensor:
        """Distance of waveforms (B, S)."""
        terms = [_spectral_distance(made, real, size) for size in self.resolutions]
        return torch.stack(terms).mean()


def _spectral_distance(made: Tensor, real: Tensor, size: int) -> Tensor:
    ours, theirs = (_magnitude(x.float(), size) for x in (made, real))
    convergence = (ours - theirs).norm(dim=(1, 2)) / theirs.norm(dim=(1, 2)).clamp(min=_FLOOR)
    return torch.as_tensor(convergence.mean() + F.l1_loss(ours.log(), theirs.log()))


def _magnitude(waveform: Tensor, size: int) -> Tensor:
    window = torch.hann_window(size, device=waveform.device)
    spectrum = torch.stft(waveform, size, size // 4, window=window, return_complex=True)
    # the square root has no gradient at zero
    magnitude: Tensor = (spectrum.real.square() + spectrum.imag.square() + _FLOOR**2).sqrt()
    return magnitude
