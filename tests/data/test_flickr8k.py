from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.data import layouts
from zoo.data.flickr8k import clean_caption, read_flickr8k
from zoo.errors import DataError


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_official_form(flickr8k: Path, split: str) -> None:
    stems = layouts.flickr_stems()
    entries = read_flickr8k(flickr8k, split)
    assert [Path(entry.image).stem for entry in entries] == stems[split]
    ordered = sorted(stem for names in stems.values() for stem in names)
    for entry in entries:
        stem = Path(entry.image).stem
        assert entry.image == f"Flicker8k_Dataset/{stem}.jpg"
        assert (entry.dataset, entry.split) == ("flickr8k", split)
        assert entry.image_id == ordered.index(stem)  # over the pictures of all splits
        assert [caption.k for caption in entry.captions] == [0, 1, 2, 3, 4]
        for caption in entry.captions:
            assert caption.text == f"A dog, two cats and a Ball number {caption.k} in {stem}"
            assert caption.wav == f"flickr_audio/wavs/{stem}_{caption.k}.wav"
            assert (flickr8k / caption.wav).is_file()
            assert caption.speaker is not None
            assert caption.speaker.isdigit()


def test_val_is_dev(flickr8k: Path) -> None:
    assert read_flickr8k(flickr8k, "val") == read_flickr8k(flickr8k, "dev")


def test_kaggle_form_is_the_same_in_lower_case(flickr8k: Path) -> None:
    official = read_flickr8k(flickr8k, "train")
    layouts.to_kaggle(flickr8k)
    entries = read_flickr8k(flickr8k, "train")
    assert [entry.image_id for entry in entries] == [entry.image_id for entry in official]
    assert entries[0].image.startswith("Images/")
    for ours, theirs in zip(entries, official):
        assert [c.text for c in ours.captions] == [c.text.lower() for c in theirs.captions]
        assert [c.wav for c in ours.captions] == [c.wav for c in theirs.captions]


def test_texts_in_their_own_folder(flickr8k: Path) -> None:
    expected = read_flickr8k(flickr8k, "test")
    (flickr8k / "Flickr8k_text").mkdir()
    for path in [*flickr8k.glob("Flickr8k.token.txt"), *flickr8k.glob("Flickr_8k.*.txt")]:
        path.rename(flickr8k / "Flickr8k_text" / path.name)
    assert read_flickr8k(flickr8k, "test") == expected


def test_karpathy_json_stands_in_for_the_split_lists(flickr8k: Path) -> None:
    expected = read_flickr8k(flickr8k, "dev")
    stems = layouts.flickr_stems()
    rows = [
        {"filename": f"{stem}.jpg", "split": {"dev": "val"}.get(split, split)}
        for split in stems
        for stem in stems[split]
    ]
    layouts.dump(flickr8k / "dataset_flickr8k.json", {"dataset": "flickr8k", "images": rows})
    for path in flickr8k.glob("Flickr_8k.*.txt"):
        path.unlink()
    assert read_flickr8k(flickr8k, "dev") == expected


def test_a_missing_recording_is_none(flickr8k: Path) -> None:
    stem = layouts.flickr_stems()["test"][1]
    (flickr8k / "flickr_audio" / "wavs" / f"{stem}_3.wav").unlink()
    captions = read_flickr8k(flickr8k, "test")[1].captions
    assert [caption.wav is None for caption in captions] == [False, False, False, True, False]


def test_without_speech(flickr8k: Path) -> None:
    shutil.rmtree(flickr8k / "flickr_audio")
    entries = read_flickr8k(flickr8k, "test", speech=False)
    assert len(entries) == 4
    assert all(caption.wav is None for entry in entries for caption in entry.captions)


def test_pictures_missing_from_the_list(flickr8k: Path) -> None:
    stem = layouts.flickr_stems()["train"][2]
    (flickr8k / "Flicker8k_Dataset" / f"{stem}.jpg").unlink()
    with pytest.raises(DataError, match=rf"1 of the 12 pictures .* first is {stem}.jpg"):
        read_flickr8k(flickr8k, "train")


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("Flicker8k_Dataset", r"Flickr8k_Dataset.zip: put them at Flicker8k_Dataset or .*Images"),
        ("Flickr8k.token.txt", r"Flickr8k_text.zip: put them at Flickr8k.token.txt"),
        ("Flickr_8k.trainImages.txt", r"lacks Flickr_8k.trainImages.txt"),
        ("flickr_audio", r"flickr_audio.tar.gz: put them at flickr_audio/wavs"),
    ],
)
def test_what_is_missing_is_named(flickr8k: Path, gone: str, message: str) -> None:
    path = flickr8k / gone
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(DataError, match=message):
        read_flickr8k(flickr8k, "train")


def test_empty_recordings_folder(flickr8k: Path) -> None:
    for path in (flickr8k / "flickr_audio" / "wavs").glob("*.wav"):
        path.unlink()
    with pytest.raises(DataError, match=r"no recording of the dev pictures.*<image>_<k>.wav"):
        read_flickr8k(flickr8k, "dev")


def test_broken_caption_line_is_named(flickr8k: Path) -> None:
    path = flickr8k / "Flickr8k.token.txt"
    path.write_text(path.read_text() + "no tab here\n")
    number = len(path.read_text().splitlines())
    with pytest.raises(DataError, match=rf"Flickr8k.token.txt:{number} is not"):
        read_flickr8k(flickr8k, "train")


def test_unknown_split(flickr8k: Path) -> None:
    with pytest.raises(DataError, match=r"no split 'valid'"):
        read_flickr8k(flickr8k, "valid")


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (" A dog runs . ", "A dog runs"),
        ("Two dogs.", "Two dogs"),
        ("Wait ...", "Wait .."),
        ("", ""),
    ],
)
def test_cleaning(raw: str, clean: str) -> None:
    assert clean_caption(raw) == clean
    assert clean_caption(raw, lower=True) == clean.lower()
