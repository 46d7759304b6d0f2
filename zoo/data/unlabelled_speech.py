"""Recorded speech without its text, for self-supervised training."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from zoo.data.audio_visual import AudioVisualDataset, collate, detect_dataset, read_split
from zoo.data.corpora.about import refuse_test_corpus
from zoo.data.speech_text import SpeechInMemory, SpeechTextDataModule
from zoo.errors import DataError

log = logging.getLogger(__name__)


class TwinnedSpeech(Dataset[dict[str, Any]]):
    """Recordings with, drawn at every reading, a twin each: the same words in another voice.

    An item has besides `twin` (S',) float32, empty where there is none, and `twin_id`,
    "<number of the set>:<id>".

    Args:
        recordings: what has twins.
        twins: sets of twins, each under the ids of the recordings, as many of them as it has.
    """

    def __init__(self, recordings: SpeechInMemory, twins: Sequence[SpeechInMemory]) -> None:
        self.recordings, self.twins = recordings, list(twins)
        self._places = [{item["id"]: k for k, item in enumerate(one.items)} for one in twins]

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = self.recordings[index]
        name = item["id"]
        having = [number for number, places in enumerate(self._places) if name in places]
        if not having:
            return {**item, "twin": torch.zeros(0), "twin_id": ""}
        # torch's generator is the one that loaders seed in every worker
        number = having[int(torch.randint(len(having), ()))]
        twin = self.twins[number][self._places[number][name]]
        return {**item, "twin": twin["audio"], "twin_id": f"{number}:{name}"}


def collate_twins(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Batch items as `collate` does; where they have twins, with `twin`, a list of B tensors (S',),
    and `twin_id`, a list of B strings."""
    batch = collate(items)
    for key in ("twin", "twin_id"):
        if key in items[0]:
            batch[key] = [item[key] for item in items]
    return batch


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
        more_roots: further datasets to train on.
        twin_roots: further datasets that hold, under the ids of `root`, the same words in another
            voice, made for instance by `zoo corpus make --revoiced`, by voice conversion or by TTS.
            Their training split gives the recordings of `root` twins, see `TwinnedSpeech`, where
            it has them.

    Raises:
        DataError: one of `more_roots` or `twin_roots` is a corpus that is kept for tests.
    """

    collate_items = staticmethod(collate_twins)

    def __init__(
        self,
        root: str,
        dataset: str = "auto",
        batch_size: int = 32,
        num_workers: int = 0,
        max_seconds: float | None = 15.6,
        train_split: str = "train",
        seed: int = 7122,
        more_roots: Sequence[str] | None = None,
        twin_roots: Sequence[str] | None = None,
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
            more_roots=more_roots,
        )
        self.twin_roots = tuple(twin_roots or ())
        for folder in self.twin_roots:
            refuse_test_corpus(folder, "twin_roots:")
        self._twins: list[SpeechInMemory] | None = None

    def recordings_for_targets(self, count: int) -> list[Tensor]:
        """Up to `count` training recordings (S,), drawn by the seed."""
        data = self.recordings(self.train_split)
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(self.seed))
        return [data[k]["audio"] for k in order[:count].tolist()]

    def training_items(self) -> Dataset[dict[str, Any]]:
        """The training recordings, with twins where there are `twin_roots`.

        Raises:
            DataError: a twin root has none of them.
        """
        data = self.recordings(self.train_split)
        if not self.twin_roots:
            return data
        if self._twins is None:
            # those of `more_roots` are called otherwise: twins belong to the first root alone
            names = [str(item["id"]) for item in data.items]
            self._twins = [self._read_twins(folder, names) for folder in self.twin_roots]
        return TwinnedSpeech(data, self._twins)

    def _read_twins(self, folder: str, names: Sequence[str]) -> SpeechInMemory:
        wanted = set(names)
        found = read_split(detect_dataset(folder), Path(folder), self.train_split)
        common = [one for one in found if one.id in wanted]
        twins = SpeechInMemory(AudioVisualDataset(common, folder, self.streams))
        log.info("%s: %d twins in memory", folder, len(twins))
        if not len(twins):
            raise DataError(
                f"twin_roots: {folder} has no readable recording in split {self.train_split!r} under "
                f"an id of {self.root}, such as {names[0]!r}; name a folder that holds the same "
                "clips under the same ids in another voice (`zoo corpus make --revoiced` makes one), "
                "or, for other clips, use more_roots"
            )
        return twins
