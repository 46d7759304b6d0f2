from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.data import lrs_layouts
from tests.make_media import write_clip
from zoo.cli import main
from zoo.data.inventory import (
    Inventory,
    check_media,
    dataset_name,
    digest,
    hash_files,
    take_inventory,
)
from zoo.errors import DataError


def parts(found: Inventory) -> dict[str, dict[str, int]]:
    return {part.name: dict(part.counts) for part in found.parts}


def problems(found: Inventory) -> dict[str, str]:
    return {problem.path: problem.what for problem in found.problems}


@pytest.fixture
def lrs3(tmp_path: Path) -> Path:
    return lrs_layouts.lrs3(tmp_path / "lrs3")


def test_lrs3_against_the_published_counts(lrs3: Path) -> None:
    found = take_inventory("lrs3", lrs3)
    assert parts(found) == {
        "pretrain": {"clips": 1},
        "trainval": {"clips": 6},
        "test": {"clips": 2},
    }
    assert [part.expected["clips"] for part in found.parts] == [118_516, 31_982, 1_321]
    assert not found.complete
    assert not found.problems
    assert "test/81Ub0SMxZQo/00003_lip.mp4" not in found.files
    assert "test/81Ub0SMxZQo/00002.wav" in found.files


def test_missing_and_broken_files(lrs3: Path) -> None:
    video, _, odd = lrs_layouts.LRS3_VIDEOS["trainval"]
    (lrs3 / "trainval" / video / "50001.mp4").unlink()
    (lrs3 / "trainval" / video / "50002.txt").write_text("no transcript\n")
    (lrs3 / "trainval" / odd / "50001.txt").write_text("Text:  CAFÉ, PLEASE\n", encoding="utf-8")
    found = take_inventory("auto", lrs3)
    assert parts(found)["trainval"] == {"clips": 5}
    said = problems(found)
    assert said.pop(f"trainval/{video}/50001.mp4") == "is missing"
    assert said.pop(f"trainval/{video}/50002.txt").startswith("no line begins with `Text:`")
    assert not said
    odd_text = next(r for r in found.remarks if r.path == f"trainval/{odd}/50001.txt")
    assert odd_text.what == "has signs that LRS does not use: ',É'"


def test_media_are_opened(lrs3: Path) -> None:
    folder = lrs3 / "test" / "81Ub0SMxZQo"
    (folder / "00003.mp4").write_bytes(b"no film")
    write_clip(folder / "00002.mp4", frames=50, size=(96, 96), fps=50)
    said = {}
    for problem in check_media(take_inventory("lrs3", lrs3)):
        said.setdefault(Path(problem.path).name, []).append(problem.what)
    assert said["00002.mp4"] == ["has 50 frames a second, not 25"]
    assert "cannot be" in said["00003.mp4"][0] or "not" in said["00003.mp4"][0]
    assert said["50001.mp4"][0] == "is 64 x 64 pixels, not 224 x 224"


def test_sound_of_another_length(lrs3: Path) -> None:
    folder = lrs3 / "test" / "81Ub0SMxZQo"
    write_clip(folder / "00002.mp4", frames=50, size=(96, 96))  # its wav has one second
    said = [p.what for p in check_media(take_inventory("lrs3", lrs3)) if "00002" in p.path]
    assert said == ["lasts 2.00 s, its sound 1.00 s"]


def test_lrs2_lists(tmp_path: Path) -> None:
    root = lrs_layouts.lrs2(tmp_path / "lrs2")
    (root / "val.txt").write_text("6330311066473698535/00009\n")
    (root / "pretrain.txt").unlink()
    found = take_inventory("lrs2", root)
    assert parts(found) == {
        n: {"clips": c} for n, c in zip(("pretrain", "train", "val", "test"), (0, 1, 0, 1))
    }
    said = problems(found)
    assert said["mvlrs_v1/main/6330311066473698535/00009.mp4"] == "is missing"
    assert "lacks pretrain.txt" in said["pretrain.txt"]


def test_voxmm_conditions_and_shared_videos(tmp_path: Path) -> None:
    root = lrs_layouts.lrs_voxmm(tmp_path / "voxmm")
    (root / "noise_easy" / "test" / "vB-_1234567" / "00001.wav").unlink()
    found = take_inventory("lrs-voxmm", root)
    assert parts(found) == {
        "dev": {"clips": 2},
        "test": {"clips": 2},
        "test, noise-easy": {"recordings": 1},
        "test, 3dist-hard": {"recordings": 2},
    }
    assert problems(found) == {"noise_easy/test/vB-_1234567/00001.wav": "is missing"}
    original = root / "original"
    (original / "train" / "vA-_1234567").rename(original / "train" / "vB-_1234567")
    said = problems(take_inventory("lrs-voxmm", root))
    assert said["original/test/vB-_1234567"] == "is a video of the development set as well"


def test_pictures(flickr8k: Path, coco: Path) -> None:
    wav = next((flickr8k / "flickr_audio" / "wavs").glob("*.wav"))
    wav.unlink()
    found = take_inventory("flickr8k", flickr8k)
    assert [p.counts["pictures"] for p in found.parts] == [12, 4, 4]
    assert sum(p.counts["recordings"] for p in found.parts) == 99
    assert [p.expected["pictures"] for p in found.parts] == [6000, 1000, 1000]
    gone = next((coco / "SpokenCOCO" / "wavs" / "val").rglob("*.wav"))
    gone.unlink()
    found = take_inventory("coco", coco)
    assert found.dataset == "spokencoco"
    assert gone.relative_to(coco).as_posix() in problems(found)
    assert check_media(found) == []


def test_a_tiny_corpus_is_compared_with_its_own_numbers(lrs3: Path) -> None:
    sizes = {"train": 4, "dev": 2, "test": 2}
    (lrs3 / "zoo_corpus.json").write_text(json.dumps({"name": "tiny-lrs3", "sizes": sizes}))
    assert take_inventory("tiny-lrs3", lrs3).complete
    (lrs3 / "zoo_corpus.json").write_text(json.dumps({"sizes": {**sizes, "test": 3}}))
    assert not take_inventory("tiny-lrs3", lrs3).complete


def test_hashes(lrs3: Path) -> None:
    files = take_inventory("lrs3", lrs3).files
    seen: list[str] = []
    before = hash_files(lrs3, files, seen.append)
    assert sorted(seen) == files
    (lrs3 / files[3]).write_bytes(b"other")
    after = hash_files(lrs3, files)
    assert [path for path in files if before[path] != after[path]] == [files[3]]
    assert digest(before) != digest(after)
    assert digest(dict(reversed(before.items()))) == digest(before)
    with pytest.raises(DataError, match="none cannot be read"):
        hash_files(lrs3, ["none"])


def test_unknown(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds none of"):
        take_inventory("auto", tmp_path)
    with pytest.raises(DataError, match="no reader of 'lrs9'"):
        dataset_name("lrs9", tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        take_inventory("lrs3", tmp_path / "none")
    with pytest.raises(DataError, match="holds no part of lrs3"):
        take_inventory("lrs3", tmp_path)


def test_command(lrs3: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (lrs3 / "test" / "81Ub0SMxZQo" / "00002.mp4").unlink()
    assert main(["data", "check", "lrs3", str(lrs3)]) == 1
    said = capsys.readouterr().out
    assert "31,982 clips" in said
    assert "test/81Ub0SMxZQo/00002.mp4: is missing" in said
