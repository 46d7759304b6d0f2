"""From a clip and SyncNet to offset, confidence and distance (the chain behind LSE-C and LSE-D)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.audio.mfcc import mfcc
from zoo.errors import MediaError
from zoo.nn.syncnet import COLUMNS, IMAGE_SIZE, WINDOW, SyncNet
from zoo.nn.syncnet_inference import FoldedAudioTower, FoldedLipTower

FPS = 25.0
SAMPLE_RATE = 16_000
SAMPLES_A_FRAME = 640
COLUMNS_A_FRAME = 4
"""MFCC columns (10 ms) from window to window."""
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


@torch.inference_mode()
def embed_clip(
    network: SyncNet,
    frames: Tensor,
    samples: NDArray[np.int16],
    corner: tuple[int, int] = (0, 0),
) -> tuple[Tensor, Tensor]:
    """Embeddings (N, D) of the lips and of the sound of every window of a clip.

    Args:
        network: where it lies decides where this runs.
        frames: (T, 3, 224, 224) uint8 RGB at 25 frames a second.
        samples: (S,) int16 at 16 kHz.
        corner: upper left corner (top, left) of the part that a network of smaller pictures sees.

    Raises:
        MediaError: the frames are of another size, or fewer than six are usable.
    """
    count = window_count(frames, samples)
    place = next(network.parameters())
    columns = torch.from_numpy(mfcc(samples).T.astype(np.float32)).to(place)
    sound = columns.unfold(1, COLUMNS, COLUMNS_A_FRAME)[:, :count].transpose(0, 1)
    lip_tower = FoldedLipTower(network.lip_tower)
    audio_tower = FoldedAudioTower(network.audio_tower)
    rows, across = (slice(start, start + network.image_size) for start in corner)
    seen = [lip_tower(part.to(place.device)) for part in _parts(frames[..., rows, across], count)]
    heard = [audio_tower(part[:, None]) for part in torch.split(sound, BATCH)]
    return (
        network.lip_head(torch.cat(seen)).cpu(),
        network.audio_head(torch.cat(heard)).cpu(),
    )


def _parts(frames: Tensor, count: int) -> Iterator[Tensor]:
    """The frames (n + 4, 3, H, W) of every n windows, in BGR."""
    for start in range(0, count, BATCH):
        stop = min(start + BATCH, count)
        yield frames[start : stop + WINDOW - 1].flip(1)


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
    usable = min(len(frames), len(samples) // SAMPLES_A_FRAME)
    if usable < WINDOW + 1:
        raise MediaError(
            f"SyncNet needs {WINDOW + 1} frames (240 ms) of picture and sound, got {usable}"
        )
    return usable - WINDOW
