from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from tests.data import layouts
from zoo.data.flickr8k import read_flickr8k
from zoo.data.loading import LengthBatches
from zoo.data.speech_image import (
    SpeechImageDataModule,
    SpeechImageDataset,
    collate,
    detect_dataset,
)
from zoo.errors import DataError
from zoo.nn.clip import image_transform


def dataset(root: Path, split: str = "dev", **options: Any) -> SpeechImageDataset:
    return SpeechImageDataset(read_flickr8k(root, split), root, image_transform(32), **options)


def test_item(flickr8k: Path) -> None:
    data = dataset(flickr8k)
    assert len(data) == 4 * 5
    item = data[7]
    entry = read_flickr8k(flickr8k, "dev")[1]
    samples, _ = soundfile.read(flickr8k / entry.captions[2].wav, dtype="float32")
    np.testing.assert_array_equal(item["wav"].numpy(), samples)
    assert item["wav"].dtype == torch.float32
    assert item["image"].shape == (3, 32, 32)
    assert item["image_id"] == entry.image_id
    assert item["caption"] == entry.captions[2].text
    assert item["speaker"] == entry.captions[2].speaker
    assert item["caption_id"] == entry.captions[2].wav


def test_captions_without_recording_drop_out(flickr8k: Path) -> None:
    stem = layouts.flickr_stems()["dev"][0]
    (flickr8k / "flickr_audio" / "wavs" / f"{stem}_0.wav").unlink()
    assert len(dataset(flickr8k)) == 19


def test_crop_is_random_and_inside(flickr8k: Path) -> None:
    whole, data = dataset(flickr8k)[0]["wav"], dataset(flickr8k, crop_samples=4000)
    crops = {data[0]["wav"].numpy().tobytes() for _ in range(5)}
    assert len(crops) == 5
    assert {len(crop) for crop in crops} == {4 * 4000}
    assert all(crop in whole.numpy().tobytes() for crop in crops)
    assert len(dataset(flickr8k, crop_samples=10**6)[0]["wav"]) == len(whole)


def test_collate(flickr8k: Path) -> None:
    data = dataset(flickr8k)
    batch = collate([data[k] for k in (0, 6, 12)])
    lengths = [len(data[k]["wav"]) for k in (0, 6, 12)]
    assert batch["wav"].shape == (3, max(lengths))
    assert batch["wav_len"].tolist() == lengths
    assert batch["wav_len"].dtype == batch["id"].dtype == torch.int64
    assert batch["image"].shape == (3, 3, 32, 32)
    assert batch["caption"] == [data[k]["caption"] for k in (0, 6, 12)]
    shortest = int(np.argmin(lengths))
    assert not batch["wav"][shortest, lengths[shortest] :].any()
    assert batch["wav"][shortest, : lengths[shortest]].any()


def spoil(root: Path) -> list[Path]:
    """One recording of text, one cut short, one picture that is none; 5 + 2 pairs in all."""
    stems = layouts.flickr_stems()["dev"]
    wavs = root / "flickr_audio" / "wavs"
    bad = [
        wavs / f"{stems[0]}_1.wav",
        wavs / f"{stems[1]}_0.wav",
        root / "Flicker8k_Dataset" / f"{stems[2]}.jpg",
    ]
    bad[0].write_text("not sound")
    bad[1].write_bytes(bad[1].read_bytes()[:2000])
    bad[2].write_bytes(b"not a picture")
    return bad


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_files_are_left_out_and_reported(
    flickr8k: Path, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    bad = spoil(flickr8k)
    module = SpeechImageDataModule(str(flickr8k), image_size=32, batch_size=5, num_workers=workers)
    loader = module.val_dataloader()
    with caplog.at_level(logging.WARNING):
        batches = list(loader)
    assert sum(len(batch["id"]) for batch in batches) == 20 - 7
    assert len(batches) == 3  # the five pairs of the unreadable picture were a whole batch
    assert all("skipped" not in batch for batch in batches)
    assert loader.skipped_total == 7
    for path in bad:
        assert path.name in caplog.text


def test_loaders(flickr8k: Path) -> None:
    module = SpeechImageDataModule(
        str(flickr8k), image_size=32, batch_size=16, num_workers=0, crop_seconds=0.25
    )
    batches = list(module.train_dataloader())
    assert [tuple(batch["wav"].shape) for batch in batches] == [(16, 4000)] * 3  # 60 pairs
    order = [name for batch in batches for name in batch["caption_id"]]
    assert order != sorted(order)
    assert len(set(order)) == 48
    again = SpeechImageDataModule(str(flickr8k), image_size=32, batch_size=16, num_workers=0)
    assert next(iter(again.train_dataloader()))["caption_id"] == batches[0]["caption_id"]
    other = SpeechImageDataModule(
        str(flickr8k), image_size=32, batch_size=16, num_workers=0, seed=1
    )
    assert next(iter(other.train_dataloader()))["caption_id"] != batches[0]["caption_id"]
    names = [name for batch in module.test_dataloader() for name in batch["caption_id"]]
    assert names == [c.wav for e in read_flickr8k(flickr8k, "test") for c in e.captions]


def test_small_training_set_is_one_batch(flickr8k: Path) -> None:
    module = SpeechImageDataModule(str(flickr8k), image_size=32, batch_size=100, num_workers=0)
    assert [len(batch["id"]) for batch in module.train_dataloader()] == [60]


def test_buckets_hold_every_pair_once_with_less_padding(flickr8k: Path) -> None:
    def epoch(bucket: bool) -> list[dict[str, Any]]:
        module = SpeechImageDataModule(
            str(flickr8k), image_size=32, batch_size=6, num_workers=0, bucket=bucket
        )
        return list(module.train_dataloader())

    def padding(batches: list[dict[str, Any]]) -> int:
        return sum(int((b["wav"].shape[1] - b["wav_len"]).sum()) for b in batches)

    bucketed = epoch(True)
    names = [name for batch in bucketed for name in batch["caption_id"]]
    assert sorted(names) == sorted(n for batch in epoch(False) for n in batch["caption_id"])
    assert padding(bucketed) < 0.3 * padding(epoch(False))
    widths = [batch["wav"].shape[1] for batch in bucketed]
    assert widths != sorted(widths)


def test_buckets_drop_only_an_incomplete_batch() -> None:
    batches = LengthBatches(range(10), 4, True, lengths=list(range(10)), window=2)
    assert sorted(len(batch) for batch in batches) == [4, 4]
    assert len(LengthBatches(range(10), 4, False, lengths=list(range(10)))) == 3


def test_coco_and_its_rates(coco: Path) -> None:
    module = SpeechImageDataModule(
        str(coco), image_size=32, batch_size=8, num_workers=0, coco_train="train"
    )
    assert len(module.entries("train")) == 12
    batch = next(iter(module.test_dataloader()))
    assert batch["wav_len"].max() <= 1.5 * 16000 + 1  # the recordings at 44.1 kHz as well
    assert set(batch["id"].tolist()) <= set(layouts.COCO_PARTS["test"][1])


def test_own_transform(flickr8k: Path) -> None:
    module = SpeechImageDataModule(
        str(flickr8k), num_workers=0, batch_size=2, transform=lambda _: torch.ones(1)
    )
    assert next(iter(module.val_dataloader()))["image"].tolist() == [[1.0], [1.0]]


def test_default_transform_is_clips() -> None:
    open_clip = pytest.importorskip("open_clip")
    theirs = open_clip.image_transform(64, is_train=False)
    pixels = np.random.default_rng(0).integers(0, 256, (90, 131, 3), np.uint8)
    picture = Image.fromarray(pixels)
    torch.testing.assert_close(image_transform(64)(picture), theirs(picture))


def test_dataset_is_recognised(flickr8k: Path, coco: Path, tmp_path: Path) -> None:
    assert detect_dataset(flickr8k) == "flickr8k"
    assert detect_dataset(coco) == "spokencoco"
    with pytest.raises(DataError, match=r"neither Flickr8k .* nor SpokenCOCO .*zoo corpus make"):
        detect_dataset(tmp_path)
    with pytest.raises(DataError, match=r"must be auto, flickr8k or spokencoco, not 'lrs3'"):
        SpeechImageDataModule(str(flickr8k), dataset="lrs3").entries("train")
