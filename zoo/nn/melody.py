"""Pitch as an input that may be left out: what the harmonics do to the bands of a spectrum."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

from zoo.audio.mel import MelFrontEnd

UNKNOWN: Final = -1.0
"""A pitch that is not given."""
_BANDS: Final = 48
_LOWEST_HZ: Final = 60.0
_HIGHEST_HZ: Final = 2500.0  # bands of 80 mels above that are wider than harmonics are apart
_MIDDLE_HZ: Final = 150.0


class Melody(nn.Module):
    """A linear map of what is known of the pitch, zero at the start and for an unknown pitch.

    Args:
        channels: size of the output, C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(_BANDS + 3, channels, bias=False)
        nn.init.zeros_(self.linear.weight)

    def forward(self, f0: Tensor) -> Tensor:
        """(B, T) Hz, 0 unvoiced, negative unknown -> (B, T, C)."""
        made: Tensor = self.linear(harmonics(f0.float()).to(self.linear.weight.dtype))
        return made


def harmonics(f0: Tensor) -> Tensor:
    """Of a pitch (B, T) float32: (B, T, 51).

    How near 48 frequencies, evenly spaced in mels, lie to a harmonic (1 on one, -1 in the middle
    between two); the logarithm of the pitch; whether it is voiced; whether it is known.
    """
    hz = _frequencies(f0.device)
    voiced, known = (f0 > 0).unsqueeze(2), (f0 >= 0).unsqueeze(2)
    pitch = f0.clamp(min=1.0).unsqueeze(2)
    near = torch.cos(2 * math.pi * hz / pitch)
    height = torch.log(pitch / _MIDDLE_HZ)
    return torch.cat([near * voiced, height * voiced, voiced, known], dim=2)


def band_harmonics(f0: Tensor, mel: MelFrontEnd) -> Tensor:
    """What the harmonics of a pitch (B, T) leave in the bands of a mel, (B, num_mels, T) in [-1, 1].

    It is the mean over a band's triangle of a cosine that is 1 on harmonics and -1 between them:
    nothing where the triangle is wider than harmonics are apart, nor for a pitch that is not voiced
    or not known.
    """
    pitch = f0.float().clamp(min=1.0).unsqueeze(1)
    middle, half = (x[:, None] for x in mel.band_shapes())
    left = torch.cos(2 * math.pi * middle / pitch) * torch.sinc(half / pitch).square()
    return left * (f0 > 0).unsqueeze(1)


def _frequencies(device: torch.device) -> Tensor:
    low, high = (math.log1p(hz / 700) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
    return 700 * torch.expm1(torch.linspace(low, high, _BANDS, device=device))
