"""SyncNet as a judge: offset, confidence and distance of a talking face's lips and sound."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from zoo.hub.module import ZooModule
from zoo.models.syncnet.config import SyncNetConfig
from zoo.nn.sync_clips import Sync, embed_clip, sync_of
from zoo.nn.syncnet import SyncNet, shifted_distances


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

    def embed_clip(self, frames: Tensor, samples: NDArray[np.int16]) -> tuple[Tensor, Tensor]:
        """Embeddings (N, D) of lips and sound of a clip, see `zoo.nn.sync_clips`."""
        return embed_clip(self.network, frames, samples)

    def judge(self, frames: Tensor, samples: NDArray[np.int16]) -> Sync:
        """Offset, confidence and distance of a clip.

        Args:
            frames: (T, 3, 224, 224) uint8 RGB at 25 frames a second.
            samples: (S,) int16 at 16 kHz.

        Raises:
            MediaError: the frames are of another size, or fewer than six are usable.
        """
        lips, sound = self.embed_clip(frames, samples)
        return sync_of(shifted_distances(lips.float(), sound.float(), self.config.max_shift))
