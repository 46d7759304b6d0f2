"""`zoo bench prepare`: counts, hashes, and what is missing from a copy."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.bench.toy_clips import make_clips, make_voxmm
from zoo.bench.prepare import prepare_dataset
from zoo.cli import main
from zoo.errors import DataError


@pytest.fixture
def whole(tmp_path):
    """A copy that is whole by the numbers it was made with."""
    root = make_clips(tmp_path / "lrs3", videos=2, segments=2)
    about = {"name": "tiny-lrs3", "seed": 1, "sizes": {"train": 1, "dev": 0, "test": 4}}
    (root / "zoo_corpus.json").write_text(json.dumps(about))
    return root


def prepared(root, out, name: str = "lrs3", **options):
    return prepare_dataset(name, root, out / "manifest.json", progress=False, **options)


def test_a_whole_copy_is_complete_and_every_file_is_hashed(whole, tmp_path) -> None:
    found = prepared(whole, tmp_path, media=True)
    assert found["complete"] and found["splits"]["test"]["found"] == {"clips": 4}
    films = [name for name in found["files"] if name.endswith(".mp4")]
    assert len(films) == 5
    for name in films:
        data = (whole / name).read_bytes()
        assert found["files"][name] == {
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    assert json.loads((tmp_path / "manifest.json").read_text()) == found
    assert str(tmp_path) not in json.dumps(found)
    assert prepared(whole, tmp_path / "again")["splits"] == found["splits"]
    film = whole / films[0]
    film.write_bytes(film.read_bytes() + b"0")
    changed = prepared(whole, tmp_path)["splits"]
    assert changed["test"]["sha256"] != found["splits"]["test"]["sha256"]
    assert changed["trainval"] == found["splits"]["trainval"]


def test_what_is_missing_is_named(whole, tmp_path) -> None:
    (whole / "test" / "video000000" / "00001.txt").unlink()
    (whole / "test" / "video000001" / "00002.mp4").unlink()
    found = prepared(whole, tmp_path)
    assert not found["complete"]
    problems = " ".join(found["splits"]["test"]["problems"])
    assert "video000000/00001" in problems and "video000001/00002" in problems


def test_broken_files_are_found(whole, tmp_path) -> None:
    film = whole / "test" / "video000000" / "00001.mp4"
    film.write_bytes(film.read_bytes()[:400])
    found = prepared(whole, tmp_path, media=True)
    assert not found["complete"]
    assert any("00001.mp4" in text for text in found["splits"]["test"]["problems"])


def test_conditions_of_voxmm_are_looked_at(tmp_path) -> None:
    root = make_voxmm(tmp_path / "voxmm")
    next((root / "noise_hard").rglob("*.wav")).unlink()
    splits = prepared(root, tmp_path, "lrs-voxmm")["splits"]
    hard = next(about for name, about in splits.items() if "noise-hard" in name)
    easy = next(about for name, about in splits.items() if "noise-easy" in name)
    assert hard["problems"] and not easy["problems"]


def test_the_command(whole, tmp_path, capsys) -> None:
    flags = ["--root", str(whole), "--out", str(tmp_path / "m.json")]
    assert main(["bench", "prepare", "lrs3", *flags]) == 0
    assert "incomplete" not in capsys.readouterr().out
    (whole / "test" / "video000000" / "00001.mp4").unlink()
    assert main(["bench", "prepare", "lrs3", *flags, "--media"]) == 1
    assert "00001" in capsys.readouterr().out
    with pytest.raises(DataError, match="no reader"):
        prepared(whole, tmp_path, "lrs4")
    with pytest.raises(DataError, match="no such folder"):
        prepared(tmp_path / "nowhere", tmp_path)
