from __future__ import annotations

import json
from pathlib import Path

import pytest

from zoo.data.flickr8k import read_flickr8k
from zoo.data.manifest import read_manifest, write_manifest
from zoo.errors import DataError


def test_round_trip(flickr8k: Path, tmp_path: Path) -> None:
    entries = read_flickr8k(flickr8k, "train")
    path = write_manifest(entries, tmp_path / "train.jsonl")
    assert read_manifest(path) == entries
    first = json.loads(path.read_text().splitlines()[0])
    assert list(first) == ["dataset", "split", "image_id", "image", "captions"]
    assert list(first["captions"][0]) == ["k", "text", "wav", "speaker", "units"]


@pytest.mark.parametrize("line", ["{", "[]", '{"dataset": "x", "captions": []}'])
def test_bad_line_is_named(flickr8k: Path, tmp_path: Path, line: str) -> None:
    path = write_manifest(read_flickr8k(flickr8k, "dev")[:2], tmp_path / "dev.jsonl")
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DataError, match=r"dev.jsonl:3 is not a manifest entry"):
        read_manifest(path)
