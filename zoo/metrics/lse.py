"""LSE-C and LSE-D: what SyncNet thinks of lips and sound (Wav2Lip's "lip-sync error").

The chain is the official one: 25 frames a second, 16 kHz, 16-bit samples, MFCC, five-frame
windows, offsets of -15..15 frames; a clip's numbers are averaged over clips. Variants, which are
part of the name: `syncnet` takes frames as they are (face crops of 224 x 224); `wav2lip-lrs`
resizes whole LRS frames to that size, as Wav2Lip's script for LRS does. Its third variant, for
arbitrary video, depends on the S3FD detector and tracker and is not offered: crop first.

Many clips are scored by several threads, each with its share of the processors: while one clip is
in the network, others are decoded and turned into MFCC.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.errors import CheckpointError, MediaError
from zoo.metrics.base import Row
from zoo.metrics.values import MeanMetric, Quantity, Samples
from zoo.tasks import VideoLike

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.models.judge_syncnet.module import JudgeSyncNet
    from zoo.models.syncnet.module import SyncNetJudge

VARIANTS = ("syncnet", "wav2lip-lrs")
# about what ffmpeg's default picture quality gives on the official scripts' frames
_JPEG_QUALITY = 92
# clips in memory at once, of 10 s at most in the usual corpora: 38 MB of frames each
_MOST_WORKERS = 8


class LSE(MeanMetric):
    """LSE-C, LSE-D and the offset of talking faces.

    Args:
        variant: how frames become 224 x 224 (see the module).
        judge: checkpoint of the SyncNet: `syncnet.v2` is the field's, `judge_syncnet.tiny` that of
            the tiny corpora; or a folder.
        jpeg: pass frames through JPEG, as the official scripts do (moves values by about 0.03).
        device: where the judge runs.
        workers: clips in work at once; None takes the processors there are, up to eight.
    """

    name: ClassVar[str] = "lse"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "SyncNet confidence and distance of lips and sound"
    needs: ClassVar[tuple[str, ...]] = ("video",)
    unit: ClassVar[str] = "L2"
    higher_is_better: ClassVar[bool | None] = True

    def __init__(
        self,
        variant: str = "wav2lip-lrs",
        judge: str | Path = "syncnet.v2",
        jpeg: bool = False,
        device: str | None = None,
        workers: int | None = None,
    ) -> None:
        if variant not in VARIANTS:
            raise TypeError(f"variant {variant!r}: use one of {', '.join(VARIANTS)}")
        if workers is not None and workers < 1:
            raise TypeError(f"workers={workers}: use at least 1")
        self.variant, self.source = variant, str(judge)
        self.jpeg, self.device = bool(jpeg), device
        self.workers = workers
        self.requires = (self.source,)
        self.judge = self.source
        self._network: SyncNetJudge | JudgeSyncNet | None = None

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Confidence, distance, offset."""
        tag = Path(self.source).name
        options = {"judge": tag, "variant": self.variant, "jpeg": "yes" if self.jpeg else None}
        return (
            Quantity("lse_c", "LSE-C", self.unit, True, options),
            Quantity("lse_d", "LSE-D", self.unit, False, options),
            Quantity("av_offset", "AV offset", "frames", None, options),
            Quantity("av_offset_abs", "|AV offset|", "frames", False, options),
        )

    def available(self) -> str | None:
        """Needs the judge's weights on this machine."""
        from zoo.metrics.judges import lacking

        return None if self._network is not None else lacking(self.source)

    def setup(self) -> None:
        """Load the judge.

        Raises:
            CheckpointError: it is no SyncNet, or cannot be had.
        """
        import zoo
        from zoo.models.judge_syncnet.module import JudgeSyncNet
        from zoo.models.syncnet.module import SyncNetJudge

        network = zoo.from_pretrained(self.source, device=self.device)
        if not isinstance(network, SyncNetJudge | JudgeSyncNet):
            raise CheckpointError(
                f"{self.source} is a {type(network).__name__}, which cannot judge lips and sound; "
                "use syncnet.v2 or, for drawn faces, judge_syncnet.tiny"
            )
        self.use(network)

    def use(self, network: SyncNetJudge | JudgeSyncNet) -> None:
        """Judge with a network that is loaded already."""
        self._network = network.eval()

    def rows(self, data: Samples) -> list[Row]:
        """One row a clip, in order; several clips are in work at once."""
        workers = min(self.workers or _processors(), len(data))
        if workers < 2:
            return super().rows(data)
        if self._network is None:
            self.setup()
        with _shared_processors(workers) as pool:
            found = pool.map(lambda item: self._values(item[0], item[2], item[3]), data)
            return [
                Row(id_, cluster, values)
                for (id_, cluster, _, _), values in zip(data, found, strict=True)
            ]

    def score_sample(self, prediction: VideoLike, reference: object = None) -> dict[str, float]:
        """Numbers of one clip with its sound.

        Raises:
            MediaError: the clip has no sound, is too short, or has another frame size.
        """
        if self._network is None:
            self.setup()
        assert self._network is not None
        frames, samples = self.prepare(prediction)
        found = self._network.judge(frames, samples)
        return {
            "lse_c": found.confidence,
            "lse_d": found.distance,
            "av_offset": float(found.offset),
            "av_offset_abs": float(abs(found.offset)),
        }

    def prepare(self, clip: VideoLike) -> tuple[Tensor, NDArray[np.int16]]:
        """Frames (T, 3, 224, 224) uint8 and samples (S,) int16 of a clip."""
        from zoo.audio import resample
        from zoo.nn.sync_clips import FPS, SAMPLE_RATE
        from zoo.video import as_video

        video = as_video(clip, FPS, with_audio=True)
        assert video.speech is not None
        waveform = resample(video.speech.waveform, video.speech.sample_rate, SAMPLE_RATE)
        frames = resize_frames(video.frames) if self.variant == "wav2lip-lrs" else video.frames
        return (through_jpeg(frames) if self.jpeg else frames), to_int16(waveform)

    def details(self) -> dict[str, Any]:
        """The chain."""
        return {"fps": 25, "sample_rate": 16_000, "variant": self.variant, "jpeg": self.jpeg}


def _processors() -> int:
    allowed = getattr(os, "sched_getaffinity", None)  # not on every system
    return min(_MOST_WORKERS, len(allowed(0)) if allowed else os.cpu_count() or 1)


@contextmanager
def _shared_processors(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that split between them the processors torch would use for one."""
    import torch

    before = torch.get_num_threads()
    share = max(1, before // workers)
    try:
        with ThreadPoolExecutor(workers, "lse", torch.set_num_threads, (share,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def to_int16(waveform: Tensor) -> NDArray[np.int16]:
    """(S,) float in [-1, 1] as 16-bit samples, rounded, clipped at full scale."""
    scaled = np.round(waveform.detach().cpu().double().numpy() * 32_768.0)
    return np.clip(scaled, -32_768, 32_767).astype(np.int16)


def resize_frames(frames: Tensor) -> Tensor:
    """(T, 3, H, W) uint8 -> (T, 3, 224, 224), bilinear without smoothing (as OpenCV's default)."""
    import torch
    from torch.nn import functional as F

    from zoo.nn.syncnet import IMAGE_SIZE

    if tuple(frames.shape[-2:]) == (IMAGE_SIZE, IMAGE_SIZE):
        return frames
    size = (IMAGE_SIZE, IMAGE_SIZE)
    parts = [
        F.interpolate(part.float(), size, mode="bilinear", align_corners=False).round().byte()
        for part in torch.split(frames, 64)
    ]
    return torch.cat(parts)


def through_jpeg(frames: Tensor, quality: int = _JPEG_QUALITY) -> Tensor:
    """Compress every frame (T, 3, H, W) uint8 as JPEG and read it back."""
    import torch
    from PIL import Image

    def once(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        file = BytesIO()
        Image.fromarray(pixels).save(file, "jpeg", quality=quality)
        return np.asarray(Image.open(file))

    pictures = frames.permute(0, 2, 3, 1).cpu().numpy()
    if not len(pictures):
        raise MediaError("the clip has no frames")
    return torch.from_numpy(np.stack([once(p) for p in pictures])).permute(0, 3, 1, 2)
