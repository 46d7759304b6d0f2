"""Recordings as tensors: whole, in pieces, or from whatever a task method was given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo.audio.decode import Block, read_blocks
from zoo.audio.resample import check_rate, resample, resample_blocks
from zoo.errors import MediaError
from zoo.tasks import Speech, SpeechLike

SAMPLE_RATE = 16_000
# one step of a 16-bit recording: nothing louder than this is sound
SILENCE_PEAK = 2.0**-15
# float samples beyond this were never divided by the integer full scale
_UNSCALED_PEAK = 64.0


def load_audio(
    path: str | Path,
    sample_rate: int = SAMPLE_RATE,
    mono: bool = True,
    *,
    require_sound: bool = False,
    convert_rate: bool = True,
) -> Tensor:
    """Load a recording (wav, flac, mp3, ogg ...) or the sound of a video (mp4, avi ...).

    The sound of a video starts with its first picture: what comes before is cut, a late start is
    filled with silence. Channels are averaged to mono. Silence is accepted by default.

    Args:
        path: the file.
        sample_rate: rate of the result in Hz; the file's own rate is converted (soxr HQ).
        mono: average the channels.
        require_sound: reject a recording in which nothing is louder than one 16-bit step.
        convert_rate: False rejects a file whose rate is not `sample_rate`.

    Returns:
        (S,) float32, or (C, S) with `mono=False`.

    Raises:
        MediaError: the file is missing, a folder, unreadable, empty, truncated, without sound,
            of an impossible rate, or holds NaN; the message names it.
    """
    check_rate(sample_rate, "load_audio")
    info, blocks = read_blocks(path)
    if not convert_rate and info.sample_rate != sample_rate:
        raise MediaError(
            f"{info.path}: is at {info.sample_rate} Hz, expected {sample_rate} Hz; "
            "resample the file or allow it with convert_rate=True"
        )
    samples = np.concatenate([_mix(block) if mono else block for block in blocks])
    waveform = resample(torch.from_numpy(samples.T.copy()), info.sample_rate, sample_rate)
    _check_length(waveform, str(info.path))
    if require_sound:
        check_sound(waveform, str(info.path))
    return waveform


def stream_audio(
    path: str | Path, chunk_s: float = 10.0, sample_rate: int = SAMPLE_RATE
) -> Iterator[Tensor]:
    """Read a recording of any length in constant memory.

    Args:
        path: the file.
        chunk_s: length of a piece in seconds.
        sample_rate: rate of the result in Hz.

    Yields:
        (S,) float32 mono; all of `round(chunk_s * sample_rate)` samples except the last, and
        together the same samples as `load_audio` gives.
    """
    size = round(chunk_s * sample_rate)
    if size < 1:
        raise MediaError(f"{path}: chunk_s={chunk_s} is no length; use seconds above 0")
    check_rate(sample_rate, "stream_audio")
    info, blocks = read_blocks(path)
    mono = (_mix(block) for block in blocks)
    waiting: list[Block] = []
    have = 0
    for block in resample_blocks(mono, info.sample_rate, sample_rate):
        waiting.append(block)
        have += len(block)
        while have >= size:
            joined = np.concatenate(waiting)
            yield torch.from_numpy(joined[:size].copy())
            waiting, have = [joined[size:]], have - size
    if have:
        yield torch.from_numpy(np.concatenate(waiting))


def as_waveform(
    speech: SpeechLike, sample_rate: int = SAMPLE_RATE, *, require_sound: bool = False
) -> Tensor:
    """The waveform of anything a task method takes for speech.

    Args:
        speech: a path, a tensor (S,) that is already at `sample_rate`, or a `Speech`.
        sample_rate: rate of the result in Hz.
        require_sound: reject silence.

    Returns:
        (S,) float32.

    Raises:
        MediaError: the file cannot be used, or the tensor is empty, not (S,), not float, NaN.
    """
    if isinstance(speech, (str, Path)):
        return load_audio(speech, sample_rate, require_sound=require_sound)
    if isinstance(speech, Speech):
        waveform = _check_tensor(speech.waveform)
        waveform = resample(waveform, speech.sample_rate, sample_rate)
    elif isinstance(speech, Tensor):
        waveform = _check_tensor(speech).to(torch.float32)
    else:
        raise MediaError(
            f"expected speech as a path, a waveform tensor (S,) at {sample_rate} Hz or a Speech, "
            f"got {type(speech).__name__}"
        )
    _check_length(waveform, "waveform")
    if require_sound:
        check_sound(waveform, "waveform")
    return waveform


def check_sound(waveform: Tensor, where: str) -> None:
    """Raise `MediaError` when nothing in `waveform` is louder than one 16-bit step."""
    if float(waveform.abs().max()) <= SILENCE_PEAK:
        raise MediaError(f"{where}: is silent; expected sound, check the microphone or the track")


def _mix(block: Block) -> Block:
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)


def _check_length(waveform: Tensor, where: str) -> None:
    if waveform.shape[-1] == 0:
        raise MediaError(f"{where}: holds no samples (zero length); expected a recording")


def _check_tensor(waveform: Tensor) -> Tensor:
    if waveform.ndim != 1:
        shape = tuple(waveform.shape)
        raise MediaError(f"waveform: expected shape (S,), got {shape}; pass a list for a batch")
    if not waveform.is_floating_point():
        raise MediaError(
            f"waveform: expected float samples in [-1, 1], got {waveform.dtype}; "
            "divide 16-bit samples by 32768"
        )
    _check_length(waveform, "waveform")
    if not bool(waveform.isfinite().all()):
        raise MediaError("waveform: holds NaN or infinity; expected finite samples")
    if float(waveform.abs().max()) > _UNSCALED_PEAK:
        raise MediaError(
            "waveform: peak far above 1; expected samples in [-1, 1], "
            "divide 16-bit samples by 32768"
        )
    return waveform.detach()
