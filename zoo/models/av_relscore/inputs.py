"""From clips and recordings to what the networks take (sheet sections 5 and 6)."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from zoo.audio import as_waveform
from zoo.errors import MediaError
from zoo.models.av_relscore.config import InputConfig
from zoo.tasks import SpeechLike, VideoLike
from zoo.video.mouth_source import Source

FPS: Final = 25
SAMPLE_RATE: Final = 16_000
SAMPLES_PER_FRAME: Final = SAMPLE_RATE // FPS


def video_input(video: VideoLike, config: InputConfig, landmarks: Source | None = None) -> Tensor:
    """Normalised mouths (T, H, W) of a clip; `landmarks` as for `mouth_crops`.

    Raises:
        MediaError: the clip cannot be read, or no mouth can be cut out of it.
    """
    return config.window.model_input(config.window.crops(video, config.pipeline, landmarks))


def audio_input(audio: SpeechLike, config: InputConfig, frames: int | None = None) -> Tensor:
    """Standardised samples (S,) of a recording, as long as a number of video frames.

    Silence stays as it is: all zeros.

    Args:
        audio: the recording.
        config: how the length is reckoned.
        frames: of the video; None: as many as the recording has.

    Raises:
        MediaError: it cannot be read, or is shorter than one frame.
    """
    waveform = as_waveform(audio)
    wanted = (len(waveform) // SAMPLES_PER_FRAME if frames is None else frames) * SAMPLES_PER_FRAME
    if config.official_length and frames is not None:
        # parity: one sample short of 640 a frame for some lengths, by the rounding of the division
        wanted = int(frames / FPS * SAMPLE_RATE)
    if len(waveform) < SAMPLES_PER_FRAME:
        raise MediaError(f"{len(waveform)} samples of sound: less than one frame of 40 ms")
    waveform = torch.nn.functional.pad(waveform[:wanted], (0, max(0, wanted - len(waveform))))
    return standardize(waveform)


def standardize(waveform: Tensor) -> Tensor:
    """Zero mean and unit variance (S,); silence becomes zeros."""
    centred = waveform - waveform.mean()
    deviation = centred.square().mean().sqrt()
    return centred / deviation if deviation > 0 else torch.zeros_like(waveform)
