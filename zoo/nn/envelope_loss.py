"""A loss of what STOI measures: how the loudness of frequency bands moves within 0.4 s.

Taal et al., "An Algorithm for Intelligibility Prediction of Time-Frequency Weighted Noisy Speech"
(2011), of log-mels or of waveforms, and without its clipping, so that gradients flow everywhere.
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
_FRAME_SECONDS: Final = 0.0256  # of waveforms; neighbours overlap by half
_BINS_A_FRAME: Final = 2.5  # zeros follow a frame, so that the lowest thirds have bins


def envelope_distance(made: Tensor, real: Tensor, mel: MelFrontEnd) -> Tensor:
    """One minus the mean correlation of the bands' loudness in windows of 384 ms, in [0, 2].

    Silent windows of `real` do not count, nor does how loud `made` is.

    Args:
        made: log-mel (B, num_mels, T), natural logarithm.
        real: likewise.
        mel: the front-end of both; its power must be 1.
    """
    config = mel.config
    with torch.autocast(made.device.type, enabled=False):
        bands = third_octaves(mel)
        ours, theirs = (_loudness_of_mel(x, bands) for x in (made, real))
        return _distance(ours, theirs, config.sample_rate / config.hop_length)


def spoken_envelope_distance(made: Tensor, real: Tensor, sample_rate: int) -> Tensor:
    """The same of waveforms, in the frames of STOI itself: half as long as those of most mels, so that
    it sees what a vocoder leaves rough within them.

    Args:
        made: (B, S); of less than two frames (26 ms) nothing moves, and the distance is 1.
        real: likewise.
        sample_rate: of both, Hz.
    """
    with torch.autocast(made.device.type, enabled=False):
        ours, theirs = (_loudness_of_speech(x.float(), sample_rate) for x in (made, real))
        return _distance(ours, theirs, sample_rate / _hop(sample_rate))


def _distance(ours: Tensor, theirs: Tensor, rate: float) -> Tensor:
    """Of loudness (B, bands, T) at `rate` frames a second."""
    window = max(2, round(_SECONDS * rate))
    length = min(ours.shape[2], window)
    ours, theirs = (x.unfold(2, length, max(1, length // _STEPS)) for x in (ours, theirs))
    power = theirs.square().sum(dim=(1, 3))  # (B, windows)
    heard = power > _RANGE * power.amax(dim=1, keepdim=True)
    ours, theirs = (x - x.mean(dim=3, keepdim=True) for x in (ours, theirs))
    norms = ours.square().sum(dim=3) * theirs.square().sum(dim=3)
    correlation = (ours * theirs).sum(dim=3) / (norms + _TINY).sqrt()
    return 1 - (correlation.mean(dim=1) * heard).sum() / heard.sum().clamp(min=1)


def _loudness_of_mel(log_mel: Tensor, bands: Tensor) -> Tensor:
    """(B, num_mels, T) -> (B, bands, T)."""
    power = log_mel.float().clamp(max=_LOUDEST).exp().square()
    return (bands @ power + _TINY).sqrt()


def _loudness_of_speech(waveform: Tensor, sample_rate: int) -> Tensor:
    """(B, S) -> (B, bands, T)."""
    hop = _hop(sample_rate)
    bins = round(_BINS_A_FRAME * 2 * hop)
    window = torch.hann_window(2 * hop, device=waveform.device)
    mode = "reflect" if waveform.shape[1] > bins // 2 else "constant"
    spectrum = torch.stft(waveform, bins, hop, 2 * hop, window, pad_mode=mode, return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    places = torch.arange(power.shape[1], device=waveform.device) * sample_rate / bins
    return (_thirds(places) @ power + _TINY).sqrt()


def _hop(sample_rate: int) -> int:
    return max(1, round(_FRAME_SECONDS * sample_rate / 2))


def third_octaves(mel: MelFrontEnd) -> Tensor:
    """Which of a front-end's bands lie in which third of an octave, (15, num_mels) of 0 and 1.

    A third without a band (narrow ones at few mels) takes the nearest.
    """
    centers, _ = mel.band_shapes()
    return _thirds(centers)


def _thirds(hz: Tensor) -> Tensor:
    """Which of the frequencies (F,) lie in which third, (15, F), as `third_octaves`."""
    middles = _LOWEST_HZ * 2 ** (torch.arange(_BANDS, device=hz.device) / 3)
    octaves = (hz.clamp(min=1.0).log2() - middles.log2()[:, None]).abs()
    inside = octaves < 1 / 6
    nearest = F.one_hot(octaves.argmin(dim=1), len(hz)).bool()
    return torch.where(inside.any(dim=1, keepdim=True), inside, nearest).float()
