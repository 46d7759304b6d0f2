from __future__ import annotations

from pathlib import Path

import pytest

from tests.data import lrs_layouts
from zoo.data.lrs2 import looks_like_lrs2, read_lrs2
from zoo.errors import DataError


@pytest.fixture
def lrs2(tmp_path: Path) -> Path:
    return lrs_layouts.lrs2(tmp_path)


def test_splits(lrs2: Path) -> None:
    (test,) = read_lrs2(lrs2, "test")  # its list has a second column
    assert test.id == "5535415699068794046/00001"
    assert test.video == "mvlrs_v1/main/5535415699068794046/00001.mp4"
    assert test.text == "WHEN YOU ARE 55"
    (train,) = read_lrs2(lrs2, "train")
    assert train.source == "6330311066473698535"
    (valid,) = read_lrs2(lrs2, "dev")  # its list ends lines with a carriage return
    assert (valid.split, valid.id) == ("val", train.id)
    (pretrain,) = read_lrs2(lrs2, "pretrain")
    assert pretrain.video == "mvlrs_v1/pretrain/5535415699068794046/00007.mp4"
    assert pretrain.words is not None


def test_root_may_be_the_inner_folder(lrs2: Path) -> None:
    (one,) = read_lrs2(lrs2 / "mvlrs_v1", "test")
    assert one.video == "main/5535415699068794046/00001.mp4"
    assert looks_like_lrs2(lrs2)
    assert looks_like_lrs2(lrs2 / "mvlrs_v1")


def test_errors(lrs2: Path) -> None:
    with pytest.raises(DataError, match="no split"):
        read_lrs2(lrs2, "trainval")
    (lrs2 / "val.txt").unlink()
    with pytest.raises(DataError, match=r"lacks val\.txt"):
        read_lrs2(lrs2, "val")
    (lrs2 / "test.txt").write_text("5535415699068794046/00009\n")
    with pytest.raises(DataError, match=r"1 of the 1 clips of the list are not there.*00009"):
        read_lrs2(lrs2, "test")


def test_training_with_pretrain(lrs2: Path) -> None:
    both = read_lrs2(lrs2, "train+pretrain")
    parts = [read_lrs2(lrs2, name) for name in ("train", "pretrain")]
    assert [one.video for one in both] == [one.video for part in parts for one in part]
    assert len({one.id for one in both}) == len(both)
