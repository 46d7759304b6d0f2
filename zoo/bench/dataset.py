"""Batches of decoded media, made in DataLoader workers and dealt out to processes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from zoo.bench.prefetch import Prefetched
from zoo.bench.resume import finished_ids, start_run
from zoo.bench.samples import Sample, form_batches
from zoo.errors import MediaError

SAMPLE_RATE: Final = 16_000


@dataclass(frozen=True)
class Loaded:
    """A sample with its decoded media, or with the reason why there is none.

    Attributes:
        sample: what it is.
        media: (S,) float32 waveform at 16 kHz, an RGB picture, or a `Clip`.
        sha256: of the file, or over those of several.
        seconds: length of a recording or clip.
        error: the reason, where decoding failed.
    """

    sample: Sample
    media: Any = None
    sha256: str | None = None
    seconds: float | None = None
    error: dict[str, str] | None = None


class FileLoader:
    """Reads the one file of a picture or a recording."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def digest(self, sample: Sample) -> str:
        """sha256 of the file."""
        return hashlib.sha256((self.root / sample.media).read_bytes()).hexdigest()

    def __call__(self, sample: Sample) -> Any:
        """Decode it.

        Raises:
            MediaError: it cannot be read.
        """
        path = self.root / sample.media
        if sample.kind == "image":
            from zoo.video import load_image

            return load_image(path)
        from zoo.audio import load_audio

        return load_audio(path, sample_rate=SAMPLE_RATE)


class Loader(Protocol):
    """Decodes samples in worker processes; `root` is the folder of the dataset."""

    root: Path

    def digest(self, sample: Sample) -> str:
        """sha256 of what is read."""
        ...

    def __call__(self, sample: Sample) -> Any:
        """The decoded media."""
        ...


def load_sample(sample: Sample, loader: Loader) -> Loaded:
    """Hash and decode; what is unreadable becomes a `Loaded` with an error."""
    try:
        digest = loader.digest(sample)
    except OSError as error:
        name = Path(error.filename).name if error.filename else sample.media
        reason = f"{name}: {error.strerror or error}"
        return Loaded(sample, error={"type": type(error).__name__, "message": reason})
    try:
        media = loader(sample)
    except MediaError as error:
        # the message is kept for readers of the result, who have another data root
        reason = str(error).replace(f"{loader.root}/", "")
        return Loaded(sample, sha256=digest, error={"type": "MediaError", "message": reason})
    return Loaded(sample, media, digest, _seconds(sample, media))


def _seconds(sample: Sample, media: Any) -> float | None:
    if sample.kind == "speech":
        return len(media) / SAMPLE_RATE
    return getattr(media, "seconds", None)


class BatchDataset(Dataset[list[Loaded]]):
    """One item is one whole batch."""

    def __init__(self, batches: Sequence[Sequence[Sample]], loader: Loader) -> None:
        self.batches = batches
        self.loader = loader

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> list[Loaded]:
        return [load_sample(sample, self.loader) for sample in self.batches[index]]


class BenchData(LightningDataModule):
    """What is still to be predicted, each process its own share.

    Batches are formed from the whole task before anything is left out or dealt out, so that a
    sample meets the same neighbours however often the run is killed and however many processes
    there are. Every process reads the finished ids in `setup`, which ends with a barrier, and
    writes only after it: all see the same list.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        loader: Loader,
        folder: Path,
        run: Mapping[str, Any],
        *,
        batch_size: int,
        workers: int,
        retry_failed: bool = False,
    ) -> None:
        super().__init__()
        self.prepare_data_per_node = False
        # a nearly finished run may have fewer batches left than processes
        self.allow_zero_length_dataloader_with_multiple_devices = True
        self.samples = samples
        self.loader = loader
        self.folder = folder
        self.run = run
        self.batch_size = batch_size
        self.workers = workers
        self.retry_failed = retry_failed
        self.pending: list[list[Sample]] = []

    def prepare_data(self) -> None:
        """Start the run folder; the first process only."""
        start_run(self.folder, self.run, self.samples)

    def setup(self, stage: str) -> None:
        """Find the batches with an unfinished sample and take this process's share."""
        done = finished_ids(self.folder, retry_failed=self.retry_failed)
        batches = form_batches(self.samples, self.batch_size)
        pending = [batch for batch in batches if any(sample.id not in done for sample in batch)]
        rank, world = (
            (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        )
        self.pending = pending[rank::world]

    def transfer_batch_to_device(
        self, batch: list[Loaded], device: torch.device, dataloader_idx: int
    ) -> list[Loaded]:
        """Leave media where it is: a model's task methods move their own input."""
        return batch

    def predict_dataloader(self) -> DataLoader[list[Loaded]] | Prefetched:
        """Whole batches, decoded in worker processes."""
        loader = DataLoader(
            BatchDataset(self.pending, self.loader),
            batch_size=None,
            collate_fn=_as_it_is,
            num_workers=min(self.workers, len(self.pending)),
        )
        return Prefetched(loader) if loader.num_workers else loader


def _as_it_is(batch: list[Loaded]) -> list[Loaded]:
    return batch
