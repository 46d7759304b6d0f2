"""Videos as tensors at a fixed frame rate.

How a clip of another or of a varying rate becomes `fps` frames a second: output frame k is the
decoded picture whose time stamp is nearest to k / fps (the earlier one of two that are equally
near), with time 0 at the first picture; the number of output frames is the length of the clip
times `fps`, rounded (half up), and at least one. Pictures are repeated or left out, never blended,
so mouth shapes stay as they were filmed, and a clip that already has this rate comes out frame by
frame. No picture moves by more than half its time on screen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import TypeVar

import torch
from av.video.frame import VideoFrame
from torch import Tensor

from zoo.audio.files import check_file
from zoo.audio.read import SAMPLE_RATE, load_audio
from zoo.errors import MediaError
from zoo.tasks import Speech, Video, VideoLike
from zoo.video.decode import VIDEO, probe_video, timed_frames, to_rgb

FPS = 25.0
# a whole video of more than this is refused, since the machine would run out of memory later
MAX_BYTES = 8 << 30
_HALF = Fraction(1, 2)
_Item = TypeVar("_Item")


def load_video(
    path: str | Path,
    fps: float = FPS,
    with_audio: bool = False,
    *,
    sample_rate: int = SAMPLE_RATE,
) -> Video:
    """Load a whole video at `fps` frames a second (the rule is at the top of this module).

    Args:
        path: the file; rotation metadata is applied.
        fps: frames a second of the result.
        with_audio: load the sound too; it starts with the first picture and is not cut to the
            pictures' length.
        sample_rate: rate of the sound in Hz.

    Returns:
        `Video` with frames (T, 3, H, W) uint8.

    Raises:
        MediaError: the file is missing, a folder, unreadable, empty, truncated, without pictures,
            without sound (`with_audio`), or too long to be held; the message names it.
    """
    path = check_file(path, VIDEO)
    _check_size(path, _fraction(fps, path))
    speech = None
    if with_audio:  # first, since a missing track is known at once
        speech = Speech(load_audio(path, sample_rate), sample_rate)
    frames = _stack(path, list(_pictures(path, fps)))
    return Video(frames, fps, speech)


def stream_video(path: str | Path, chunk_frames: int = 100, fps: float = FPS) -> Iterator[Tensor]:
    """Read the pictures of a video of any length in constant memory.

    Args:
        path: the file.
        chunk_frames: frames in a piece.
        fps: frames a second of the result.

    Yields:
        (T, 3, H, W) uint8; T is `chunk_frames` except in the last piece, and together the pieces
        are the frames that `load_video` gives.
    """
    path = check_file(path, VIDEO)
    if chunk_frames < 1:
        raise MediaError(f"{path}: chunk_frames={chunk_frames} is no length; use 1 or more")
    chunk: list[Tensor] = []
    for picture in _pictures(path, fps):
        chunk.append(picture)
        if len(chunk) == chunk_frames:
            yield _stack(path, chunk)
            chunk = []
    if chunk:
        yield _stack(path, chunk)


def as_video(video: VideoLike, fps: float = FPS, *, with_audio: bool = False) -> Video:
    """The video of anything a task method takes for one.

    Args:
        video: a path, a tensor (T, 3, H, W) uint8 that already has `fps` frames a second, or a
            `Video`, which is brought to `fps` by the same rule as a file.
        fps: frames a second of the result.
        with_audio: the sound is needed.

    Raises:
        MediaError: the file cannot be used, the tensor is no video, or the sound is missing.
    """
    if isinstance(video, (str, Path)):
        return load_video(video, fps, with_audio)
    if isinstance(video, Tensor):
        video = Video(video, fps)
    if not isinstance(video, Video):
        raise MediaError(
            "expected a video as a path, a tensor (T, 3, H, W) uint8 or a Video, "
            f"got {type(video).__name__}"
        )
    if with_audio and video.speech is None:
        raise MediaError("Video: has pictures but no sound; expected sound, set Video.speech")
    if video.fps == fps:
        return video
    step = 1 / _fraction(video.fps, "Video")
    times = ((i * step, step, i) for i in range(len(video.frames)))
    index = torch.tensor(list(retime(times, _fraction(fps, "Video"))))
    return Video(video.frames[index], fps, video.speech)


def retime(items: Iterable[tuple[Fraction, Fraction, _Item]], fps: Fraction) -> Iterator[_Item]:
    """Pick the item on screen for each slot of a fixed rate, in constant memory.

    Args:
        items: (time, duration, item) with rising times in seconds from 0.
        fps: slots a second.

    Yields:
        One item a slot, by the rule at the top of this module.
    """
    chosen: deque[tuple[int, _Item]] = deque()  # slots that may still lie beyond the end
    slot = 0
    last: tuple[Fraction, Fraction, _Item] | None = None
    for time, duration, item in items:
        while last is not None and slot <= (last[0] + time) / 2 * fps:
            chosen.append((slot, last[2]))
            slot += 1
        while chosen and chosen[0][0] + _HALF <= time * fps:
            yield chosen.popleft()[1]
        last = (time, duration, item)
    if last is None:
        return
    total = max(1, floor((last[0] + last[1]) * fps + _HALF))
    chosen.extend((late, last[2]) for late in range(slot, total))
    yield from (item for number, item in chosen if number < total)


def _pictures(path: Path, fps: float) -> Iterator[Tensor]:
    """The frames at `fps`; one that is shown twice is unpacked once, one left out never."""
    shown: tuple[VideoFrame, Tensor] | None = None
    for frame in retime(timed_frames(path), _fraction(fps, path)):
        if shown is None or shown[0] is not frame:
            shown = (frame, to_rgb(frame))
        yield shown[1]


def _fraction(fps: float, where: str | Path) -> Fraction:
    if not 0 < fps <= 1000:  # NaN fails this as well
        raise MediaError(f"{where}: frame rate {fps} is outside 0..1000; use e.g. fps=25")
    return Fraction(fps).limit_denominator(100_000)


def _check_size(path: Path, fps: Fraction) -> None:
    info = probe_video(path)
    size = (info.duration_s or 0.0) * float(fps) * info.width * info.height * 3
    if size > MAX_BYTES:
        raise MediaError(
            f"{path}: would take {size / 2**30:.1f} GiB of memory as a whole; "
            "read it in pieces with stream_video"
        )


def _stack(path: Path, pictures: list[Tensor]) -> Tensor:
    sizes = {tuple(picture.shape) for picture in pictures}
    if len(sizes) > 1:
        raise MediaError(
            f"{path}: the picture size changes within the clip ({sorted(sizes)}); "
            "convert it to one size"
        )
    return torch.stack(pictures)
