"""Pairs of a picture and a spoken caption, for training and evaluating speech-image models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset, RandomSampler

from zoo.audio import load_audio
from zoo.data.coco import NAME as COCO
from zoo.data.coco import looks_like_spoken_coco, read_coco_karpathy
from zoo.data.flickr8k import NAME as FLICKR8K
from zoo.data.flickr8k import TEXT_FILES, read_flickr8k
from zoo.data.loading import (
    LengthBatches,
    ReportingDataModule,
    ReportingLoader,
    StreamLoader,
    per_process,
)
from zoo.data.manifest import CaptionEntry, ImageEntry
from zoo.data.shard_format import PICTURES, Sample, is_shard_set
from zoo.errors import DataError, MediaError
from zoo.nn.clip import image_transform
from zoo.video import load_image

SAMPLE_RATE = 16000
Transform = Callable[[Image.Image], Tensor]


class SpeechImageDataset(Dataset[dict[str, Any]]):
    """Every (picture, spoken caption) pair of some entries; captions without recording drop out.

    An item is a dict: `wav` (S,) float32 at 16 kHz, `image` (3, H, W), `image_id`, `caption`,
    `speaker` ("" if unknown), `caption_id` (the recording's path below the root). A pair whose
    recording or picture cannot be read gives a dict with only `skipped`, the reason, so that one
    bad file ends no training run.

    Args:
        entries: Pictures with captions.
        root: What the entries' paths are relative to.
        transform: Makes the picture's tensor (3, H, W).
        crop_samples: Longer recordings are cut to that many samples at a random place.
    """

    def __init__(
        self,
        entries: Sequence[ImageEntry],
        root: str | Path,
        transform: Transform,
        crop_samples: int | None = None,
    ):
        self.root = Path(root)
        self.transform = transform
        self.crop_samples = crop_samples
        self.pairs: list[tuple[ImageEntry, CaptionEntry, str]] = [
            (entry, caption, caption.wav)
            for entry in entries
            for caption in entry.captions
            if caption.wav is not None
        ]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        entry, caption, wav = self.pairs[index]
        try:
            waveform = load_audio(self.root / wav, SAMPLE_RATE)
            image = self.transform(load_image(self.root / entry.image))
        except (MediaError, OSError) as error:
            return {"skipped": str(error)}
        return {
            "wav": self._crop(waveform),
            "image": image,
            "image_id": entry.image_id,
            "caption": caption.text,
            "speaker": caption.speaker or "",
            "caption_id": wav,
        }

    def file_sizes(self) -> list[int]:
        """Bytes of every pair's recording (0 if missing), which stand for its length."""
        paths = (self.root / wav for _, _, wav in self.pairs)
        return [path.stat().st_size if path.is_file() else 0 for path in paths]

    def _crop(self, waveform: Tensor) -> Tensor:
        surplus = len(waveform) - (self.crop_samples or len(waveform))
        if surplus <= 0:
            return waveform
        start = int(torch.randint(surplus + 1, ()))
        return waveform[start : start + len(waveform) - surplus]


def collate(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Batch dataset items.

    Returns:
        `wav` (B, S) zero padded, `wav_len` (B,) int64, `image` (B, 3, H, W), `id` (B,) int64,
        `caption`, `speaker` and `caption_id` lists of B strings, and `skipped`, the reasons of the
        pairs left out. If all were left out there is only `skipped`.
    """
    skipped = [item["skipped"] for item in items if "skipped" in item]
    good = [item for item in items if "skipped" not in item]
    if not good:
        return {"skipped": skipped}
    return {
        "wav": pad_sequence([item["wav"] for item in good], batch_first=True),
        "wav_len": torch.tensor([len(item["wav"]) for item in good]),
        "image": torch.stack([item["image"] for item in good]),
        "id": torch.tensor([item["image_id"] for item in good]),
        **{key: [item[key] for item in good] for key in ("caption", "speaker", "caption_id")},
        "skipped": skipped,
    }


class SpeechImageDataModule(ReportingDataModule):
    """Train, validation and test loaders over Flickr8k Audio or SpokenCOCO.

    Args:
        root: The dataset's folder; or a shard set of it (`zoo data shard`), a folder or an address.
        dataset: "flickr8k", "spokencoco", or "auto", which looks at the folder.
        image_size: Side of the pictures in pixels, for the default transform.
        batch_size: Pairs a training step, over all processes together, so that a recipe means the
            same on any number of them.
        num_workers: Processes that decode.
        crop_seconds: Training recordings are cut to this (6.4 s in the paper); None leaves them.
        seed: Order of the pairs and places of the crops (for a given number of workers).
        transform: Picture to tensor; None is the trained model's own `image_transform()`, or CLIP's
            preprocessing at `image_size` where there is no model.
        coco_train: "train" or "train+restval", for SpokenCOCO.
        eval_batch_size: Pairs a validation or test step and process; None is `batch_size`.
        bucket: Train on batches of recordings of like length, which pads and so computes less.
    """

    collate_items = staticmethod(collate)

    def __init__(
        self,
        root: str,
        dataset: str = "auto",
        image_size: int = 224,
        batch_size: int = 64,
        num_workers: int = 1,
        crop_seconds: float | None = 6.4,
        seed: int = 7122,
        transform: Transform | None = None,
        coco_train: str = "train+restval",
        eval_batch_size: int | None = None,
        bucket: bool = False,
    ):
        super().__init__()
        self.root, self.dataset, self.image_size = Path(root), dataset, image_size
        self.shards = root if is_shard_set(root) else None
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.eval_batch_size = eval_batch_size or batch_size
        self.crop_samples = None if crop_seconds is None else round(crop_seconds * SAMPLE_RATE)
        self.transform = transform
        self.coco_train, self.bucket = coco_train, bucket
        self._generator = torch.Generator().manual_seed(seed)

    def entries(self, split: str) -> list[ImageEntry]:
        """The pictures of a split, by the dataset's reader; of a shard set without their files.

        Raises:
            DataError: The folder is not such a dataset, or the set lacks the split.
        """
        if self.shards is not None:
            from zoo.data.shard_stream import Shards

            found = Shards(self.shards).entries(PICTURES, split)
            return [one for one in found if isinstance(one, ImageEntry)]
        name = detect_dataset(self.root) if self.dataset == "auto" else self.dataset
        if name == FLICKR8K:
            return read_flickr8k(self.root, split)
        if name == COCO:
            return read_coco_karpathy(self.root, split, train=self.coco_train)
        raise DataError(f"dataset must be auto, {FLICKR8K} or {COCO}, not {name!r}")

    def train_dataloader(self) -> ReportingLoader:
        """Shuffled pairs, cropped; an incomplete last batch is dropped unless it is the only."""
        size = per_process(self, self.batch_size)
        if self.shards is not None:
            return self._stream("train", size, self.crop_samples, train=True)
        data = self._dataset("train", self.crop_samples)
        drop_last = len(data) >= self.batch_size
        if not self.bucket:
            return self._loader(data, batch_size=size, shuffle=True, drop_last=drop_last)
        order = RandomSampler(data, generator=self._generator)
        batches = LengthBatches(order, size, drop_last, data.file_sizes(), self.seed)
        return self._loader(data, batch_sampler=batches)

    def val_dataloader(self) -> ReportingLoader:
        """The dev (or val) pairs, whole and in order."""
        return self._eval_loader("dev")

    def test_dataloader(self) -> ReportingLoader:
        """The test pairs, whole and in order."""
        return self._eval_loader("test")

    def _eval_loader(self, split: str) -> ReportingLoader:
        if self.shards is not None:
            return self._stream(split, self.eval_batch_size, None, train=False)
        return self._loader(self._dataset(split, None), batch_size=self.eval_batch_size)

    def _dataset(self, split: str, crop_samples: int | None) -> SpeechImageDataset:
        entries = self.entries(split)
        return SpeechImageDataset(entries, self.root, self._transform(), crop_samples)

    def _transform(self) -> Transform:
        if self.transform is not None:
            return self.transform
        model: Any = self.trainer.lightning_module if self.trainer is not None else None
        if hasattr(model, "image_transform"):
            own: Transform = model.image_transform()
            return own
        return image_transform(self.image_size)

    def _stream(self, split: str, size: int, crop: int | None, *, train: bool) -> StreamLoader:
        """Batches out of a shard set."""
        from zoo.data.shard_stream import Shards

        stream = Shards(str(self.shards)).stream(
            PICTURES,
            split,
            PairReader(self._transform(), crop),
            batch_size=size,
            num_workers=self.num_workers,
            train=train,
            bucket=self.bucket,
            seed=self.seed,
        )
        return StreamLoader(stream, **self._options(), batch_size=size)


@dataclass(frozen=True)
class PairReader:
    """Makes an item of a sample of a shard set, as `SpeechImageDataset` does of a pair."""

    transform: Transform
    crop_samples: int | None

    def __call__(self, sample: Sample) -> dict[str, Any]:
        """The item; the two files lie in a folder of their own as long as it takes."""
        if not isinstance(sample.entry, ImageEntry):
            raise DataError("the sample is no picture with a recording")
        with TemporaryDirectory() as scratch:
            sample.write(Path(scratch))
            pairs = SpeechImageDataset([sample.entry], scratch, self.transform, self.crop_samples)
            return pairs[0]


def detect_dataset(root: str | Path) -> str:
    """Tell by its files which dataset a folder holds.

    Raises:
        DataError: Neither of the known ones.
    """
    base = Path(root)
    if any((base / name).is_file() for name in TEXT_FILES):
        return FLICKR8K
    if looks_like_spoken_coco(base):
        return COCO
    raise DataError(
        f"{base} is neither Flickr8k (no {TEXT_FILES[0]} or captions.txt) nor SpokenCOCO (no "
        "SpokenCOCO_*.json): name the folder that holds these files, or make a small corpus with "
        "`zoo corpus make tiny-flickr8k DIR`"
    )
