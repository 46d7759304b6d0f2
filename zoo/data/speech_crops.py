"""Crops of recorded speech, for training vocoders; the recordings are decoded once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from zoo.audio.variation import Variation
from zoo.data.loading import ReportingLoader, per_process
from zoo.data.speech_text import RecordingsDataModule, SpeechInMemory

# other voices at other levels; noise and narrow bands are nothing a vocoder should learn
VARIATION = Variation(speed_share=0.7, noise_share=0.0, band_share=0.0)


class SpeechCrops(Dataset[dict[str, Any]]):
    """A crop (S,) of every recording; a recording that is shorter ends in silence.

    Args:
        recordings: whole recordings.
        samples: length of a crop.
        train: at a random place, else from the middle.
    """

    def __init__(self, recordings: SpeechInMemory, samples: int, *, train: bool) -> None:
        self.recordings, self.samples, self.train = recordings, samples, train

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = self.recordings[index]
        audio: Tensor = item["audio"]
        spare = max(0, len(audio) - self.samples)
        start = int(torch.randint(spare + 1, ())) if self.train else spare // 2
        crop = audio[start : start + self.samples]
        return {"wav": F.pad(crop, (0, self.samples - len(crop))), "id": item["id"]}


def collate_crops(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Batch crops: `wav` (B, S) and `id`, a list of B strings."""
    return {
        "wav": torch.stack([item["wav"] for item in items]),
        "id": [item["id"] for item in items],
    }


class SpeechCropDataModule(RecordingsDataModule):
    """Loaders of speech crops over LRS3, LRS2 or LRS-VoxMM.

    Args:
        root: the dataset's folder.
        dataset: as for `AudioVisualDataModule`.
        batch_size: crops in a global batch.
        crop_samples: length of a training crop at 16 kHz.
        eval_samples: length of a validation crop.
        num_workers: processes that cut and vary.
        train_split: what to train on.
        vary: change pace (and with it pitch and formants) and level of the training sound.
        seed: order and places of the crops.
        more_roots: further datasets to train on.
    """

    collate_items = staticmethod(collate_crops)

    def __init__(
        self,
        root: str,
        dataset: str = "auto",
        batch_size: int = 16,
        crop_samples: int = 8960,
        eval_samples: int = 32_000,
        num_workers: int = 0,
        train_split: str = "train",
        vary: bool = True,
        seed: int = 7122,
        more_roots: Sequence[str] | None = None,
    ):
        super().__init__(
            root,
            dataset,
            batch_size=batch_size,
            num_workers=num_workers,
            train_split=train_split,
            variation=VARIATION if vary else None,
            seed=seed,
            more_roots=more_roots,
        )
        self.crop_samples, self.eval_samples = crop_samples, eval_samples

    def train_dataloader(self) -> ReportingLoader:
        """Crops at random places, every time another version of each recording."""
        crops = SpeechCrops(self.recordings(self.train_split), self.crop_samples, train=True)
        drop_last = len(crops) >= self.batch_size
        share = per_process(self, self.batch_size)
        return self._crop_loader(crops, batch_size=share, shuffle=True, drop_last=drop_last)

    def _eval_loader(self, split: str) -> ReportingLoader:
        crops = SpeechCrops(self.recordings(split), self.eval_samples, train=False)
        return self._crop_loader(crops)

    def _crop_loader(self, crops: Dataset[dict[str, Any]], **options: Any) -> ReportingLoader:
        return self._loader(crops, **{"batch_size": self.batch_size, **options})
