"""SyncNet as a judge: offset, confidence and distance of a talking face's lips and sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.audio.mfcc import mfcc
from zoo.errors import MediaError
from zoo.hub.module import ZooModule
from zoo.models.syncnet.config import SyncNetConfig
from zoo.nn.syncnet import COLUMNS, IMAGE_SIZE, WINDOW, SyncNet, shifted_distances

FPS = 25.0
SAMPLE_RATE = 16_000
_SAMPLES_A_FRAME = 640
_COLUMNS_A_FRAME = 4
BATCH = 20
"""Windows at once; 3 MB of frames each."""


@dataclass(frozen=True)
class Sync:
    """What SyncNet says of a clip.

    Attributes:
        distance: LSE-D, the mean distance at the best offset (lower is better).
        confidence: LSE-C, the median over offsets minus the best (higher is better).
        offset: frames by which the sound comes before the mouth.
        distances: (N, 2 * max_shift + 1) of every window at every offset.
    """

    distance: float
    confidence: float
    offset: int
    distances: Tensor

    @property
    def mean_distances(self) -> Tensor:
        """(2 * max_shift + 1,) mean over windows."""
        return self.distances.mean(dim=0)

    @property
    def frame_confidence(self) -> Tensor:
        """(N,) confidence of each window at the clip's offset."""
        mean = self.mean_distances
        return mean.median() - self.distances[:, mean.argmin()]


def sync_of(distances: Tensor) -> Sync:
    """The clip's result from `shifted_distances` (N, 2 * max_shift + 1)."""
    mean = distances.mean(dim=0)
    best = int(mean.argmin())
    middle = distances.shape[1] // 2
    return Sync(float(mean[best]), float(mean.median() - mean[best]), middle - best, distances)


class SyncNetJudge(ZooModule):
    """SyncNet, trained elsewhere; used by LSE-C and LSE-D."""

    slug: ClassVar[str] = "syncnet"
    Config: ClassVar[type[SyncNetConfig]] = SyncNetConfig
    float32_keys: ClassVar[tuple[str, ...]] = (r".*\.norm\..*",)

    def __init__(self, config: SyncNetConfig) -> None:
        super().__init__(config)
        self.config: SyncNetConfig = config
        self.network = SyncNet(
            config.audio_channels, config.lip_channels, config.head_size, config.embedding_size
        )

    def forward(self, windows: Tensor, mfcc_windows: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (N, D) of (N, 3, 5, 224, 224) BGR frames and (N, 1, 13, 20) MFCC."""
        embedded: tuple[Tensor, Tensor] = self.network(windows, mfcc_windows)
        return embedded

    @torch.inference_mode()
    def embed_clip(self, frames: Tensor, samples: NDArray[np.int16]) -> tuple[Tensor, Tensor]:
        """Embeddings (N, D) of the lips and of the sound of every window of a clip.

        Args:
            frames: (T, 3, 224, 224) uint8 RGB at 25 frames a second.
            samples: (S,) int16 at 16 kHz.

        Raises:
            MediaError: the frames are of another size, or fewer than six are usable.
        """
        count = window_count(frames, samples)
        columns = torch.from_numpy(mfcc(samples).T.astype(np.float32)).to(self.device)
        sound = columns.unfold(1, COLUMNS, _COLUMNS_A_FRAME)[:, :count].transpose(0, 1)
        lips = [self.network.embed_lips(batch) for batch in self._windows(frames, count)]
        heard = [self.network.embed_audio(part[:, None]) for part in torch.split(sound, BATCH)]
        return torch.cat(lips).cpu(), torch.cat(heard).cpu()

    def _windows(self, frames: Tensor, count: int) -> Iterator[Tensor]:
        bgr = frames.flip(1)
        for start in range(0, count, BATCH):
            stop = min(start + BATCH, count)
            part = bgr[start : stop + WINDOW - 1].to(self.device).unfold(0, WINDOW, 1)
            yield part.movedim(-1, 2).to(self.dtype)

    def judge(self, frames: Tensor, samples: NDArray[np.int16]) -> Sync:
        """Offset, confidence and distance of a clip (arguments as `embed_clip`)."""
        lips, sound = self.embed_clip(frames, samples)
        return sync_of(shifted_distances(lips.float(), sound.float(), self.config.max_shift))


def window_count(frames: Tensor, samples: NDArray[np.int16]) -> int:
    """Windows of a clip, one fewer than would fit, as the official code counts them.

    Raises:
        MediaError: the frames are of another size, or fewer than six are usable.
    """
    size = tuple(frames.shape[1:])
    if size != (3, IMAGE_SIZE, IMAGE_SIZE):
        raise MediaError(
            f"SyncNet takes face crops (3, {IMAGE_SIZE}, {IMAGE_SIZE}), got {size}; crop the face "
            "first, or let the metric resize whole frames (variant 'wav2lip-lrs')"
        )
    usable = min(len(frames), len(samples) // _SAMPLES_A_FRAME)
    if usable < WINDOW + 1:
        raise MediaError(
            f"SyncNet needs {WINDOW + 1} frames (240 ms) of picture and sound, got {usable}"
        )
    return usable - WINDOW
