from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.data import lrs_layouts
from tests.make_media import tone, write_clip
from zoo.data.lrs3 import read_lrs3
from zoo.data.unlabelled_speech import UnlabelledSpeechDataModule
from zoo.errors import DataError


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lrs_layouts.lrs3(tmp_path_factory.mktemp("recorded"))


@pytest.fixture
def twins(recorded: Path, tmp_path: Path) -> Path:
    """The same clips, one of them played faster, another missing."""
    root = Path(shutil.copytree(recorded, tmp_path / "twins"))
    faster, missing, *_ = read_lrs3(recorded, "train")
    sound = tone(0.8, 16_000, hertz=550)
    write_clip(root / str(faster.video), frames=20, size=(64, 64), sound=sound, rate=16_000)
    for suffix in (".mp4", ".txt"):
        (root / str(missing.video)).with_suffix(suffix).unlink()
    return root


def test_twins_come_by_id_and_only_in_training(recorded: Path, twins: Path) -> None:
    faster, missing, *others = [one.id for one in read_lrs3(recorded, "train")]
    data = UnlabelledSpeechDataModule(str(recorded), batch_size=1, twin_roots=[str(twins)])
    batches = {batch["id"][0]: batch for batch in data.train_dataloader()}
    assert set(batches) == {faster, missing, *others}
    assert [len(batch["twin"]) for batch in batches.values()] == [1] * len(batches)
    assert batches[faster]["twin_id"] == [f"0:{faster}"]
    assert batches[faster]["twin"][0].shape == (12_800,)
    assert batches[faster]["audio"].shape == (1, 19_200)
    assert batches[missing]["twin_id"] == [""]
    assert batches[missing]["twin"][0].shape == (0,)
    for name in others:
        assert batches[name]["twin_id"] == [f"0:{name}"]
        assert torch.equal(batches[name]["twin"][0], batches[name]["audio"][0])
    assert all("twin" not in batch for batch in data.val_dataloader())
    alone = UnlabelledSpeechDataModule(str(recorded))
    assert all("twin" not in batch for batch in alone.train_dataloader())


def test_a_twin_is_drawn_among_those_that_are_there(recorded: Path, twins: Path) -> None:
    torch.manual_seed(0)
    faster, missing, *_ = [one.id for one in read_lrs3(recorded, "train")]
    roots = [str(twins), str(recorded)]
    data = UnlabelledSpeechDataModule(str(recorded), twin_roots=roots).training_items()
    drawn = {data[k]["twin_id"] for _ in range(20) for k in (0, 1)}
    assert drawn == {f"0:{faster}", f"1:{faster}", f"1:{missing}"}


def test_only_the_first_of_several_datasets_has_twins(recorded: Path, twins: Path) -> None:
    folder = str(recorded)
    data = UnlabelledSpeechDataModule(folder, more_roots=[folder], twin_roots=[str(twins)])
    (batch,) = data.train_dataloader()
    assert len(set(batch["id"])) == len(batch["id"]) == 2 * len(read_lrs3(recorded, "train"))
    for name, twin in zip(batch["id"], batch["twin_id"], strict=True):
        assert twin == "" or twin == f"0:{name}"
        assert not (name.startswith("1:") and twin)


def test_twins_of_other_recordings_are_refused(recorded: Path, tmp_path: Path) -> None:
    other = lrs_layouts.lrs2(tmp_path / "other")
    data = UnlabelledSpeechDataModule(str(recorded), twin_roots=[str(other)])
    wanted = r"twin_roots: .*other has no .* id of .* such as '.*/00001'; name a folder"
    with pytest.raises(DataError, match=wanted):
        data.train_dataloader()


def test_twins_out_of_a_corpus_that_is_kept_for_tests_are_refused(tmp_path: Path) -> None:
    about = {"name": "tiny-lrs3", "seed": 20265, "sizes": {"train": 4}}
    (tmp_path / "zoo_corpus.json").write_text(json.dumps(about))
    with pytest.raises(DataError, match=r"twin_roots: .* tiny-lrs3 of seed 20265 is for tests"):
        UnlabelledSpeechDataModule("anything", twin_roots=[str(tmp_path)])
