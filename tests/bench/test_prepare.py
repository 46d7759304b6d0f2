"""`zoo bench prepare`: counts, hashes, and what is missing from a copy."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.bench.toy_clips import make_clips, make_voxmm
from zoo.bench.prepare import prepare_dataset
from zoo.cli import main
from zoo.errors import BenchError, DataError


@pytest.fixture
def whole(tmp_path, monkeypatch):
    """A copy that is whole by the counts of the day."""
    monkeypatch.setattr("zoo.data.lrs3.COUNTS", {"trainval": 1, "test": 4})
    return make_clips(tmp_path / "lrs3", videos=2, segments=2)


def prepared(root, out, name: str = "lrs3", **options):
    return prepare_dataset(name, root, out / "manifest.json", progress=False, **options)


def test_a_whole_copy_is_complete_and_every_file_is_hashed(whole, tmp_path) -> None:
    found = prepared(whole, tmp_path, decode=True)
    assert found["complete"] and found["splits"]["test"]["found"] == 4
    assert len(found["files"]) == 5
    name, about = next(iter(found["files"].items()))
    data = (whole / name).read_bytes()
    assert about == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert json.loads((tmp_path / "manifest.json").read_text()) == found
    assert str(tmp_path) not in json.dumps(found)
    again = prepared(whole, tmp_path / "again")
    assert again["splits"] == found["splits"]


def test_what_is_missing_is_named(whole, tmp_path) -> None:
    (whole / "test" / "video000000" / "00001.txt").unlink()
    (whole / "test" / "video000001" / "00002.mp4").unlink()
    found = prepared(whole, tmp_path)
    problems = " ".join(found["splits"]["test"]["problems"])
    assert not found["complete"] and found["splits"]["test"]["found"] == 2
    assert "without .txt: video000000/00001" in problems
    assert "without .mp4: video000001/00002" in problems
    assert "2 clips instead of 4" in problems


def test_broken_files_are_found(whole, tmp_path) -> None:
    films = sorted((whole / "test").rglob("*.mp4"))
    films[0].write_bytes(b"")
    films[1].write_bytes(films[1].read_bytes()[:400])
    assert len(prepared(whole, tmp_path)["splits"]["test"]["unreadable"]) == 1
    deep = prepared(whole, tmp_path, decode=True)["splits"]["test"]["unreadable"]
    assert deep["test/video000000/00001.mp4"] == "empty file" and len(deep) == 2


def test_conditions_of_voxmm_are_looked_at(tmp_path) -> None:
    root = make_voxmm(tmp_path / "voxmm")
    next((root / "noise_hard").rglob("*.wav")).unlink()
    splits = prepared(root, tmp_path, "lrs-voxmm", splits=["test"])["splits"]
    assert splits["test/noise-easy"]["found"] == 4
    assert splits["test/noise-hard"]["found"] == 3
    assert any("1 of 4 recordings" in text for text in splits["test/noise-hard"]["problems"])


def test_the_command(whole, tmp_path, capsys) -> None:
    flags = ["--root", str(whole), "--out", str(tmp_path / "m.json")]
    assert main(["bench", "prepare", "lrs3", *flags]) == 0
    assert "nothing" in capsys.readouterr().out
    assert main(["bench", "prepare", "lrs3", *flags, "--split", "pretrain"]) == 1
    (whole / "test" / "video000000" / "00001.mp4").unlink()
    assert main(["bench", "prepare", "lrs3", *flags]) == 1
    with pytest.raises(BenchError, match=r"known: .*lrs-voxmm"):
        prepared(whole, tmp_path, "lrs4")
    with pytest.raises(DataError, match="no such folder"):
        prepared(tmp_path / "nowhere", tmp_path)
