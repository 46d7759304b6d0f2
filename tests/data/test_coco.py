from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.data import layouts
from zoo.data.coco import coco_number, read_coco_karpathy
from zoo.errors import DataError


@pytest.mark.parametrize(
    ("split", "parts"),
    [("train", ["train", "restval"]), ("val", ["val"]), ("dev", ["val"]), ("test", ["test"])],
)
def test_original_jsons(coco: Path, split: str, parts: list[str]) -> None:
    entries = read_coco_karpathy(coco, split)
    numbers = [number for part in parts for number in layouts.COCO_PARTS[part][1]]
    assert [entry.image_id for entry in entries] == numbers
    for entry in entries:
        assert coco_number(entry.image) == entry.image_id
        assert (coco / entry.image).is_file()
        assert len(entry.captions) == 5
        for caption in entry.captions:
            assert caption.text == f"a dog number {caption.k} of {entry.image_id}"
            assert caption.wav is not None
            assert (coco / caption.wav).is_file()
            assert caption.speaker == f"m{entry.image_id % 3:03d}"


def test_train_without_restval(coco: Path) -> None:
    assert len(read_coco_karpathy(coco, "train", train="train+restval")) == 16
    entries = read_coco_karpathy(coco, "train", train="train")
    assert len(entries) == 12
    assert all(entry.image.startswith("train2014/") for entry in entries)


def test_resplit_has_its_own_ids_and_needs_no_karpathy_json(coco: Path) -> None:
    layouts.write_ksplit(coco)
    (coco / "dataset_coco.json").unlink()
    entries = read_coco_karpathy(coco, "train")
    assert [entry.image_id for entry in entries] == list(range(1000, 1016))
    assert len(read_coco_karpathy(coco, "train", train="train")) == 12
    assert [coco_number(entry.image) for entry in read_coco_karpathy(coco, "val")] == list(
        layouts.COCO_PARTS["val"][1]
    )


def test_texts_without_speech(coco: Path) -> None:
    shutil.rmtree(coco / "SpokenCOCO")
    entries = read_coco_karpathy(coco, "test", speech=False)
    assert [len(entry.captions) for entry in entries] == [6] * 4  # five to seven, never cut
    assert entries[0].captions[1].text == "A dog number 1."
    assert entries[0].captions[1].wav is None
    assert entries[0].dataset == "coco"


def test_pictures_below_images(coco: Path) -> None:
    (coco / "images").mkdir()
    for part in ("train2014", "val2014"):
        (coco / part).rename(coco / "images" / part)
    entry = read_coco_karpathy(coco, "test")[0]
    assert entry.image.startswith("images/val2014/")
    assert (coco / entry.image).is_file()


def test_unpacked_into_the_root_itself(coco: Path) -> None:
    for path in (coco / "SpokenCOCO").iterdir():
        path.rename(coco / path.name)
    wav = read_coco_karpathy(coco, "test")[0].captions[0].wav
    assert wav is not None
    assert wav.startswith("wavs/val/")


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("dataset_coco.json", r"lacks dataset_coco.json \(of caption_datasets.zip\)"),
        ("SpokenCOCO/SpokenCOCO_val.json", r"SpokenCOCO_val.json of SpokenCOCO.tar.gz"),
        ("SpokenCOCO", r"lacks SpokenCOCO_train.json and SpokenCOCO_val.json"),
        ("val2014", r"lacks the picture folders train2014, val2014"),
        (
            layouts.coco_image("val", 31),
            r"1 of the 16 pictures of train .*000000000031.jpg: unpack the zip of val2014",
        ),
    ],
)
def test_what_is_missing_is_named(coco: Path, gone: str, message: str) -> None:
    path = coco / gone
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(DataError, match=message):
        read_coco_karpathy(coco, "train")


def test_cut_json(coco: Path) -> None:
    path = coco / "dataset_coco.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(DataError, match=r"dataset_coco.json is not a complete json"):
        read_coco_karpathy(coco, "val")


def test_wrong_words(coco: Path) -> None:
    with pytest.raises(DataError, match=r"no 'restval'"):
        read_coco_karpathy(coco, "restval")
    with pytest.raises(DataError, match=r"one of train, train\+restval, not 'all'"):
        read_coco_karpathy(coco, "train", train="all")
