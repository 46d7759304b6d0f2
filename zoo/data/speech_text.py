"""Recorded speech with its text, kept in memory: for training recognisers on small corpora."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, RandomSampler

from zoo.audio.variation import Variation
from zoo.data.audio_visual import AudioVisualDataModule, AudioVisualDataset, collate
from zoo.data.loading import LengthBatches, ReportingLoader

log = logging.getLogger(__name__)


class SpeechInMemory(Dataset[dict[str, Any]]):
    """What an `AudioVisualDataset` of waveforms holds, decoded once (2 bytes a sample).

    Args:
        recordings: a dataset whose items have `audio` (S,) float32 at 16 kHz.
        variation: how every reading differs from the recording, None for not at all.
    """

    def __init__(self, recordings: AudioVisualDataset, variation: Variation | None = None) -> None:
        self.variation = variation
        self.items: list[dict[str, Any]] = []
        self._sound: list[NDArray[np.int16]] = []
        for k in range(len(recordings)):
            item = recordings[k]
            if "skipped" in item:
                log.warning("left out: %s", item["skipped"])
                continue
            self._sound.append((item.pop("audio").numpy() * 32_767).round().astype(np.int16))
            self.items.append(item)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        audio = torch.from_numpy(self._sound[index].astype(np.float32) / 32_767)
        return {**self.items[index], "audio": self._varied(audio)}

    def _varied(self, audio: Tensor) -> Tensor:
        if self.variation is None:
            return audio
        # torch's generator is the one that loaders seed in every worker
        return self.variation(audio, np.random.default_rng(int(torch.randint(2**62, ()))))

    def sizes(self) -> list[int]:
        """Samples of every recording."""
        return [len(sound) for sound in self._sound]


class SpeechTextDataModule(AudioVisualDataModule):
    """Loaders over the sound and the texts of LRS3, LRS2 or LRS-VoxMM, decoded once.

    Args:
        root: the dataset's folder.
        dataset: as for `AudioVisualDataModule`.
        batch_size: utterances a step and process.
        num_workers: processes that vary the sound; they share nothing but what was decoded.
        max_seconds: longer utterances are left out of training.
        train_split: what to train on.
        vary: change pace, noise and band of the training sound at random.
        seed: order of the batches.
    """

    def __init__(
        self,
        root: str,
        dataset: str = "auto",
        batch_size: int = 16,
        num_workers: int = 0,
        max_seconds: float | None = 8.0,
        train_split: str = "train30",
        vary: bool = True,
        seed: int = 7122,
    ):
        super().__init__(
            root,
            dataset,
            picture="none",
            sound="waveform",
            batch_size=batch_size,
            num_workers=num_workers,
            max_seconds=max_seconds,
            train_split=train_split,
            seed=seed,
        )
        self.variation = Variation() if vary else None
        self._decoded: dict[str, SpeechInMemory] = {}

    def _in_memory(self, split: str, variation: Variation | None = None) -> SpeechInMemory:
        if split not in self._decoded:
            one = AudioVisualDataset(self.utterances(split), self.root, self.streams)
            self._decoded[split] = SpeechInMemory(one, variation)
            log.info("%s: %d recordings in memory", split, len(self._decoded[split]))
        return self._decoded[split]

    def train_dataloader(self) -> ReportingLoader:
        """Batches of like length, every time another version of each recording."""
        data = self._in_memory(self.train_split, self.variation)
        order = RandomSampler(data, generator=self._generator)
        drop_last = len(data) >= self.batch_size
        batches = LengthBatches(order, self.batch_size, drop_last, data.sizes(), self.seed)
        return self._speech_loader(data, batch_sampler=batches)

    def _eval_loader(self, split: str) -> ReportingLoader:
        return self._speech_loader(self._in_memory(split), batch_size=self.eval_batch_size)

    def _speech_loader(self, data: SpeechInMemory, **options: Any) -> ReportingLoader:
        return ReportingLoader(
            data,
            collate_fn=collate,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            generator=self._generator,
            **options,
        )
