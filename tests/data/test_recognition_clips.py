from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.data import lrs_layouts
from zoo.data.lrs3 import read_lrs3
from zoo.data.recognition_clips import Babble, RecognitionClips, RecognitionDataModule


@pytest.fixture(scope="module")
def lrs3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lrs_layouts.lrs3(tmp_path_factory.mktemp("lrs3"))


def test_kept_clips_are_decoded_once(lrs3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    utterances = read_lrs3(lrs3, "test")
    plain, kept = RecognitionClips(utterances, lrs3), RecognitionClips(utterances, lrs3, keep=True)
    expected = plain[0]
    assert torch.equal(kept[0]["video"], expected["video"])

    def refuse(*args: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr("zoo.data.mouths.load_video", refuse)
    monkeypatch.setattr("zoo.data.audio_visual.load_audio", refuse)
    again = kept[0]
    assert torch.equal(again["video"], expected["video"])
    assert float((again["audio"] - expected["audio"]).abs().max()) < 1e-4
    other = RecognitionClips(utterances, lrs3, keep=True)
    other.share_memory_of(kept)
    assert torch.equal(other[0]["video"], expected["video"])


def test_babble_is_of_other_people(lrs3: Path) -> None:
    utterances = read_lrs3(lrs3, "trainval")
    noise = Babble(share=1.0, lowest_snr_db=0.0, highest_snr_db=0.0, voices=3)
    clean = RecognitionClips(utterances, lrs3, keep=True)
    noisy = RecognitionClips(utterances, lrs3, keep=True, noise=noise)
    changed = [not torch.equal(noisy[k]["audio"], clean[k]["audio"]) for k in range(len(clean))]
    assert any(changed)
    assert all(noisy[k]["audio"].abs().max() <= 1 for k in range(len(clean)))
    lonely = RecognitionClips(utterances[:2], lrs3, keep=True, noise=noise)  # one speaker only
    assert torch.allclose(lonely[0]["audio"], clean[0]["audio"], atol=1e-4)


def test_few_labels_and_plain_datasets(lrs3: Path) -> None:
    data = RecognitionDataModule(str(lrs3), label_share=0.5, in_memory=True, max_seconds=None)
    every = RecognitionDataModule(str(lrs3)).utterances("train")
    some = data.utterances("train")
    assert len(some) == round(0.5 * len(every)) and set(some) < set(every)
    assert len(data.utterances("test")) == 2
    data.train_dataloader()
    plain = data.plain_dataset("train", 1)
    first = plain[0]
    assert not plain.train and len(plain) == 1
    made = data.make_dataset(some, data.streams, train=True)
    assert isinstance(made, RecognitionClips)
    assert made._kept_pictures is plain._kept_pictures
    assert first["video"].shape[1:] == (88, 88)


def test_training_sees_what_transcribing_sees(lrs3: Path) -> None:
    options = {"mouths": "fixed", "size": 48, "row": 70}
    data = RecognitionDataModule(str(lrs3), **options)  # type: ignore[arg-type]
    item = data.plain_dataset("test")[1]
    window = data.window
    crops = window.crops(lrs3 / "test" / f"{item['id']}.mp4", "avhubert")
    assert torch.equal(item["video"], window.model_input(crops))
    assert item["video"].shape[1:] == (48, 48)
    moved = data.make_dataset(data.utterances("test"), data.streams, train=True)[1]
    assert moved["video"].shape == item["video"].shape
