from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.data import lrs_layouts
from zoo.data.lrs2 import read_lrs2
from zoo.data.lrs3 import read_lrs3
from zoo.data.speech_crops import SpeechCropDataModule
from zoo.errors import DataError


def test_several_datasets_are_trained_on_and_one_is_validated(tmp_path: Path) -> None:
    lrs3, lrs2 = lrs_layouts.lrs3(tmp_path / "lrs3"), lrs_layouts.lrs2(tmp_path / "lrs2")
    data = SpeechCropDataModule(str(lrs3), more_roots=[str(lrs2)])
    both = [item["id"] for item in data.recordings("train").items]
    wanted = [
        prefix + one.id
        for root, read, prefix in ((lrs3, read_lrs3, ""), (lrs2, read_lrs2, "1:"))
        for one in read(root, "train")
    ]
    assert both == wanted
    held_out = [item["id"] for item in data.recordings("dev").items]
    assert held_out == [one.id for one in read_lrs3(lrs3, "dev")]


def test_a_further_folder_that_is_no_dataset_is_named(tmp_path: Path) -> None:
    lrs3, empty = lrs_layouts.lrs3(tmp_path / "lrs3"), tmp_path / "nothing"
    empty.mkdir()
    data = SpeechCropDataModule(str(lrs3), more_roots=[str(empty)])
    with pytest.raises(DataError, match="nothing is neither"):
        data.recordings("train")


def test_a_further_corpus_that_is_kept_for_tests_is_refused(tmp_path: Path) -> None:
    about = {"name": "tiny-lrs3", "seed": 20265, "sizes": {"train": 4}}
    (tmp_path / "zoo_corpus.json").write_text(json.dumps(about))
    with pytest.raises(DataError, match=r"more_roots: .* tiny-lrs3 of seed 20265 is for tests"):
        SpeechCropDataModule("anything", more_roots=[str(tmp_path)])
