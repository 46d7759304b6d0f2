from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
from PIL import Image

from zoo.data.coco import coco_number, read_coco_karpathy
from zoo.data.corpora import make, split_sizes, spoken_scenes, tiny_flickr8k
from zoo.data.corpora.build import ABOUT, TRUTH
from zoo.data.corpora.captions import FUNCTION_WORDS, vocabulary
from zoo.data.corpora.contact_sheet import show
from zoo.data.corpora.scenes import is_held_out
from zoo.data.corpora.spoken_scenes import SpokenScene, plan_scenes
from zoo.data.flickr8k import read_flickr8k
from zoo.errors import DataError

SPLITS = ("train", "dev", "test")


@pytest.fixture(scope="module")
def flickr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora") / "flickr"
    return make("tiny-flickr8k", folder, seed=3, clips=16, workers=1)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("name", ["tiny-flickr8k", "tiny-coco"])
def test_same_seed_same_bytes_whatever_the_workers(name: str, tmp_path: Path) -> None:
    one = contents(make(name, tmp_path / "one", seed=7, clips=6, workers=1))
    two = contents(make(name, tmp_path / "two", seed=7, clips=6, workers=2))
    assert one == two
    assert len(one) > 6 * 6


def test_another_seed_renews_scenes_sentences_and_voices() -> None:
    plans = [plan_scenes(seed, split_sizes(80)) for seed in (0, 1)]

    def overlap(what: list[set[object]]) -> float:
        return len(what[0] & what[1]) / len(what[0])

    assert overlap([{s.scene for s in plan} for plan in plans]) == 0
    assert overlap([{c for s in plan for c in s.captions} for plan in plans]) < 0.2
    assert overlap([{v.voice for s in plan for v in s.speakers} for plan in plans]) == 0


@pytest.fixture(scope="module")
def plan() -> dict[str, list[SpokenScene]]:
    scenes = plan_scenes(5, {"train": 1500, "dev": 200, "test": 500})
    return {split: [s for s in scenes if s.split == split] for split in SPLITS}


def test_held_out_scenes_are_unseen_combinations(plan: dict[str, list[SpokenScene]]) -> None:
    def triples(split: str) -> set[tuple[str, str, str]]:
        return {(i.noun, i.color, s.scene.setting) for s in plan[split] for i in s.scene.items}

    assert not triples("train") & (triples("dev") | triples("test"))
    assert all(is_held_out(*triple) for triple in triples("test"))
    words = [{part for t in triples(split) for part in t} for split in SPLITS]
    assert words[0] >= words[1] | words[2]  # but of parts that training knows


def test_held_out_combinations_and_timbres_are_the_same_for_every_seed(
    plan: dict[str, list[SpokenScene]],
) -> None:
    other = [s for s in plan_scenes(6, {"train": 300, "dev": 50, "test": 50}) if s.split != "train"]
    trained = {(i.noun, i.color, s.scene.setting) for s in plan["train"] for i in s.scene.items}
    assert not trained & {(i.noun, i.color, s.scene.setting) for s in other for i in s.scene.items}
    timbres = {v.voice.variant for s in plan["train"] for v in s.speakers}
    assert not timbres & {v.voice.variant for s in other for v in s.speakers}


def test_no_two_pictures_share_a_description(plan: dict[str, list[SpokenScene]]) -> None:
    found = [s.scene.description for split in SPLITS for s in plan[split]]
    assert len(set(found)) == len(found) == 2200


def test_held_out_sentences_and_voices(plan: dict[str, list[SpokenScene]]) -> None:
    said = {split: {c for s in plan[split] for c in s.captions} for split in SPLITS}
    assert not said["train"] & (said["dev"] | said["test"])
    voices = [{v.number for s in plan[split] for v in s.speakers} for split in SPLITS]
    timbres = [{v.voice.variant for s in plan[split] for v in s.speakers} for split in SPLITS]
    for sets in (voices, timbres):
        assert not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2])


def test_captions_are_paraphrases_of_the_scene(plan: dict[str, list[SpokenScene]]) -> None:
    words = vocabulary()
    assert 60 <= len(words) <= 150
    for spoken in plan["train"]:
        assert len(set(spoken.captions)) == 5
        assert len({speaker.number for speaker in spoken.speakers}) == 5
        colors = {item.color for item in spoken.scene.items}
        for caption in spoken.captions:
            said = set(caption.split())
            assert said <= words | FUNCTION_WORDS
            assert said & {"red", "blue", "green", "yellow", "purple", "pink"} <= colors


def test_relations_are_true(plan: dict[str, list[SpokenScene]]) -> None:
    checked = 0
    for spoken in plan["train"]:
        by_noun = {item.noun: item for item in spoken.scene.items}
        for caption in spoken.captions:
            before, found, after = caption.partition(" left of ")
            nouns = [[n for n in by_noun if n in part.split()] for part in (before, after)]
            if found and len(nouns[0]) == len(nouns[1]) == 1:
                checked += 1
                assert by_noun[nouns[0][0]].x < by_noun[nouns[1][0]].x
    assert checked > 50


@pytest.mark.parametrize("split", SPLITS)
def test_flickr_reader_reads_it(flickr: Path, split: str) -> None:
    entries = read_flickr8k(flickr, split)
    assert len(entries) == {"train": 12}.get(split, 2)
    for entry in entries:
        with Image.open(flickr / entry.image) as picture:
            assert (picture.format, picture.size) == ("JPEG", (128, 128))
        assert len(entry.captions) == 5
        for caption in entry.captions:
            assert caption.wav is not None
            info = soundfile.info(flickr / caption.wav)
            assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
            assert 0.8 < info.duration < 4.5
            assert caption.text[0].isupper()
            assert not caption.text.endswith((".", " "))


def test_truth_beside_it(flickr: Path) -> None:
    for split in SPLITS:
        truths = json.loads((flickr / TRUTH / f"{split}.json").read_text())
        rows = {row["image"]: row for row in truths}
        for entry in read_flickr8k(flickr, split):
            row = rows[entry.image]
            assert row["wavs"] == [caption.wav for caption in entry.captions]
            for caption, truth in zip(entry.captions, row["captions"]):
                assert truth["text"] == caption.text.lower()
                assert str(truth["speaker"]) == caption.speaker
                assert " ".join(word for word, _, _ in truth["words"]) == truth["text"]
                seconds = soundfile.info(flickr / str(caption.wav)).duration
                assert 0 < truth["phonemes"][0][1] < truth["phonemes"][-1][2] <= 1e3 * seconds
    about = json.loads((flickr / ABOUT).read_text())
    assert (about["name"], about["seed"]) == ("tiny-flickr8k", 3)


def test_wav_lists_of_the_audio_corpus(flickr: Path) -> None:
    rows = (flickr / "flickr_audio" / "wav2capt.txt").read_text().splitlines()
    assert len(rows) == 16 * 5
    wav, image, k = rows[7].split()
    assert wav == f"{Path(image).stem}_{k.removeprefix('#')}.wav"
    assert (flickr / "flickr_audio" / "wavs" / wav).is_file()


def test_coco_reader_reads_it(tmp_path: Path) -> None:
    folder = make("tiny-coco", tmp_path / "coco", seed=0, clips=16, workers=1)
    both = read_coco_karpathy(folder, "train", train="train+restval")
    assert len(both) == 12
    assert 0 < len(read_coco_karpathy(folder, "train", train="train")) < 12
    entries = read_coco_karpathy(folder, "test")
    written = read_coco_karpathy(folder, "test", speech=False)
    assert len(entries) == 2
    for entry, text in zip(entries, written):
        assert entry.image_id == text.image_id == coco_number(entry.image)
        assert all((folder / str(caption.wav)).is_file() for caption in entry.captions)
        assert [c.text for c in entry.captions] == [c.text.lower() for c in text.captions]


def test_contact_sheet(flickr: Path, tmp_path: Path) -> None:
    path = show(flickr, tmp_path / "sheet.png", split="train", count=5)
    with Image.open(path) as sheet:
        assert sheet.width > 4 * 240
        assert sheet.height > 2 * 240
    with pytest.raises(DataError, match="at least one picture"):
        show(flickr, tmp_path / "none.png", count=0)


def test_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"is not empty: name a new folder"):
        make("tiny-flickr8k", tmp_path, clips=3, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    make("tiny-flickr8k", tmp_path / "new", clips=3, workers=1)
    assert len(read_flickr8k(tmp_path / "new", "train")) == 1


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(tiny_flickr8k, "_write", full)
    with pytest.raises(OSError, match="no space left"):
        make("tiny-flickr8k", tmp_path / "corpus", clips=3, workers=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "clips", "message"),
    [
        ("tiny-flicker", 3, r"no corpus 'tiny-flicker'; there are: tiny-flickr8k, tiny-coco"),
        ("tiny-flickr8k", 2, r"at least 3 clips, one a split; got 2"),
        ("tiny-flickr8k", {"train": 3, "dev": 0, "test": 1}, r"at least one each"),
        ("tiny-flickr8k", {"train": 3}, r"at least one each"),
    ],
)
def test_impossible_wishes(name: str, clips: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        make(name, tmp_path / "corpus", clips=clips)


def test_sizes_are_flickrs_proportions() -> None:
    assert split_sizes(8000) == {"train": 6000, "dev": 1000, "test": 1000}
    assert split_sizes(3) == {"train": 1, "dev": 1, "test": 1}


def test_grammar_that_runs_dry_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = plan_scenes(0, split_sizes(3))[0].scene
    monkeypatch.setattr(spoken_scenes, "draw_scene", lambda *_, **__: scene)
    with pytest.raises(DataError, match="no new scene left"):
        plan_scenes(0, split_sizes(3))
