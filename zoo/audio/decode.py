"""Decoding sound block by block: libsndfile for wav, flac, mp3 and ogg, FFmpeg for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from numpy.typing import NDArray

from zoo.audio.files import check_complete, check_file, damaged, open_container, truncated
from zoo.audio.resample import check_rate
from zoo.errors import MediaError

RECORDING = "a recording (wav, flac, mp3, ogg, or the sound of an mp4 or avi)"
_BLOCK = 1 << 16  # samples
Block = NDArray[np.float32]  # (n, C)


@dataclass(frozen=True)
class AudioInfo:
    """What the header of a recording says, without decoding it."""

    path: Path
    """The file."""
    sample_rate: int
    """Hz."""
    channels: int
    """1 = mono."""
    duration_s: float | None
    """Seconds, None where the format does not say."""
    codec: str
    """Name of the codec, as the reading library calls it."""


def probe_audio(path: str | Path) -> AudioInfo:
    """Read the header of a recording, or of the sound of a video.

    Raises:
        MediaError: not a readable recording, or a video without sound.
    """
    path = check_file(path, RECORDING)
    check_complete(path)
    info = _sndfile_info(path)
    if info is None:
        with open_container(path, RECORDING) as container:
            return _stream_info(path, _audio_stream(path, container))
    check_rate(info.samplerate, str(path))
    duration = info.frames / info.samplerate
    return AudioInfo(path, info.samplerate, info.channels, duration, info.subtype)


def read_blocks(path: str | Path) -> tuple[AudioInfo, Iterator[Block]]:
    """Open a recording for reading from start to end.

    Returns:
        Its header, and an iterator of blocks (n, C) float32 at the file's own rate. The iterator
        raises `MediaError` where the file is truncated, damaged, empty or holds NaN.
    """
    info = probe_audio(path)
    from_sndfile = _sndfile_info(info.path) is not None
    blocks = _sndfile_blocks(info) if from_sndfile else _container_blocks(info.path)
    return info, _checked(info, blocks)


def _sndfile_info(path: Path) -> Any | None:
    """libsndfile's view of the file, None when it is none of its formats."""
    try:
        return soundfile.info(str(path))
    except soundfile.LibsndfileError:
        return None


def _sndfile_blocks(info: AudioInfo) -> Iterator[Block]:
    done = 0
    with soundfile.SoundFile(str(info.path)) as file:
        promised = file.frames
        while True:
            try:
                block = file.read(_BLOCK, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise damaged(info.path, "its sound", error) from error
            if not len(block):
                break
            done += len(block)
            yield block
    if done < promised:
        seconds = (f"{done / info.sample_rate:.2f} s", f"{promised / info.sample_rate:.2f} s")
        raise truncated(info.path, *seconds)


def _audio_stream(path: Path, container: InputContainer) -> AudioStream:
    if not container.streams.audio:
        what = "has pictures but no sound" if container.streams.video else "holds no sound"
        raise MediaError(f"{path}: {what}; expected {RECORDING}, pass the sound as its own file")
    stream = container.streams.audio[0]
    check_rate(stream.codec_context.sample_rate, str(path))
    return stream


def _stream_info(path: Path, stream: AudioStream) -> AudioInfo:
    context = stream.codec_context
    duration = _declared_seconds(stream)
    return AudioInfo(path, context.sample_rate, context.channels, duration, context.name)


def _declared_seconds(stream: AudioStream) -> float | None:
    return None if stream.duration is None else float(_seconds(stream, stream.duration))


def _seconds(stream: Stream, ticks: int) -> Fraction:
    return ticks * (stream.time_base or Fraction(1, av.time_base))


def _offset_samples(container: InputContainer, stream: AudioStream) -> int:
    """Samples by which the sound starts after (> 0) or before (< 0) the first picture."""
    for video in container.streams.video:
        is_cover = bool(video.disposition & Disposition.attached_pic)
        if not is_cover and video.start_time is not None and stream.start_time is not None:
            delay = _seconds(stream, stream.start_time) - _seconds(video, video.start_time)
            return round(delay * stream.codec_context.sample_rate)
    return 0


def _container_blocks(path: Path) -> Iterator[Block]:
    """The sound on the time line of the pictures: sample 0 belongs to the first frame."""
    with open_container(path, RECORDING) as container:
        stream = _audio_stream(path, container)
        offset = _offset_samples(container, stream)
        if offset > 0:
            yield np.zeros((offset, stream.codec_context.channels), np.float32)
        yield from _cut(_packets(path, container, stream), max(0, -offset), _track_end(stream))


def _cut(blocks: Iterator[Block], start: int, end: int | None) -> Iterator[Block]:
    """The samples from `start` to `end` (None = all) of a run of blocks."""
    done = 0
    for block in blocks:
        stop = len(block) if end is None else max(0, end - done)
        yield block[max(0, start - done) : stop]
        done += len(block)


def _track_end(stream: AudioStream) -> int | None:
    """Samples that mp4 says the track has: encoders fill the last AAC packet up with zeros."""
    seconds = _declared_seconds(stream)
    if seconds is None or "mp4" not in stream.container.format.name:
        return None
    return round(seconds * stream.codec_context.sample_rate)


def _packets(path: Path, container: InputContainer, stream: AudioStream) -> Iterator[Block]:
    rate, layout = stream.codec_context.sample_rate, stream.codec_context.layout
    to_float = av.AudioResampler(format="fltp", layout=layout, rate=rate)
    try:
        for frame in chain(container.decode(stream), [None]):
            for part in to_float.resample(frame):
                yield part.to_ndarray().astype(np.float32, copy=False).T
    except av.FFmpegError as error:
        raise damaged(path, "its sound", error) from error


def _checked(info: AudioInfo, blocks: Iterator[Block]) -> Iterator[Block]:
    done = 0
    for block in blocks:
        if not np.isfinite(block).all():
            first = done + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
            raise MediaError(
                f"{info.path}: holds NaN or infinity, first at {first / info.sample_rate:.3f} s; "
                "expected finite samples, write the file again"
            )
        done += len(block)
        yield block
    if done == 0:
        raise MediaError(
            f"{info.path}: holds no samples (zero length); expected {RECORDING}, record it again"
        )
