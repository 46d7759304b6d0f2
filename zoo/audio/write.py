"""Writing recordings."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from torch import Tensor

from zoo.audio.files import replacing
from zoo.audio.resample import check_rate
from zoo.errors import MediaError

_log = logging.getLogger(__name__)
_FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".ogg": ("OGG", "VORBIS"),
}


def save_audio(path: str | Path, waveform: Tensor, sample_rate: int) -> Path:
    """Write a mono recording; the ending of `path` picks wav, flac (both 16 bit), mp3 or ogg.

    Samples beyond [-1, 1] are clipped, with a warning. Loading a 16-bit file and saving it again
    gives the same samples.

    Args:
        path: the file to write; its folder is made.
        waveform: (S,) float in [-1, 1].
        sample_rate: Hz.

    Returns:
        The path written.

    Raises:
        MediaError: wrong shape, NaN, nothing to write, or a rate the format cannot hold.
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise MediaError(f"{path}: unknown audio ending; use one of {', '.join(_FORMATS)}")
    check_rate(sample_rate, str(path))
    samples = checked_samples(path, waveform)
    container, subtype = _FORMATS[path.suffix.lower()]
    if subtype == "PCM_16":
        data: NDArray[np.int16] | NDArray[np.float32] = to_int16(samples)
    else:
        data = samples.clip(-1, 1)
    with replacing(path) as part:
        try:
            soundfile.write(str(part), data, sample_rate, subtype, format=container)
        except soundfile.LibsndfileError as error:
            raise MediaError(
                f"{path}: cannot be written at {sample_rate} Hz ({error}); use wav or another rate"
            ) from error
    return path


def checked_samples(path: Path, waveform: Tensor) -> NDArray[np.float32]:
    """The samples to write as (S,) float32; `MediaError` where they cannot be a recording."""
    samples = waveform.detach().cpu().float().numpy()
    if samples.ndim != 1 or not len(samples):
        raise MediaError(f"{path}: expected a waveform (S,), not empty, got shape {samples.shape}")
    if not np.isfinite(samples).all():
        raise MediaError(f"{path}: not written, the waveform holds NaN or infinity")
    if np.abs(samples).max() > 1:
        _log.warning("%s: peak %.3f is above 1 and is clipped", path, np.abs(samples).max())
    return samples


def to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round to 16 bit with full scale 32768, the inverse of what reading does."""
    scaled: NDArray[np.float32] = np.rint(samples * 32768.0).clip(-32768, 32767)
    return scaled.astype(np.int16)
