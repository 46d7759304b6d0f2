from __future__ import annotations

from pathlib import Path

import pytest

from tests.data import lrs_layouts
from zoo.data.lrs_voxmm import read_lrs_voxmm
from zoo.errors import DataError


@pytest.fixture
def voxmm(tmp_path: Path) -> Path:
    return lrs_layouts.lrs_voxmm(tmp_path)


def test_dev_is_the_folder_train(voxmm: Path) -> None:
    dev, test = read_lrs_voxmm(voxmm, "dev"), read_lrs_voxmm(voxmm, "test")
    assert [one.text for one in dev] == ["TRAIN 00000", "TRAIN 00001"]
    assert {one.split for one in dev} == {"dev"}
    assert not {one.source for one in dev} & {one.source for one in test}


def test_training_on_it_is_refused(voxmm: Path) -> None:
    with pytest.raises(DataError, match="no training split"):
        read_lrs_voxmm(voxmm, "train")


@pytest.mark.parametrize("condition", ["noise-easy", "3dist-hard"])
def test_conditions_share_ids_texts_and_pictures(voxmm: Path, condition: str) -> None:
    clean = read_lrs_voxmm(voxmm, "test")
    noisy = read_lrs_voxmm(voxmm, "test", condition)
    assert [(one.id, one.text, one.video) for one in noisy] == [
        (one.id, one.text, one.video) for one in clean
    ]
    assert {one.condition for one in noisy} == {condition}
    folder = condition.replace("-", "_")
    assert all(one.sound.startswith(f"{folder}/test/") for one in noisy)
    assert all((voxmm / one.sound).is_file() for one in noisy)


def test_root_above_and_other_folder_names(voxmm: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    (outer / "lrs-voxmm").symlink_to(voxmm)
    assert len(read_lrs_voxmm(outer, "test", "noise-easy")) == 2
    (voxmm / "noise_easy").rename(voxmm / "n1")
    with pytest.raises(DataError, match="zoo-noise-easy"):
        read_lrs_voxmm(voxmm, "test", "noise-easy")
    found = read_lrs_voxmm(voxmm, "test", "noise-easy", folders={"noise-easy": "n1"})
    assert found[0].sound.startswith("n1/")


def test_missing_recordings(voxmm: Path) -> None:
    (voxmm / "noise_easy" / "test" / "vB-_1234567" / "00001.wav").unlink()
    with pytest.raises(DataError, match="1 of 2 recordings are missing"):
        read_lrs_voxmm(voxmm, "test", "noise-easy")
    assert len(read_lrs_voxmm(voxmm, "test", "noise-easy", incomplete=True)) == 1
    with pytest.raises(DataError, match="no condition"):
        read_lrs_voxmm(voxmm, "test", "quiet")


def test_a_part_of_the_test_set_is_said(voxmm: Path, caplog: pytest.LogCaptureFixture) -> None:
    read_lrs_voxmm(voxmm, "test")
    assert "2 utterances instead of the 2146" in caplog.text
