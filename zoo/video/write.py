"""Writing videos: H.264 (yuv420p, plays everywhere) with AAC sound in mp4."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, TracebackType

import av
import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.audio.files import replacing
from zoo.audio.resample import QUALITY, check_rate
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
    with VideoWriter(path, video.fps, sample_rate=rate, tags=video.tags) as writer:
        writer.write(video.frames)
        if video.speech is not None:
            writer.write_sound(video.speech.waveform)
    return Path(path)


class VideoWriter:
    """Writes an mp4 piece by piece, so that a long video need not be in memory.

    The file appears when the `with` block ends well; an interrupted one leaves nothing behind.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float | None,
        *,
        sample_rate: int | None = None,
        encoding: Mapping[str, str] = _ENCODING,
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Prepare to write.

        Args:
            path: the file, ending in `.mp4`; its folder is made.
            fps: frames a second; None for sound without pictures.
            sample_rate: rate of the sound in Hz, None for a silent film.
            encoding: options of the picture encoder (x264), e.g. `crf`, `preset`, `threads`.
            tags: words for the head of the file; mp4 knows `title`, `comment`, `description` ...
        """
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise MediaError(f"{path}: unknown video ending; use .mp4")
        if fps is None and sample_rate is None:
            raise MediaError(f"{path}: neither pictures nor sound; give fps, sample_rate or both")
        if fps is not None and not 0 < fps <= 1000:
            raise MediaError(f"{path}: frame rate {fps} is outside 0..1000; use e.g. fps=25")
        if sample_rate is not None:
            check_rate(sample_rate, str(path))
        self._fps = None if fps is None else Fraction(fps).limit_denominator(100_000)
        self._sample_rate = sample_rate
        self._encoding, self._tags = dict(encoding), dict(tags)
        self._frames = 0
        self._samples = 0

    def __enter__(self) -> VideoWriter:
        self._exits = ExitStack()
        part = self._exits.enter_context(replacing(self.path))
        # the index goes in front, so that a page can play the file while it loads
        container = av.open(str(part), "w", options={"movflags": "+faststart"})
        self._container = self._exits.enter_context(container)
        self._container.metadata.update(self._tags)
        if self._fps is not None:
            self._video = container.add_stream("libx264", rate=self._fps, options=self._encoding)
            self._video.pix_fmt = "yuv420p"
        if self._sample_rate is not None:
            self._open_sound(self._sample_rate)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._exits.__exit__(kind, error, trace)
            return
        with self._exits:
            self._finish()

    def write(self, frames: Tensor) -> None:
        """Append pictures (T, 3, H, W) uint8; all calls must have the same H and W."""
        fps = self._rate()
        frames = _pad_to_even(Video(frames, float(fps)).frames.detach().cpu())
        height, width = frames.shape[-2:]
        if self._frames == 0:
            self._video.height, self._video.width = height, width
        elif (self._video.height, self._video.width) != (height, width):
            raise MediaError(f"{self.path}: the picture size changes; write frames of one size")
        for pixels in frames.permute(0, 2, 3, 1).contiguous().numpy():
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = self._frames, 1 / fps
            self._container.mux(self._video.encode(frame))
            self._frames += 1

    def write_planes(self, planes: Tensor) -> None:
        """Append pictures as the encoder takes them (yuv420p), which spares it a conversion.

        Args:
            planes: (T, 3H/2, W) uint8: H rows of brightness, then both colour planes of half the
                width and height, H and W even.
        """
        fps = self._rate()
        for pixels in planes.numpy():
            frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
            if self._frames == 0:
                self._video.height, self._video.width = frame.height, frame.width
            frame.pts, frame.time_base = self._frames, 1 / fps
            self._container.mux(self._video.encode(frame))
            self._frames += 1

    def write_sound(self, waveform: Tensor) -> None:
        """Append sound (S,) float in [-1, 1] at the writer's `sample_rate`."""
        if self._sample_rate is None:
            raise MediaError(f"{self.path}: opened without sound; pass sample_rate to VideoWriter")
        self._encode_sound(checked_samples(self.path, waveform))

    def _rate(self) -> Fraction:
        if self._fps is None:
            raise MediaError(f"{self.path}: opened without pictures; pass fps to VideoWriter")
        return self._fps

    def _open_sound(self, sample_rate: int) -> None:
        rate = next((rate for rate in _AAC_RATES if rate >= sample_rate), _AAC_RATES[-1])
        self._audio = self._container.add_stream("aac", rate=rate, layout="mono")
        self._resampler = soxr.ResampleStream(
            sample_rate, rate, 1, dtype="float32", quality=QUALITY
        )

    def _encode_sound(self, samples: NDArray[np.float32], last: bool = False) -> None:
        if self._audio.rate != self._sample_rate:
            samples = self._resampler.resample_chunk(samples, last=last)
        if len(samples):
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.rate, frame.pts = self._audio.rate, self._samples
            self._samples += len(samples)
            self._container.mux(self._audio.encode(frame))

    def _finish(self) -> None:
        if self._fps is not None:
            if self._frames == 0:
                raise MediaError(f"{self.path}: no pictures to write")
            self._container.mux(self._video.encode())
        if self._sample_rate is not None:
            self._encode_sound(np.zeros(0, np.float32), last=True)
            self._container.mux(self._audio.encode())


def _pad_to_even(frames: Tensor) -> Tensor:
    """Repeat the last row and column of (T, 3, H, W) where H or W is odd."""
    if frames.shape[-2] % 2:
        frames = torch.cat([frames, frames[..., -1:, :]], dim=-2)
    if frames.shape[-1] % 2:
        frames = torch.cat([frames, frames[..., -1:]], dim=-1)
    return frames
