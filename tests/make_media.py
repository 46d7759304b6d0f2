"""Real media files for the tests, made with PyAV and soundfile, good ones and broken ones."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

# frame k of a clip is grey with this value; steps wide enough to survive a lossy codec
GREY = [16 + 20 * (k % 11) for k in range(1000)]


def tone(seconds: float, rate: int, hertz: float = 440.0, peak: float = 0.5) -> NDArray[np.float32]:
    """A sine (S,)."""
    time = np.arange(round(seconds * rate)) / rate
    return (peak * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def write_sound(path: Path, samples: NDArray[np.float32], rate: int, **kwargs: str) -> Path:
    """A recording by soundfile; samples (S,) or (S, C)."""
    soundfile.write(str(path), samples, rate, **kwargs)
    return path


def write_clip(
    path: Path,
    times: Sequence[Fraction] | None = None,
    *,
    frames: int = 25,
    fps: Fraction | int = 25,
    sound: NDArray[np.float32] | None = None,
    rate: int = 16000,
    codec: str = "libx264",
    sound_codec: str = "aac",
    size: tuple[int, int] = (64, 48),
    faststart: bool = False,
    sound_start_s: float = 0.0,
) -> Path:
    """A clip of grey frames numbered by `GREY`; `times` (seconds) make its rate vary."""
    options = {"movflags": "+faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        video = container.add_stream(codec, rate=fps)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        unit = 1 / Fraction(fps)
        if times is not None:
            unit = Fraction(1, 12000)
            video.codec_context.time_base = unit
        audio = None
        if sound is not None:
            audio = container.add_stream(sound_codec, rate=rate, layout="mono")
        for k in range(frames if times is None else len(times)):
            pixels = np.full((size[1], size[0], 3), GREY[k], np.uint8)
            pixels[: size[1] // 4, : size[0] // 4] = (230, 20, 20)  # red marks the top left
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.time_base = unit
            frame.pts = k if times is None else round(times[k] / unit)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None and sound is not None and len(sound):
            frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
            frame.rate, frame.pts = rate, round(sound_start_s * rate)
            container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path


def cut(path: Path, share: float = 0.6) -> Path:
    """A copy that ends too early."""
    data = path.read_bytes()
    copy = path.with_name(f"cut-{path.name}")
    copy.write_bytes(data[: int(len(data) * share)])
    return copy


def turn(path: Path, matrix: Sequence[int]) -> Path:
    """A copy of an mp4 whose track header asks for a rotation: (a, b, c, d) in 16.16 fixed point.

    Written as bytes because no library writes it.
    """
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    at += 4 + 20 + 16  # version and flags; times, track, duration; reserved, layer, volume
    a, b, c, d = matrix
    values = [a, b, 0, c, d, 0, 0, 0, 0x40000000]
    data[at : at + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in values)
    copy = path.with_name(f"turned-{path.name}")
    copy.write_bytes(data)
    return copy
