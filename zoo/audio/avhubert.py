"""AV-HuBERT's sound input: four stacked log filter banks, 104 numbers for each video frame.

The filter bank is `logfbank` of python_speech_features 0.6 with its defaults: triangles with
corners on FFT bins, rectangular windows of 25 ms every 10 ms, on samples of 16-bit size.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

SAMPLE_RATE = 16_000
STACK = 4
NUM_BANDS = 26
_FRAME, _HOP, _N_FFT = 400, 160, 512
_PRE_EMPHASIS = 0.97
_FULL_SCALE = 32768.0
_TINY = torch.finfo(torch.float64).eps  # stands for a band without energy


def avhubert_features(
    waveform: Tensor, num_frames: int | None = None, *, normalize: bool = True
) -> Tensor:
    """The input of AV-HuBERT's audio stream.

    Args:
        waveform: (S,) float in [-1, 1] at 16 kHz.
        num_frames: video frames; features are cut or filled with zeros to as many.
        normalize: layer normalisation of every row, as all released models want it.

    Returns:
        (T, 104) float32 at 25 Hz.
    """
    bands = log_filterbank(to_int16(waveform).double()).float()
    bands = functional.pad(bands, (0, 0, 0, -len(bands) % STACK))
    stacked = bands.reshape(-1, STACK * NUM_BANDS)
    if num_frames is not None:
        # before the normalisation, which leaves rows of zeros as they are
        stacked = functional.pad(stacked, (0, 0, 0, max(0, num_frames - len(stacked))))[:num_frames]
    return functional.layer_norm(stacked, stacked.shape[1:]) if normalize else stacked


def to_int16(waveform: Tensor) -> Tensor:
    """Samples in [-1, 1] as 16-bit files hold them, (S,) int16."""
    return (waveform * _FULL_SCALE).round().clamp(-_FULL_SCALE, _FULL_SCALE - 1).to(torch.int16)


def log_filterbank(samples: Tensor) -> Tensor:
    """Log filter-bank energies of samples of 16-bit size.

    Args:
        samples: (S,) float64.

    Returns:
        (T, 26) float64 at 100 Hz; the last frame is filled up with zeros.
    """
    emphasised = torch.cat([samples[:1], samples[1:] - _PRE_EMPHASIS * samples[:-1]])
    surplus = max(0, len(samples) - _FRAME)
    frames = 1 + -(-surplus // _HOP)
    padded = functional.pad(emphasised, (0, (frames - 1) * _HOP + _FRAME - len(samples)))
    spectrum = torch.fft.rfft(padded.unfold(0, _FRAME, _HOP), _N_FFT)
    energy = (spectrum.abs().square() / _N_FFT) @ _bank().T
    return torch.where(energy == 0, _TINY, energy).log()


@lru_cache(maxsize=1)
def _bank() -> Tensor:
    """Triangles (26, 257) float64."""
    top = 2595 * torch.log10(torch.tensor(1 + SAMPLE_RATE / 2 / 700, dtype=torch.float64))
    mels = torch.linspace(0, float(top), NUM_BANDS + 2, dtype=torch.float64)
    corners = ((_N_FFT + 1) * 700 * (10 ** (mels / 2595) - 1) / SAMPLE_RATE).floor()
    bins = torch.arange(_N_FFT // 2 + 1, dtype=torch.float64)
    low, middle, high = (corners[k : NUM_BANDS + k, None] for k in range(3))
    rising = torch.where((bins >= low) & (bins < middle), (bins - low) / (middle - low), 0.0)
    falling = torch.where((bins >= middle) & (bins < high), (high - bins) / (high - middle), 0.0)
    return rising + falling
