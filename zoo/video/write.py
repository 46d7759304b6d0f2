"""Writing videos: H.264 (yuv420p, plays everywhere) with AAC sound in mp4."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import torch
from av.audio.stream import AudioStream
from av.video.reformatter import ColorRange, Colorspace
from torch import Tensor

from zoo.audio.files import replacing
from zoo.audio.resample import check_rate, resample
from zoo.audio.write import checked_samples
from zoo.errors import MediaError
from zoo.tasks import Video

# constant quality: visually lossless on faces at a few hundred kbit/s
_ENCODING = {"crf": "18", "preset": "medium"}
# the rates AAC knows; others are brought to the next one above
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


def save_video(path: str | Path, video: Video) -> Path:
    """Write a video with its sound and return the path.

    Pictures last T / fps seconds and sound S / sample_rate seconds, neither is cut or stretched.
    H.264 needs even sides: an odd picture gets its last row or column twice.

    Raises:
        MediaError: the ending is not `.mp4`, or the sound holds NaN or is empty.
    """
    rate = None if video.speech is None else video.speech.sample_rate
    with VideoWriter(path, video.fps, sample_rate=rate) as writer:
        writer.write(video.frames)
        if video.speech is not None:
            writer.write_sound(video.speech.waveform)
    return Path(path)


class VideoWriter:
    """Writes an mp4 piece by piece, so that a long video need not be in memory.

    The file appears when the `with` block ends well; an interrupted one leaves nothing behind.
    """

    def __init__(self, path: str | Path, fps: float, *, sample_rate: int | None = None) -> None:
        """Prepare to write.

        Args:
            path: the file, ending in `.mp4`; its folder is made.
            fps: frames a second.
            sample_rate: rate of the sound in Hz, None for a silent film.
        """
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise MediaError(f"{path}: unknown video ending; use .mp4")
        if not 0 < fps <= 1000:
            raise MediaError(f"{path}: frame rate {fps} is outside 0..1000; use e.g. fps=25")
        if sample_rate is not None:
            check_rate(sample_rate, str(path))
        self._fps = Fraction(fps).limit_denominator(100_000)
        self._sample_rate = sample_rate
        self._target = replacing(self.path)
        self._pictures: Any = None
        self._count = 0

    def __enter__(self) -> VideoWriter:
        part = self._target.__enter__()
        self._container = av.open(str(part), "w", options={"movflags": "+faststart"})
        self._video = self._container.add_stream("libx264", rate=self._fps, options=_ENCODING)
        self._audio = None if self._sample_rate is None else self._add_sound(self._sample_rate)
        self._sounds: list[Tensor] = []
        return self

    def write(self, frames: Tensor) -> None:
        """Append pictures (T, 3, H, W) uint8; all calls must have the same H and W."""
        Video(frames, float(self._fps))  # raises where these are no pictures
        self._set_size(*frames.shape[-2:])
        padded = _pad_to_even(frames.cpu()).permute(0, 2, 3, 1).contiguous().numpy()
        for pixels in padded:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = self._count, 1 / self._fps
            self._container.mux(self._video.encode(self._to_yuv(frame)))
            self._count += 1

    def write_sound(self, waveform: Tensor) -> None:
        """Append sound (S,) float in [-1, 1] at the writer's `sample_rate`."""
        if self._sample_rate is None:
            raise MediaError(f"{self.path}: opened without sound; pass sample_rate to VideoWriter")
        self._sounds.append(torch.from_numpy(checked_samples(self.path, waveform)))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        except BaseException as late:
            kind, error, trace = type(late), late, late.__traceback__
            raise
        finally:
            self._container.close()
            self._target.__exit__(kind, error, trace)
