"""Decoding pictures one by one, each with its time stamp and the right way up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import torch
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from torch import Tensor

from zoo.audio.files import check_file, damaged, open_container
from zoo.errors import MediaError

VIDEO = "a video (mp4, avi, mkv, webm ...)"


@dataclass(frozen=True)
class VideoInfo:
    """What the header of a video says; its size is the one shown, after any rotation."""

    path: Path
    """The file."""
    fps: float
    """Average frames a second of the file."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    duration_s: float | None
    """Seconds of the picture track, None where the format does not say."""
    rotation: int
    """Degrees (0, 90, 180, 270) that the stored pictures are turned counter-clockwise."""
    has_audio: bool
    """Whether there is a sound track."""
    codec: str
    """Name of the picture codec."""


class TimedFrame(NamedTuple):
    """A decoded picture that is still in the codec's colour format."""

    time: Fraction
    """Seconds after the first picture."""
    duration: Fraction
    """Seconds it stays on screen."""
    frame: VideoFrame
    """The picture itself; `to_rgb` unpacks it."""


def probe_video(path: str | Path) -> VideoInfo:
    """Read the header of a video and its first picture.

    Raises:
        MediaError: not a readable video, or a recording without pictures.
    """
    path = check_file(path, VIDEO)
    with open_container(path, VIDEO) as container:
        stream = _picture_stream(path, container)
        ticks, unit = stream.duration, stream.time_base or Fraction(1)
        duration = container.duration / av.time_base if container.duration else None
        first = next(_decode(path, container, stream))
        rotation = _rotation(first)
        wide = rotation % 180 == 0
        return VideoInfo(
            path=path,
            fps=float(_rate(path, stream)),
            width=first.width if wide else first.height,
            height=first.height if wide else first.width,
            duration_s=duration if ticks is None else float(ticks * unit),
            rotation=rotation,
            has_audio=bool(container.streams.audio),
            codec=stream.codec_context.name,
        )


def timed_frames(path: Path) -> Iterator[TimedFrame]:
    """Decode every picture of a video in the order shown.

    Times are the file's own time stamps. Where there are none, or where the format keeps only the
    order of decoding (avi with B-frames), pictures are taken to be evenly spaced.
    """
    with open_container(path, VIDEO) as container:
        stream = _picture_stream(path, container)
        step = 1 / _rate(path, stream)
        stamped = _has_time_stamps(container, stream)
        first: Fraction | None = None
        time = -step
        for frame in _decode(path, container, stream):
            unit = frame.time_base or stream.time_base
            if stamped and frame.pts is not None and unit is not None:
                first = frame.pts * unit if first is None else first
                now = frame.pts * unit - first
            else:
                now = time + step
            time = now if now > time else time + step
            length = frame.duration * unit if frame.duration and unit and stamped else step
            yield TimedFrame(time, length, frame)


def to_rgb(frame: VideoFrame) -> Tensor:
    """Unpack a picture: (3, H, W) uint8 RGB, turned as the file asks."""
    pixels = np.rot90(frame.to_ndarray(format="rgb24"), _rotation(frame) // 90)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def _decode(path: Path, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    count = 0
    try:
        for frame in container.decode(stream):
            count += 1
            yield frame
    except av.FFmpegError as error:
        raise damaged(path, "its picture track", error) from error
    if count == 0:
        raise MediaError(f"{path}: holds no pictures (zero length); expected {VIDEO}")


def _picture_stream(path: Path, container: InputContainer) -> VideoStream:
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:  # the cover of a recording
            return stream
    what = "has sound but no pictures" if container.streams.audio else "holds no pictures"
    raise MediaError(f"{path}: {what}; expected {VIDEO}, pass the file that holds them")


def _has_time_stamps(container: InputContainer, stream: VideoStream) -> bool:
    return not (container.format.name == "avi" and stream.codec_context.has_b_frames)


def _rate(path: Path, stream: VideoStream) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    if not rate or rate > 10_000:
        raise MediaError(
            f"{path}: states no usable frame rate ({rate}); write it again with a rate, e.g. 25 fps"
        )
    return Fraction(rate)


def _rotation(frame: VideoFrame) -> int:
    """Counter-clockwise turn in whole quarters."""
    return round(frame.rotation / 90) % 4 * 90
