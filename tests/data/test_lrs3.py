from __future__ import annotations

from pathlib import Path

import pytest

from tests.data import lrs_layouts
from zoo.data.lrs3 import read_cross_pairs, read_lrs3
from zoo.data.utterances import read_utterances, write_utterances
from zoo.errors import DataError


@pytest.fixture(scope="module")
def lrs3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lrs_layouts.lrs3(tmp_path_factory.mktemp("lrs3"))


def test_test_split(lrs3: Path) -> None:
    first, second = read_lrs3(lrs3, "test")
    assert (first.id, second.id) == ("81Ub0SMxZQo/00002", "81Ub0SMxZQo/00003")
    assert first.video == "test/81Ub0SMxZQo/00002.mp4"
    assert first.audio == first.sound == "test/81Ub0SMxZQo/00002.wav"
    assert (second.audio, second.sound) == (None, second.video)
    assert (first.text, first.conf) == ("HOW WOULD I KNOW", 4.0)
    # a single space after the colon keeps its first word; no confidence is no error
    assert (second.text, second.conf, second.words) == ("IT'S 10", None, None)


def test_pretrain_has_word_times(lrs3: Path) -> None:
    (one,) = read_lrs3(lrs3, "pretrain")
    assert one.source == "a-b_c-d_e-f"
    assert one.text == "UM THIS IS A LONG ONE: WITH 2 PAUSES"
    assert one.text_raw.startswith("{UM}")
    assert one.words is not None
    assert [word.text for word in one.words] == ["UM", "THIS", "IS"]
    assert (one.words[2].start_s, one.words[2].end_s, one.words[2].score) == (17.0, 17.2, 3.0)


def test_train_and_validation_share_no_speaker(lrs3: Path) -> None:
    train, valid = read_lrs3(lrs3, "train"), read_lrs3(lrs3, "valid")
    whole = {one.id for one in read_lrs3(lrs3, "trainval")}
    assert {one.id for one in train if one.video and one.video.startswith("trainval")} | {
        one.id for one in valid
    } == whole
    assert valid
    assert not {one.source for one in train} & {one.source for one in valid}
    assert [one.id for one in read_lrs3(lrs3, "dev")] == [one.id for one in valid]
    assert any(one.source == "a-b_c-d_e-f" for one in train)
    assert all(one.source != "a-b_c-d_e-f" for one in read_lrs3(lrs3, "train30"))


@pytest.mark.parametrize("content", ["trainval/{}\n", "{}\r", "{}.mp4\n"])
def test_validation_lists_of_papers(lrs3: Path, tmp_path: Path, content: str) -> None:
    name = "_3xGq-9aB_c/50002"
    listing = tmp_path / "ids"
    listing.write_bytes(content.format(name).encode())
    assert [one.id for one in read_lrs3(lrs3, "valid", valid_ids=listing)] == [name]
    train = read_lrs3(lrs3, "train", valid_ids=listing)
    assert name not in {one.id for one in train}
    assert len(train) == 6


def test_a_list_beside_the_folders_is_used(tmp_path: Path) -> None:
    root = lrs_layouts.lrs3(tmp_path)
    (root / "lrs3-valid.id").write_text("0C5UQbWzwg8/50001\n")
    assert [one.id for one in read_lrs3(root, "valid")] == ["0C5UQbWzwg8/50001"]
    (root / "lrs3-valid.id").write_text("0C5UQbWzwg8/59999\n")
    with pytest.raises(DataError, match="59999"):
        read_lrs3(root, "valid")


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_lrs3(tmp_path / "nowhere", "test")
    with pytest.raises(DataError, match="lacks the folder test"):
        read_lrs3(tmp_path, "test")
    with pytest.raises(DataError, match="no split 'eval'"):
        read_lrs3(tmp_path, "eval")
    (tmp_path / "test" / "81Ub0SMxZQo").mkdir(parents=True)
    with pytest.raises(DataError, match="no clip of lrs3 test"):
        read_lrs3(tmp_path, "test")


@pytest.mark.parametrize(("ending", "what"), [(".mp4", "video"), (".txt", "text")])
def test_incomplete_copies(tmp_path: Path, ending: str, what: str) -> None:
    root = lrs_layouts.lrs3(tmp_path)
    (root / "test" / "81Ub0SMxZQo" / f"00003{ending}").unlink()
    with pytest.raises(DataError, match=rf"1 of the 2 clips .* have no {what}.*00003{ending}"):
        read_lrs3(root, "test")
    assert [one.id for one in read_lrs3(root, "test", incomplete=True)] == ["81Ub0SMxZQo/00002"]


def test_a_text_without_transcript_is_named(tmp_path: Path) -> None:
    root = lrs_layouts.lrs3(tmp_path)
    path = root / "test" / "81Ub0SMxZQo" / "00003.txt"
    path.write_text("Conf:  3\n")
    with pytest.raises(DataError, match=r"00003\.txt: no line begins with `Text:`"):
        read_lrs3(root, "test")


def test_manifest_round_trip(lrs3: Path, tmp_path: Path) -> None:
    found = [*read_lrs3(lrs3, "pretrain"), *read_lrs3(lrs3, "test")]
    path = write_utterances(found, tmp_path / "lrs3.jsonl")
    assert read_utterances(path) == found
    path.write_text(path.read_text() + '{"id": "x"}\n')
    with pytest.raises(DataError, match=r"lrs3\.jsonl:4 is not an utterance"):
        read_utterances(path)


def test_real_copy(real_root: Path) -> None:
    root = real_root / "lrs3"
    for split in ("test", "trainval"):
        found = read_lrs3(root, split)
        clips = [p for p in (root / split).glob("*/*.txt") if p.stem.isdigit()]
        assert len(found) == len(clips) > 0
        for one in found:
            assert (root / one.sound).is_file()
            assert one.text == one.text.upper() == one.text_raw
            assert one.conf is not None
    ids = {one.id for split in ("train", "valid") for one in read_lrs3(root, split)}
    assert ids == {one.id for one in read_lrs3(root, "trainval")}


def test_cross_pairs_are_taken_apart_from_the_right(tmp_path: Path) -> None:
    path = tmp_path / "cross.txt"
    path.write_text("81Ub0SMxZQo_00002_00003\n_3xGq-9a_c_00010_00001\n\n")
    assert read_cross_pairs(path) == [
        ("81Ub0SMxZQo/00002", "81Ub0SMxZQo/00003"),
        ("_3xGq-9a_c/00010", "_3xGq-9a_c/00001"),
    ]
    path.write_text("81Ub0SMxZQo_00002\n")
    with pytest.raises(DataError, match="txt:1 is not"):
        read_cross_pairs(path)
