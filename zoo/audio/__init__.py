"""Sound in and out: reading any common file, resampling, writing, mel front-ends."""

from __future__ import annotations

from zoo.audio.decode import AudioInfo, probe_audio
from zoo.audio.read import (
    SAMPLE_RATE,
    as_waveform,
    check_sound,
    load_audio,
    stream_audio,
)
from zoo.audio.resample import resample
from zoo.audio.write import save_audio

__all__ = [
    "SAMPLE_RATE",
    "AudioInfo",
    "as_waveform",
    "check_sound",
    "load_audio",
    "probe_audio",
    "resample",
    "save_audio",
    "stream_audio",
]
