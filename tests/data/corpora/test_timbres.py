from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.audio import load_audio
from zoo.cli import main
from zoo.data.corpora import make, tiny_lrs3
from zoo.data.corpora.about import ABOUT, about_corpus
from zoo.data.corpora.espeak import Voice, speak
from zoo.data.corpora.speakers import TIMBRES
from zoo.data.corpora.timbres import definition, drawn_name, drawn_number, is_high
from zoo.data.lrs3 import read_lrs3
from zoo.data.speech_crops import SpeechCropDataModule
from zoo.errors import DataError, MediaError, ZooError
from zoo.video import load_video

SENTENCE = "tina buys the red bridge"


def test_names_and_numbers() -> None:
    assert drawn_number(drawn_name(17)) == 17
    for other in (None, "f1", "drawn-", "drawn-x", "../drawn-1", "drawn-1234567890"):
        assert drawn_number(other) is None
    assert definition(3) == definition(3) != definition(4)
    assert 20 < sum(map(is_high, range(100))) < 80


def test_a_drawn_timbre_always_sounds_the_same_and_like_no_other() -> None:
    voice = Voice(variant=drawn_name(3))
    first = speak(SENTENCE, voice).samples
    others = [speak(SENTENCE, Voice(variant=name)).samples for name in (drawn_name(4), "f2", None)]
    np.testing.assert_array_equal(speak(SENTENCE, voice).samples, first)
    assert not any(np.array_equal(first, other) for other in others)
    with pytest.raises(ZooError, match="no variant 'drawn-x'"):
        speak(SENTENCE, Voice(variant="drawn-x"))


def test_any_number_of_timbres(capfd: pytest.CaptureFixture[str]) -> None:
    """espeak-ng warns of every voice after the 349th that it finds."""
    for number in range(400):
        speak("a", Voice(variant=drawn_name(number)))
    assert "maximum number" not in capfd.readouterr().err


def test_drawn_timbres_are_about_as_loud_and_slow_as_those_of_the_library() -> None:
    def sounds(names: list[str]) -> tuple[np.ndarray, np.ndarray]:
        said = [speak(SENTENCE, Voice(variant=name)).samples for name in names]
        clipped = [float((np.abs(x) > 0.97).mean()) for x in said]
        return np.array([len(x) for x in said]), np.array(clipped)

    lengths, clipped = sounds([drawn_name(k) for k in range(40)])
    known, _ = sounds(list(TIMBRES[::4]))
    assert known.min() * 0.9 < lengths.min() and lengths.max() < known.max() * 1.1
    assert clipped.max() < 0.03 and np.median(clipped) < 0.001


def test_training_people_get_drawn_timbres_and_the_others_stay() -> None:
    sizes = {"train": 100, "dev": 30, "test": 30}
    plain, drawn = tiny_lrs3.plan(4, sizes), tiny_lrs3.plan(4, sizes, timbres=30)
    people = [job.spoken.video.talker for job in drawn if job.spoken.split == "train"]
    numbers = {drawn_number(one.speaker.voice.variant) for one in people}
    assert None not in numbers and len(numbers) > 10
    held_out = [[j for j in jobs if j.spoken.split != "train"] for jobs in (plain, drawn)]
    assert held_out[0] == held_out[1]
    assert not {one.number for one in people} & {j.spoken.video.talker.number for j in plain}
    again = [job for job in tiny_lrs3.plan(4, sizes, timbres=30) if job.spoken.split == "train"]
    assert [job.spoken.video.talker for job in again] == people
    others = {
        job.spoken.video.talker.speaker.voice.variant
        for job in tiny_lrs3.plan(5, sizes, timbres=30)
        if job.spoken.split == "train"
    }
    assert not numbers & {drawn_number(name) for name in others}


def test_a_revoiced_corpus_is_the_plain_one_but_for_the_timbres_of_training_clips() -> None:
    sizes = {"train": 160, "dev": 20, "test": 20}
    plain, first, second = (tiny_lrs3.plan(4, sizes, revoiced=k) for k in (0, 1, 2))
    assert [job.id for job in plain] == [job.id for job in first] == [job.id for job in second]
    timbres = []
    for before, *after in zip(plain, first, second, strict=True):
        if before.spoken.split != "train":
            assert after == [before, before]
            continue
        talker = before.spoken.video.talker
        for job in after:
            name = job.spoken.video.talker.speaker.voice.variant
            assert drawn_number(name) is not None
            timbres.append(name)
            # whatever else is planned is equal: sentences, mood, entropy, face, accent, pace
            assert job.spoken.video.talker.in_timbre(str(talker.speaker.voice.variant)) == talker
            video = replace(job.spoken.video, talker=talker)
            assert replace(job, spoken=replace(job.spoken, video=video)) == before
    parts = [job.part for job in plain if job.spoken.split == "train"]
    assert parts.count("pretrain") and len(timbres) == 2 * len(parts) == len(set(timbres))
    assert first == tiny_lrs3.plan(4, sizes, revoiced=1)
    assert plain == tiny_lrs3.plan(4, sizes)


def test_the_command_makes_a_parallel_corpus(tmp_path: Path) -> None:
    command = ["corpus", "make", "tiny-lrs3", "--seed", "3", "--clips", "2,1,1", "--sound-only"]
    plain, again = tmp_path / "plain", tmp_path / "again"
    assert main([*command, str(plain), "--workers", "1"]) == 0
    assert main([*command, str(again), "--workers", "1", "--revoiced", "1"]) == 0
    assert "revoiced" not in json.loads((plain / ABOUT).read_text())
    assert json.loads((again / ABOUT).read_text())["revoiced"] == 1
    assert str(about_corpus(again)).endswith("1 test, sound only, revoiced 1)")
    for split in ("train", "dev", "test"):
        for one, other in zip(read_lrs3(plain, split), read_lrs3(again, split), strict=True):
            assert (one.id, one.text) == (other.id, other.text)
            sounds = [load_audio(folder / one.sound) for folder in (plain, again)]
            assert torch.equal(*sounds) == (split != "train")


def test_the_command_makes_a_corpus_that_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    command = ["corpus", "make", "tiny-lrs3", str(folder), "--seed", "3", "--clips", "2,1,1"]
    assert main([*command, "--timbres", "5", "--workers", "1"]) == 0
    assert json.loads((folder / ABOUT).read_text())["timbres"] == 5
    assert str(about_corpus(folder)).endswith("(2 train, 1 dev, 1 test, 5 drawn timbres)")


def test_the_sound_alone_is_that_of_the_film(tmp_path: Path) -> None:
    sizes = {"train": 2, "dev": 1, "test": 1}
    film = make("tiny-lrs3", tmp_path / "film", seed=3, clips=sizes, workers=1)
    sound = make("tiny-lrs3", tmp_path / "sound", seed=3, clips=sizes, workers=1, sound_only=True)
    assert str(about_corpus(sound)).endswith("1 test, sound only)")
    for split in ("train", "dev"):
        pairs = list(zip(read_lrs3(film, split), read_lrs3(sound, split), strict=True))
        for one, other in pairs:
            assert one == other
            assert torch.equal(load_audio(film / one.sound), load_audio(sound / one.sound))
            with pytest.raises(MediaError, match="video"):
                load_video(sound / str(other.video))
    data = SpeechCropDataModule(str(sound), crop_samples=6400, batch_size=1)
    assert next(iter(data.train_dataloader()))["wav"].shape == (1, 6400)
    assert not list(sound.rglob("*.npz"))
    with pytest.raises(DataError, match="cannot be made of sound only"):
        make("tiny-coco", tmp_path / "no", clips=3, sound_only=True)


@pytest.mark.parametrize(
    ("name", "timbres", "message"),
    [("tiny-coco", 5, "espeak-ng's timbres"), ("tiny-lrs3", 0, "need timbres; got a number of 0")],
)
def test_numbers_that_make_no_sense(name: str, timbres: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        make(name, tmp_path / "no", clips=3, timbres=timbres)
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tiny-coco", {"revoiced": 1}, "cannot be revoiced"),
        ("tiny-lrs3", {"revoiced": 0}, "numbered from 1; got 0"),
        ("tiny-lrs3", {"revoiced": 1, "timbres": 5}, "choose one of the two"),
    ],
)
def test_what_cannot_be_revoiced(
    name: str, options: dict[str, int], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        make(name, tmp_path / "no", clips=3, **options)  # type: ignore[arg-type]
    assert not (tmp_path / "no").exists()
