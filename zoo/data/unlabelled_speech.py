"""Recorded speech without its text, for self-supervised training."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.data.speech_text import SpeechTextDataModule


class UnlabelledSpeechDataModule(SpeechTextDataModule):
    """Loaders over the sound of LRS3, LRS2 or LRS-VoxMM, decoded once.

    Args:
        root: the dataset's folder.
        dataset: as for `AudioVisualDataModule`.
        batch_size: recordings in a global batch.
        num_workers: processes that hand them over.
        max_seconds: longer ones are left out of training.
        train_split: what to train on.
        seed: order of the batches.
    """

    def __init__(
        self,
        root: str,
        dataset: str = "auto",
        batch_size: int = 32,
        num_workers: int = 0,
        max_seconds: float | None = 15.6,
        train_split: str = "train",
        seed: int = 7122,
    ):
        super().__init__(
            root,
            dataset,
            batch_size,
            num_workers,
            max_seconds,
            train_split,
            vary=False,  # targets belong to the recordings as they are
            seed=seed,
        )

    def recordings_for_targets(self, count: int) -> list[Tensor]:
        """Up to `count` training recordings (S,), drawn by the seed."""
        data = self.recordings(self.train_split)
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(self.seed))
        return [data[k]["audio"] for k in order[:count].tolist()]
