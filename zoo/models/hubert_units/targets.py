"""The first targets of HuBERT: cepstra (39 numbers) at the encoder's own frames."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.audio.avhubert import to_int16
from zoo.audio.mfcc import mfcc
from zoo.nn.hubert_config import HuBERTConfig

_HOP, _FRAME = 160, 400
_DELTA_REACH = 2
_FLOOR = 1e-3


def aligned_cepstra(waveform: Tensor, config: HuBERTConfig) -> Tensor:
    """Cepstra with first and second differences, normalised over the utterance.

    The normalisation takes out much of the voice and the microphone, which units should not name.

    Args:
        waveform: (S,) at 16 kHz, at least `config.receptive_field` samples.
        config: whose frames are wanted.

    Returns:
        (T, 39) float32 on the waveform's device.
    """
    samples = to_int16(waveform.detach().cpu())
    static = torch.from_numpy(mfcc(samples.numpy()).astype("float32"))
    rows = torch.cat([static, *_differences(static)], dim=1)
    rows = (rows - rows.mean(0)) / rows.std(0, correction=0).clamp(min=_FLOOR)
    frames = 1 + (len(waveform) - config.receptive_field) // config.stride
    # the row whose middle lies nearest to the middle of each frame
    middles = torch.arange(frames) * config.stride + config.receptive_field / 2
    nearest = ((middles - _FRAME / 2) / _HOP).round().long().clamp(0, len(rows) - 1)
    return rows[nearest].to(waveform.device)


def _differences(static: Tensor) -> list[Tensor]:
    """Regression slopes over five frames, and those of the slopes."""
    first = _slope(static)
    return [first, _slope(first)]


def _slope(rows: Tensor) -> Tensor:
    reach = _DELTA_REACH
    weights = torch.arange(-reach, reach + 1, dtype=rows.dtype)
    padded = F.pad(rows.T.unsqueeze(0), (reach, reach), mode="replicate")[0]
    return (padded.unfold(1, 2 * reach + 1, 1) @ weights).T / weights.square().sum()
