"""What data modules share: batches of like length, and a loader that reports bad files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from lightning import LightningDataModule
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler

from zoo.errors import DataError

logger = logging.getLogger(__name__)


class LengthBatches(BatchSampler):
    """Batches of recordings of like length, in random order, so that little is padding.

    Args:
        sampler: Order of the pairs (Lightning puts a distributed one in its place).
        batch_size: Pairs a batch.
        drop_last: Whether to leave out an incomplete batch.
        lengths: Anything that grows with a pair's length.
        seed: Order of the batches.
        window: Batches that are sorted together; more is less padding and less chance.
    """

    def __init__(
        self,
        sampler: Sampler[int] | Iterable[int],
        batch_size: int,
        drop_last: bool,
        lengths: Sequence[int] = (),
        seed: int = 0,
        window: int = 32,
    ):
        super().__init__(sampler, batch_size, drop_last)
        self.lengths, self.window = lengths, window
        self._generator = torch.Generator().manual_seed(seed)

    def __iter__(self) -> Iterator[list[int]]:
        order = list(self.sampler)
        size = self.batch_size * self.window
        for first in range(0, len(order), size):
            chunk = sorted(order[first : first + size], key=self.lengths.__getitem__)
            batches = [
                chunk[k : k + self.batch_size] for k in range(0, len(chunk), self.batch_size)
            ]
            if self.drop_last and len(batches[-1]) < self.batch_size:
                batches.pop()
            for k in torch.randperm(len(batches), generator=self._generator).tolist():
                yield batches[k]


class ReportingLoader(DataLoader[dict[str, Any]]):
    """A DataLoader that tells, in the main process, which pairs were left out, and goes on."""

    skipped_total = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        for batch in super().__iter__():
            for reason in batch.pop("skipped", ()):
                self.skipped_total += 1
                logger.warning("left out (%d so far): %s", self.skipped_total, reason)
            if batch:
                yield batch


class StreamLoader(ReportingLoader):
    """The same over a stream, whose length only the reader of the shards knows.

    Args:
        stream: items of samples in the order of their batches; has `batches`, their number or None.
        options: of the DataLoader.
    """

    def __init__(self, stream: Any, **options: Any) -> None:
        super().__init__(stream, **options)
        self._batches: int | None = stream.batches

    def __len__(self) -> int:
        if self._batches is None:
            raise TypeError("how many batches there are depends on the workers")
        return self._batches


def per_process(data: LightningDataModule, batch_size: int) -> int:
    """Share that each process has in a global batch.

    Raises:
        DataError: the batch does not divide among the processes.
    """
    processes = 1 if data.trainer is None else data.trainer.world_size
    size, rest = divmod(batch_size, processes)
    if rest or not size:
        raise DataError(
            f"a batch of {batch_size} does not divide among {processes} processes; choose another "
            "batch size or number of devices"
        )
    return size


def training_split(name: str) -> str:
    """The name of a split, if it is one to train on.

    Raises:
        DataError: it is a test split.
    """
    if name.startswith("test"):
        raise DataError(
            f"train_split={name!r}: test splits are never trained on, since their scores would mean "
            "nothing; use one such as 'train'"
        )
    return name


class ReportingDataModule(LightningDataModule):
    """A data module whose loaders report; a subclass says how items become a batch."""

    collate_items: Callable[[Sequence[dict[str, Any]]], dict[str, Any]]
    num_workers: int
    _generator: torch.Generator

    def _loader(self, data: Dataset[dict[str, Any]], **options: Any) -> ReportingLoader:
        return ReportingLoader(data, **{**self._options(), **options})

    def _options(self) -> dict[str, Any]:
        return {
            "collate_fn": self.collate_items,
            "num_workers": self.num_workers,
            "persistent_workers": self.num_workers > 0,
            "generator": self._generator,
        }
