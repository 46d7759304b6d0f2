from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from zoo.audio import load_audio
from zoo.data.corpora import make, tiny_lrs3, tiny_lrs_voxmm
from zoo.data.corpora.build import ABOUT, TRUTH
from zoo.data.corpora.contact_sheet import show
from zoo.data.corpora.lexicon import LANGUAGES
from zoo.data.corpora.lrs_text import lrs_text
from zoo.data.corpora.noises import make_noises
from zoo.data.corpora.speakers import HELD_OUT_TIMBRES
from zoo.data.lrs3 import read_lrs3
from zoo.data.lrs_label import parse_label
from zoo.data.lrs_voxmm import CONDITIONS, read_lrs_voxmm
from zoo.errors import DataError
from zoo.video import load_video, probe_video
from zoo.video.landmark_files import read_landmarks

SIZES = {"train": 4, "dev": 2, "test": 2}


@pytest.fixture(scope="module")
def lrs3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces") / "lrs3"
    return make("tiny-lrs3", folder, seed=1, clips=SIZES, workers=1)


@pytest.fixture(scope="module")
def voxmm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces") / "voxmm"
    return make(
        "tiny-lrs-voxmm", folder, seed=1, clips={"train": 1, "dev": 1, "test": 2}, workers=1
    )


@pytest.fixture(scope="module")
def mtedx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces") / "mtedx"
    return make("tiny-mtedx", folder, seed=1, clips={"train": 5, "dev": 1, "test": 1}, workers=1)


def truths(folder: Path, split: str) -> dict[str, dict[str, object]]:
    rows = json.loads((folder / TRUTH / f"{split}.json").read_text(encoding="utf-8"))
    return {row["id"]: row for row in rows}


@pytest.mark.parametrize("name", ["lrs3", "voxmm", "mtedx"])
def test_same_seed_same_bytes_whatever_the_workers(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    first: Path = request.getfixturevalue(name)
    about = json.loads((first / ABOUT).read_text())
    again = make(about["name"], tmp_path / "again", seed=1, clips=about["sizes"], workers=2)
    files = [sorted(p for p in folder.rglob("*") if p.is_file()) for folder in (first, again)]
    assert [len(found) for found in files] == [len(files[0])] * 2
    for path in files[0]:
        assert path.read_bytes() == (again / path.relative_to(first)).read_bytes(), path


def test_lrs3_reader_reads_it(lrs3: Path) -> None:
    counts = {split: len(read_lrs3(lrs3, split)) for split in ("trainval", "train30", "valid")}
    assert counts == {"trainval": 6, "train30": 4, "valid": 2}
    assert len(read_lrs3(lrs3, "test")) == 2
    first = read_lrs3(lrs3, "trainval")[0]
    assert len(first.source) == 11
    assert first.id.split("/")[1] >= "50001"
    assert read_lrs3(lrs3, "test")[0].id.endswith("/00001")


def test_clips_are_as_lrs3_has_them(lrs3: Path) -> None:
    for one in read_lrs3(lrs3, "test"):
        info = probe_video(lrs3 / one.video)
        assert (info.width, info.height, info.fps, info.codec) == (224, 224, 25, "h264")
        video = load_video(lrs3 / one.video, with_audio=True)
        assert video.speech is not None
        assert video.speech.sample_rate == 16000
        assert abs(len(video.speech.waveform) / 640 - len(video.frames)) < 2
        assert 1.0 < video.duration_s < 4.5
        text = (lrs3 / one.video).with_suffix(".txt").read_bytes()
        assert text.startswith(b"Text:  ")
        assert text.splitlines()[1].startswith(b"Conf:  ")
        assert one.text.isascii()
        assert one.text == one.text.upper()
        assert len(one.text) / len(video.frames) < 0.65  # room for CTC


def test_long_clip_has_word_times_and_digits(lrs3: Path) -> None:
    (one,) = read_lrs3(lrs3, "pretrain")
    assert one.words is not None
    assert " ".join(word.text for word in one.words) == one.text
    video = load_video(lrs3 / one.video)
    assert video.duration_s > 16
    starts = [word.start_s for word in one.words]
    assert starts == sorted(starts)
    assert one.words[-1].end_s <= video.duration_s


def test_truth_beside_each_clip(lrs3: Path) -> None:
    rows = {**truths(lrs3, "train"), **truths(lrs3, "dev"), **truths(lrs3, "test")}
    for split in ("trainval", "test"):
        for one in read_lrs3(lrs3, split):
            row, stem = rows[f"{split}/{one.id}"], (lrs3 / one.video).with_suffix("")
            with np.load(stem.with_suffix(".npz")) as tracks:
                shapes = {name: tracks[name].shape for name in tracks.files}
                opening = tracks["opening"]
            count = row["frames"]
            assert shapes == {
                "landmarks": (count, 68, 2),
                "opening": (count,),
                "width": (count,),
                "occluded": (count,),
            }
            assert len(load_video(lrs3 / one.video).frames) == count
            assert opening.max() > opening.min() + 3
            assert len(read_landmarks(stem.with_suffix(".npz"))) == count
            assert {"speaker", "emotion", "phonemes", "voice"} <= set(row)


def test_mouth_opens_with_the_sound(lrs3: Path) -> None:
    """Picture and sound belong together: the lips move while there is speech."""
    for one in read_lrs3(lrs3, "test"):
        speech = load_audio(lrs3 / one.video).numpy()
        with np.load((lrs3 / one.video).with_suffix(".npz")) as tracks:
            opening = tracks["opening"]
        count = min(len(opening), len(speech) // 640)
        loud = np.square(speech[: count * 640]).reshape(count, 640).mean(axis=1) ** 0.25
        assert np.corrcoef(loud, opening[:count])[0, 1] > 0.2


def test_quirks_stay_out_of_the_test_split() -> None:
    jobs = tiny_lrs3.plan(0, {"train": 20, "dev": 5, "test": 120})
    quirks = {job.spoken.quirk for job in jobs if job.spoken.split == "train"}
    assert quirks == {"", "absent", "short", "filler", "long"}
    assert {job.spoken.quirk for job in jobs if job.spoken.split == "test"} == {""}
    ids = [job.id for job in jobs]
    assert len(set(ids)) == len(ids)


def test_unseen_people_and_pairs_in_test() -> None:
    jobs = tiny_lrs3.plan(4, {"train": 200, "dev": 40, "test": 100})

    def found(split: str, what: str) -> set[object]:
        clips = [job.spoken for job in jobs if job.spoken.split == split]
        if what == "pairs":
            return {(s.verb, s.noun) for clip in clips for s in clip.sentences}
        return {clip.video.talker.speaker.voice.variant for clip in clips}

    for what in ("pairs", "timbres"):
        assert not found("train", what) & (found("dev", what) | found("test", what))
    assert len(found("test", "timbres")) == HELD_OUT_TIMBRES


def test_label_with_boxes_reads_back() -> None:
    label = parse_label(lrs_text("{UM} AT 2", 5, ref="abc", frames=3, end="\r\n"))
    assert (label.text, label.conf, label.ref, len(label.boxes)) == ("UM AT 2", 5.0, "abc", 3)


def test_voxmm_reader_reads_every_condition(voxmm: Path) -> None:
    assert len(read_lrs_voxmm(voxmm, "dev")) == 2
    clean = read_lrs_voxmm(voxmm, "test")
    for condition in CONDITIONS:
        found = read_lrs_voxmm(voxmm, "test", condition)
        assert [one.text for one in found] == [one.text for one in clean]
        for one, original in zip(found, clean):
            sound = load_audio(voxmm / str(one.audio)).numpy()
            quiet = load_audio(voxmm / str(original.audio)).numpy()
            assert len(sound) == len(quiet)
            assert (condition == "clean") == bool(np.allclose(sound, quiet))


def test_voxmm_is_loud_and_holds_no_training_voice(voxmm: Path) -> None:
    for one in read_lrs_voxmm(voxmm, "test"):
        samples, rate = soundfile.read(voxmm / str(one.audio))
        assert rate == 16000
        assert 20 * np.log10(np.sqrt(np.mean(samples**2))) == pytest.approx(-16, abs=2.5)
    jobs = tiny_lrs_voxmm.plan(0, {"train": 60, "dev": 10, "test": 10})
    assert {job.spoken.split for job in jobs} == {"dev", "test"}


def test_noises_are_different_and_level() -> None:
    noises = make_noises(0)
    assert len(noises) == 6
    for noise in noises:
        assert np.sqrt(np.mean(noise**2)) == pytest.approx(0.05, rel=1e-3)
    assert abs(np.corrcoef(noises[0], noises[1])[0, 1]) < 0.3


def test_mtedx_layout(mtedx: Path) -> None:
    for language in LANGUAGES:
        base = mtedx / f"{language}-{language}" / "data" / "train"
        rows = [line.split() for line in (base / "txt" / "segments").read_text().splitlines()]
        lines = (base / "txt" / f"train.{language}").read_text(encoding="utf-8").splitlines()
        assert len(rows) == len(lines) == 1
        name, talk, start, stop = rows[0]
        wav = base / "wav" / f"{talk}.flac"
        assert 0 < float(start) < float(stop) < soundfile.info(wav).duration
        assert lines[0].endswith(".")
        clip = base / "video" / talk / f"{name}.mp4"
        part, _ = soundfile.read(wav)
        part = part[int(float(start) * 16000) : int(float(stop) * 16000)]
        sound = load_audio(clip).numpy()
        count = min(len(part), len(sound))
        assert np.corrcoef(part[:count], sound[:count])[0, 1] > 0.9


def test_mtedx_translations_are_parallel(mtedx: Path) -> None:
    text = mtedx / "es-fr" / "data" / "train" / "txt"
    assert (text / "segments").read_bytes() == (
        mtedx / "es-es/data/train/txt/segments"
    ).read_bytes()
    assert (text / "train.es").read_text() == (mtedx / "es-es/data/train/txt/train.es").read_text()
    assert len((text / "train.fr").read_text().splitlines()) == 1
    assert not list(mtedx.rglob("*.segments"))


def test_mtedx_of_some_languages(mtedx: Path, tmp_path: Path) -> None:
    sizes = {"train": 1, "dev": 1, "test": 1}
    spanish = make("tiny-mtedx", tmp_path / "es", seed=1, clips=sizes, workers=1, languages=["es"])
    assert json.loads((spanish / ABOUT).read_text())["languages"] == ["es"]
    assert not (spanish / "fr-fr").exists()
    # the people and sentences of a language do not depend on which others there are
    whole = sorted((mtedx / "es-es/data/train/video").rglob("*.mp4"))
    alone = sorted((spanish / "es-es/data/train/video").rglob("*.mp4"))
    assert [path.name for path in alone] == [path.name for path in whole]
    assert alone[0].read_bytes() == whole[0].read_bytes()


@pytest.mark.parametrize(("name", "languages"), [("tiny-mtedx", ["de"]), ("tiny-lrs3", ["es"])])
def test_languages_that_a_corpus_lacks(name: str, languages: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=languages[0]):
        make(name, tmp_path / "no", clips=3, languages=languages)
    assert not (tmp_path / "no").exists()


def test_sheets_of_faces(lrs3: Path, voxmm: Path, mtedx: Path, tmp_path: Path) -> None:
    for folder, split in ((lrs3, "test"), (voxmm, "test"), (mtedx, "train")):
        path = show(folder, tmp_path / f"{folder.name}.png", split=split, count=2)
        with Image.open(path) as sheet:
            assert sheet.width > 1000
            assert sheet.height > 300
            assert len(set(sheet.convert("L").resize((64, 64)).tobytes())) > 40
