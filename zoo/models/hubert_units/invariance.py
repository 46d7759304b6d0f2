"""Pairs for features that do not follow the voice: varied crops of recordings, frame by frame.

The encoder hears a crop played faster or slower, through another microphone, and has to say what a
frozen copy says of the recording as it is (after arXiv 2209.15483, whose quantiser learns so).
Where the same words are there in another voice, the crop may be one of those, aligned in time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

from zoo.audio.variation import changed_speed, equalized
from zoo.metrics.dtw import distances, warp
from zoo.models.hubert_units.config import InvarianceConfig
from zoo.nn.hubert_config import HuBERTConfig


@dataclass(frozen=True)
class VariedCrop:
    """A crop, and which frame of the known recording each of its frames belongs to.

    Attributes:
        waveform: (S,) what the encoder hears; zeros follow where the recording was too short.
        frames: (T,) int64 numbers of frames of the known recording; -1 where there is none.
    """

    waveform: Tensor
    frames: Tensor


def varied_crop(
    recording: Tensor,
    there: int,
    config: InvarianceConfig,
    encoder: HuBERTConfig,
    rng: Generator,
    frames: Tensor | None = None,
) -> VariedCrop:
    """Draw one.

    Args:
        recording: (S,) at 16 kHz, what is heard.
        there: its frames, T'.
        config: length of the crop and ranges of the variation.
        encoder: whose frames are matched.
        rng: all that is drawn follows it.
        frames: (T',) int64, which frame of the known recording belongs to each of these; None where
            that recording itself is heard.
    """
    faster = float(np.exp(rng.uniform(-config.speed, config.speed)))
    taken = min(len(recording), round(config.crop_samples * faster))
    start = int(rng.integers(len(recording) - taken + 1))
    varied = changed_speed(recording[start : start + taken], faster)[: config.crop_samples]
    gain = float(np.exp(rng.normal(0, config.level)))
    varied = gain * equalized(varied, config.tilt_db, rng)
    waveform = F.pad(varied, (0, config.crop_samples - len(varied)))

    # the frame of what is heard whose middle is nearest to that of each frame of the crop
    field, stride = encoder.receptive_field, encoder.stride
    middles = torch.arange(1 + (len(waveform) - field) // stride) * stride + field / 2
    nearest = ((start + middles * faster - field / 2) / stride).round().long()
    known = (middles <= len(varied)) & (nearest >= 0) & (nearest < there)
    if frames is not None:
        nearest = frames[nearest.clamp(0, there - 1)]
    return VariedCrop(waveform, torch.where(known, nearest, -1))


def aligned_frames(said: Tensor, other: Tensor) -> Tensor:
    """The frame of `said` that belongs to every frame of `other`, by dynamic time warping.

    Args:
        said: (T, d) features of a recording.
        other: (T', d) of the same words, said at another pace.

    Returns:
        (T',) int64, never falling; where several frames belong to one of `other`, the middle one.
    """
    path = warp(distances(said.double().numpy(), other.double().numpy()))
    ours, theirs = torch.tensor(path).T
    # the path is in order: what belongs to one frame of `other` lies in a row
    counts = torch.bincount(theirs)
    middle: Tensor = ours[counts.cumsum(0) - counts + (counts - 1) // 2]
    return middle
