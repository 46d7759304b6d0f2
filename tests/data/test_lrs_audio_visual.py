from __future__ import annotations

from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
import torch
from lightning import LightningDataModule

import zoo.data
from tests.data import lrs_layouts
from tests.make_media import write_clip
from zoo.cli import main
from zoo.data.audio_visual import (
    AudioVisualDataModule,
    AudioVisualDataset,
    Streams,
    collate,
    detect_dataset,
)
from zoo.data.avhubert_lists import read_avhubert_lists
from zoo.data.lrs3 import read_lrs3
from zoo.data.lrs_label import parse_label
from zoo.data.mouths import Mouths
from zoo.data.segments import cut_by_length
from zoo.data.utterances import Utterance
from zoo.errors import ConfigError, DataError
from zoo.models.av_relscore.data import RelScoreDataModule
from zoo.video import load_video
from zoo.video.mouth import fixed_crop
from zoo.video.mouth_input import eval_input, to_grey


@pytest.fixture(scope="module")
def lrs3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lrs_layouts.lrs3(tmp_path_factory.mktemp("lrs3"))


def test_item(lrs3: Path) -> None:
    utterances = read_lrs3(lrs3, "test")
    item = AudioVisualDataset(utterances, lrs3)[1]
    assert item["video"].shape == (12, 88, 88)
    assert item["audio"].shape == (12 * 640,)
    assert (item["text"], item["id"]) == ("IT'S 10", "81Ub0SMxZQo/00003")
    frames = load_video(lrs3 / str(utterances[1].video)).frames
    assert torch.equal(item["video"], eval_input(to_grey(fixed_crop(frames))))


@pytest.mark.parametrize(("sound", "shape"), [("avhubert", (12, 104)), ("tacotron16k", (49, 80))])
def test_front_ends(lrs3: Path, sound: str, shape: tuple[int, int]) -> None:
    data = AudioVisualDataset(read_lrs3(lrs3, "test"), lrs3, Streams(sound=sound, picture="none"))
    item = data[1]
    assert tuple(item["audio"].shape) == shape
    assert "video" not in item


def test_faces_are_whole_frames(lrs3: Path) -> None:
    streams = Streams(picture="face", sound="none")
    item = AudioVisualDataset(read_lrs3(lrs3, "test"), lrs3, streams)[0]
    assert item["video"].shape == (25, 3, 64, 64)
    assert item["video"].dtype == torch.uint8


def test_impossible_streams() -> None:
    with pytest.raises(ConfigError, match="empty"):
        Streams(picture="none", sound="none")
    with pytest.raises(ConfigError, match="unknown mel front-end"):
        Streams(sound="nothing")
    with pytest.raises(ConfigError, match="24000"):
        Streams(sound="bigvgan24k")


def test_training_crops_move_and_evaluation_does_not(lrs3: Path, tmp_path: Path) -> None:
    utterances = read_lrs3(lrs3, "test")
    crop = tmp_path / str(utterances[0].video)
    crop.parent.mkdir(parents=True)
    write_clip(crop, frames=3, size=(96, 96))
    streams = Streams(sound="none", mouths=Mouths(crops=tmp_path))
    still, moving = (
        AudioVisualDataset(utterances, lrs3, streams, train=train) for train in (False, True)
    )
    assert torch.equal(still[0]["video"], still[0]["video"])
    torch.manual_seed(0)
    assert len({moving[0]["video"].numpy().tobytes() for _ in range(6)}) > 3


def test_a_segment_is_cut_out_of_its_clip(lrs3: Path) -> None:
    (whole,) = read_lrs3(lrs3, "pretrain")
    parts = cut_by_length(whole, seconds=0.35)[:2]
    assert [part.text for part in parts] == ["UM", "THIS"]
    data = AudioVisualDataset([whole, *parts], lrs3)
    full, first, second = (data[k] for k in range(3))
    assert len(first["video"]) == int(0.3 * 25)
    assert torch.equal(second["video"], full["video"][10:15])
    assert torch.equal(second["audio"], full["audio"][10 * 640 : 15 * 640])


def test_bad_samples_are_left_out_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = lrs_layouts.lrs3(tmp_path)
    (root / "test" / "81Ub0SMxZQo" / "00002.mp4").write_bytes(b"no video")
    module = AudioVisualDataModule(str(root), num_workers=0, batch_size=2)
    (batch,) = list(module.test_dataloader())
    assert batch["id"] == ["81Ub0SMxZQo/00003"]
    assert "00002.mp4" in caplog.text


def test_batches_are_padded(lrs3: Path) -> None:
    data = AudioVisualDataset(read_lrs3(lrs3, "test"), lrs3)
    batch = collate([data[0], data[1]])
    assert batch["video"].shape == (2, 25, 88, 88)
    assert batch["video_len"].tolist() == [25, 12]
    assert batch["audio_len"].tolist() == [25 * 640, 12 * 640]
    assert batch["video"][1, 12:].abs().max() == 0
    assert torch.equal(batch["audio"][1, : 12 * 640], data[1]["audio"])


def test_workers_and_buckets(lrs3: Path) -> None:
    module = AudioVisualDataModule(str(lrs3), num_workers=1, batch_size=2, sound="avhubert")
    expected = {one.id for one in read_lrs3(lrs3, "train")}
    seen = [name for batch in module.train_dataloader() for name in batch["id"]]
    assert len(seen) == len(set(seen)) == len(expected) // 2 * 2
    assert set(seen) <= expected
    valid = [name for batch in module.val_dataloader() for name in batch["id"]]
    assert valid == [one.id for one in read_lrs3(lrs3, "valid")]


def test_long_utterances_are_left_out_of_training(lrs3: Path) -> None:
    module = AudioVisualDataModule(str(lrs3), num_workers=0, batch_size=8, max_seconds=1.1)
    ids = [name for batch in module.train_dataloader() for name in batch["id"]]
    assert ids
    assert "a-b_c-d_e-f/00001" not in ids


def test_ready_crops_and_landmarks_are_found_by_path(lrs3: Path, tmp_path: Path) -> None:
    one = read_lrs3(lrs3, "test")[0]
    crop = tmp_path / str(one.video)
    crop.parent.mkdir(parents=True)
    write_clip(crop, frames=25, size=(96, 96))
    mouths = Mouths(crops=tmp_path)
    assert torch.equal(mouths.cut(lrs3 / str(one.video), str(one.video)), load_video(crop).frames)
    data = AudioVisualDataset([one], lrs3, Streams(mouths=Mouths(landmarks=tmp_path)))
    assert "no landmarks of test/81Ub0SMxZQo/00002.mp4" in data[0]["skipped"]


def test_detection(lrs3: Path, tmp_path: Path) -> None:
    assert detect_dataset(lrs3) == "lrs3"
    assert detect_dataset(lrs_layouts.lrs2(tmp_path / "2")) == "lrs2"
    voxmm = lrs_layouts.lrs_voxmm(tmp_path / "v")
    assert detect_dataset(voxmm) == "lrs-voxmm"
    with pytest.raises(DataError, match="neither LRS3"):
        detect_dataset(tmp_path)
    with pytest.raises(DataError, match="no training split"):
        AudioVisualDataModule(str(voxmm)).train_dataloader()


def test_word_table_may_hold_anything() -> None:
    label = parse_label(
        "TEXT:  WORD START END\n\n\nWORD START END\nWORD 0.1 0.2\n\nSTART 0.3 0.4\n"
    )
    assert label.text == "WORD START END"
    assert label.words is not None
    assert [(w.text, w.score) for w in label.words] == [("WORD", None), ("START", None)]
    with pytest.raises(DataError, match="table of words is broken"):
        parse_label("Text: A\nWORD START END\nA zero one\n")


def test_real_lists(real_root: Path) -> None:
    folder = real_root / "lrs3_mouth"
    found = read_avhubert_lists(folder / "label" / "train.tsv")
    assert found
    one: Utterance = found[0]
    item = AudioVisualDataset([one], folder, Streams(sound="avhubert"))[0]
    assert one.duration_s is not None
    assert abs(len(item["video"]) - one.duration_s * 25) <= 1
    assert len(item["video"]) == len(item["audio"])


def test_real_clips(real_root: Path) -> None:
    module = AudioVisualDataModule(str(real_root / "lrs3"), num_workers=0, sound="avhubert")
    for loader in (module.train_dataloader(), module.val_dataloader(), module.test_dataloader()):
        for batch in loader:
            assert batch["video"].shape[:2] == batch["audio"].shape[:2]
            assert batch["video"].isfinite().all()
        assert loader.skipped_total == 0


def _data_modules() -> list[Any]:
    """Every data module that can be told what to train on."""
    for module in iter_modules(zoo.data.__path__, "zoo.data."):
        import_module(module.name)
    found, stack = {RelScoreDataModule}, [LightningDataModule]
    while stack:
        kind = stack.pop()
        stack += kind.__subclasses__()
        if kind.__module__.startswith("zoo."):
            found.add(kind)
    named = [kind for kind in found if "train_split" in signature(kind).parameters]
    return sorted(
        (kind for kind in named if _needs(kind) == ["root"]), key=lambda kind: kind.__name__
    )


def _needs(kind: Any) -> list[str]:
    parameters = signature(kind).parameters.values()
    return [one.name for one in parameters if one.default is Parameter.empty]


@pytest.mark.parametrize("kind", _data_modules(), ids=lambda kind: kind.__name__)
def test_nothing_is_trained_on_a_test_split(kind: Any, lrs3: Path) -> None:
    for split in ("test", "test-clean"):
        with pytest.raises(DataError, match=f"train_split='{split}': test splits are never"):
            kind(str(lrs3), train_split=split)
    assert kind(str(lrs3), train_split="train30").train_split == "train30"


def test_the_command_refuses_to_train_on_a_test_split(
    lrs3: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "av_relscore", "--preset", "tiny", "--data", str(lrs3)]
    words += ["--out", str(tmp_path / "out"), "--data.train_split", "test"]
    assert main(words) != 0
    assert "test splits are never trained on" in capsys.readouterr().err
