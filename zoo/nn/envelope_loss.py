"""A loss of what STOI measures: how the loudness of frequency bands moves within 0.4 s.

Taal et al., "An Algorithm for Intelligibility Prediction of Time-Frequency Weighted Noisy Speech"
(2011), on the bands of a log-mel and without its clipping, so that gradients flow everywhere.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.audio.mel import MelFrontEnd

_BANDS: Final = 15  # thirds of an octave
_LOWEST_HZ: Final = 150.0  # middle of the first
_SECONDS: Final = 0.384
_STEPS: Final = 12  # windows begin this many to a window's length
_RANGE: Final = 1e-4  # power below that of the loudest window at which one is silence: 40 dB
_TINY: Final = 1e-9
# no mel of a waveform in [-1, 1] is louder; a guard of the exponential
_LOUDEST: Final = 6.0


def envelope_distance(made: Tensor, real: Tensor, mel: MelFrontEnd) -> Tensor:
    """One minus the mean correlation of the bands' loudness in windows of 384 ms, in [0, 2].

    Silent windows of `real` do not count, nor does how loud `made` is.

    Args:
        made: log-mel (B, num_mels, T), natural logarithm.
        real: likewise.
        mel: the front-end of both; its power must be 1.
    """
    config = mel.config
    window = max(2, round(_SECONDS * config.sample_rate / config.hop_length))
    length = min(made.shape[2], window)
    step = max(1, length // _STEPS)
    with torch.autocast(made.device.type, enabled=False):
        bands = third_octaves(mel)
        ours, theirs = (_loudness(x, bands).unfold(2, length, step) for x in (made, real))
    power = theirs.square().sum(dim=(1, 3))  # (B, windows)
    heard = power > _RANGE * power.amax(dim=1, keepdim=True)
    ours, theirs = (x - x.mean(dim=3, keepdim=True) for x in (ours, theirs))
    norms = ours.square().sum(dim=3) * theirs.square().sum(dim=3)
    correlation = (ours * theirs).sum(dim=3) / (norms + _TINY).sqrt()
    return 1 - (correlation.mean(dim=1) * heard).sum() / heard.sum().clamp(min=1)


def _loudness(log_mel: Tensor, bands: Tensor) -> Tensor:
    """(B, num_mels, T) -> (B, bands, T)."""
    power = log_mel.float().clamp(max=_LOUDEST).exp().square()
    return (bands @ power + _TINY).sqrt()


def third_octaves(mel: MelFrontEnd) -> Tensor:
    """Which of a front-end's bands lie in which third of an octave, (15, num_mels) of 0 and 1.

    A third without a band (narrow ones at few mels) takes the nearest.
    """
    centers, _ = mel.band_shapes()
    middles = _LOWEST_HZ * 2 ** (torch.arange(_BANDS, device=centers.device) / 3)
    octaves = (centers.clamp(min=1.0).log2() - middles.log2()[:, None]).abs()
    inside = octaves < 1 / 6
    nearest = F.one_hot(octaves.argmin(dim=1), len(centers)).bool()
    return torch.where(inside.any(dim=1, keepdim=True), inside, nearest).float()
