"""Recorded speech with its text, kept in memory: for training recognisers on small corpora."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, RandomSampler

from zoo.audio.variation import Variation
from zoo.data.audio_visual import (
    AudioVisualDataModule,
    AudioVisualDataset,
    detect_dataset,
    read_split,
)
from zoo.data.corpora.about import refuse_test_corpus
from zoo.data.loading import LengthBatches, ReportingLoader, per_process
from zoo.errors import DataError

log = logging.getLogger(__name__)
Recordings = AudioVisualDataset | ConcatDataset[dict[str, Any]]


class SpeechInMemory(Dataset[dict[str, Any]]):
    """What an `AudioVisualDataset` of waveforms holds, decoded once (2 bytes a sample).

    Args:
        recordings: a dataset, or several in a row, whose items have `audio` (S,) float32 at 16 kHz.
        variation: how every reading differs from the recording, None for not at all.
    """

    def __init__(self, recordings: Recordings, variation: Variation | None = None) -> None:
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


class RecordingsDataModule(AudioVisualDataModule):
    """The sound of LRS3, LRS2 or LRS-VoxMM, decoded once; a subclass makes loaders of it.

    Args:
        root: the dataset's folder.
        dataset: as for `AudioVisualDataModule`.
        batch_size: items in a global batch.
        num_workers: worker processes.
        train_split: what to train on.
        variation: how every reading of a training recording differs from it, None for not at all.
        seed: order of the items.
        max_seconds: longer utterances are left out of training.
        more_roots: further datasets, whose training split (of the same name) is trained on as well;
            what they are is told by their files. Their number, from 1, stands before their ids:
            "1:<id>".

    Raises:
        DataError: one of `more_roots` is a corpus that is kept for tests.
    """

    def __init__(
        self,
        root: str,
        dataset: str,
        *,
        batch_size: int,
        num_workers: int,
        train_split: str,
        variation: Variation | None,
        seed: int,
        max_seconds: float | None = None,
        more_roots: Sequence[str] | None = None,
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
        self.variation, self.more_roots = variation, tuple(more_roots or ())
        for folder in self.more_roots:
            refuse_test_corpus(folder, "more_roots:")
        self._decoded: dict[str, SpeechInMemory] = {}

    def recordings(self, split: str) -> SpeechInMemory:
        """The recordings of a split, decoded at the first call.

        Raises:
            DataError: none could be read.
        """
        if split not in self._decoded:
            training = split == self.train_split
            streams = replace(self.streams, max_seconds=self.max_seconds if training else None)
            parts = [AudioVisualDataset(self.utterances(split), self.root, streams)]
            for number, root in enumerate(self.more_roots if training else (), 1):
                found = read_split(detect_dataset(root), Path(root), split)
                # generated corpora call their clips alike, and what is kept by id must not mix
                found = [replace(one, id=f"{number}:{one.id}") for one in found]
                parts.append(AudioVisualDataset(found, root, streams))
            data: ConcatDataset[dict[str, Any]] = ConcatDataset(parts)
            self._decoded[split] = SpeechInMemory(data, self.variation if training else None)
            log.info("%s: %d recordings in memory", split, len(self._decoded[split]))
        if not len(self._decoded[split]):
            raise DataError(f"{self.root}: no recording of split {split!r} could be read")
        return self._decoded[split]


class SpeechTextDataModule(RecordingsDataModule):
    """Loaders over the sound and the texts of LRS3, LRS2 or LRS-VoxMM, decoded once.

    Args:
        root: the dataset's folder.
        dataset: as for `AudioVisualDataModule`.
        batch_size: utterances in a global batch.
        num_workers: processes that vary the sound; they share nothing but what was decoded.
        max_seconds: longer utterances are left out of training.
        train_split: what to train on.
        vary: change pace, noise and band of the training sound at random.
        seed: order of the batches.
        more_roots: further datasets to train on.
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
        more_roots: Sequence[str] | None = None,
    ):
        super().__init__(
            root,
            dataset,
            batch_size=batch_size,
            num_workers=num_workers,
            train_split=train_split,
            variation=Variation() if vary else None,
            seed=seed,
            max_seconds=max_seconds,
            more_roots=more_roots,
        )

    def training_items(self) -> Dataset[dict[str, Any]]:
        """What training reads: one item a recording, in their order."""
        return self.recordings(self.train_split)

    def train_dataloader(self) -> ReportingLoader:
        """Batches of like length, every time another version of each recording."""
        data = self.recordings(self.train_split)
        order = RandomSampler(data, generator=self._generator)
        drop_last = len(data) >= self.batch_size
        share = per_process(self, self.batch_size)
        batches = LengthBatches(order, share, drop_last, data.sizes(), self.seed)
        return self._loader(self.training_items(), batch_sampler=batches)

    def _eval_loader(self, split: str) -> ReportingLoader:
        return self._loader(self.recordings(split), batch_size=self.eval_batch_size)
