"""`zoo train`: flags, stages, resuming, what is written."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import zoo
from tests.training.conftest import TRAIN, logged
from zoo.errors import CheckpointError, ConfigError, DataError
from zoo.models.speechclip.module import SpeechCLIP
from zoo.training.command import parse_arguments, run
from zoo.training.export import Weights, is_finished, weights_of

Train = Callable[..., subprocess.CompletedProcess[str]]
QUICK = (
    *("--accelerator", "cpu", "--enable_progress_bar", "false", "--data.num_workers", "0"),
    *("--model.config.training.batch_size", str(TRAIN // 2), "--log_every_n_steps", "1"),
)


def words(data: Path, out: Path, *more: str) -> list[str]:
    return ["speechclip", "--data", str(data), "--out", str(out), *more]


def test_bare_trainer_flags_get_their_prefix(tmp_path: Path) -> None:
    flags = ["--max_steps", "3", "--model.config.branch=cascaded", "--devices=2"]
    arguments = parse_arguments(words(tmp_path, tmp_path, *flags), ["speechclip"])
    assert arguments.rest == (
        *("--trainer.max_steps", "3", "--model.config.branch=cascaded", "--trainer.devices=2"),
    )


def test_an_address_stays_an_address(tmp_path: Path) -> None:
    flags = ["speechclip", "--data", "http://host/shards", "--out", str(tmp_path)]
    assert parse_arguments(flags, ["speechclip"]).data == "http://host/shards"


def test_missing_data_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    arguments = parse_arguments(words(tmp_path / "absent", tmp_path / "out"), ["speechclip"])
    with pytest.raises(DataError, match="absent: there is no such folder"):
        run(arguments, SpeechCLIP)
    assert not (tmp_path / "out").exists()


def test_a_corpus_that_is_kept_for_tests_is_refused(tmp_path: Path) -> None:
    about = {"name": "tiny-flickr8k", "seed": 20260, "sizes": {"train": 4}}
    (tmp_path / "zoo_corpus.json").write_text(json.dumps(about))
    arguments = parse_arguments(words(tmp_path, tmp_path / "out"), ["speechclip"])
    with pytest.raises(DataError, match="tiny-flickr8k of seed 20260 is for tests"):
        run(arguments, SpeechCLIP)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--stage", "decoder"), "this model's stages are clip, speech"),
        (("--preset", "huge"), "no preset 'huge'"),
        (("--ablation", "nothing"), "this model's ablations are: "),
        (("--stage", "speech"), "starts from stage clip, but .* holds no finished model"),
    ],
)
def test_wrong_choices_name_the_right_ones(
    tmp_path: Path, flags: tuple[str, ...], message: str
) -> None:
    arguments = parse_arguments(words(tmp_path, tmp_path / "out", *flags), ["speechclip"])
    with pytest.raises(ConfigError, match=message):
        run(arguments, SpeechCLIP)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    state = {"log_scale": torch.zeros(3)}
    with pytest.raises(CheckpointError, match=r"log_scale \(3,\) where the model has \(\)"):
        Weights("elsewhere", state).copy_into(SpeechCLIP(SpeechCLIP.Config.tiny()))


@pytest.mark.slow
def test_all_stages_then_resume(tmp_path: Path, equal_lengths: Path, zoo_train: Train) -> None:
    out = tmp_path / "run"
    first = zoo_train(*words(equal_lengths, out, "--max_steps", "3", *QUICK))
    assert first.returncode == 0, first.stderr
    assert is_finished(out / "clip") and is_finished(out / "speech")
    record = json.loads((out / "speech" / "finished.json").read_text())
    assert record["steps"] == 3 and "zoo train speechclip" in record["command"]
    assert len(logged(out / "speech", "train/loss")) == 3
    # after the only full epoch, and at the end, so that the last step can be the best
    assert len(logged(out / "speech", "val/recall_mean_10")) == 2

    # the speech stage keeps the towers that the first stage trained
    clip, speech = (weights_of(str(out / stage / "model")).state for stage in ("clip", "speech"))
    tower = "network.clip.model.visual.conv1.weight"
    assert torch.equal(clip[tower], speech[tower])
    model = zoo.from_pretrained(str(out / "speech" / "model"))
    assert model.embed_speech(torch.randn(16000)).shape == (1, model.config.clip.embedding_size)

    flags = ("--stage", "speech", "--max_steps", "5", "--ckpt_path", "last")
    again = zoo_train(*words(equal_lengths, out, *flags, *QUICK))
    assert again.returncode == 0, again.stderr
    assert len(logged(out / "speech", "train/loss")) == 5  # three before, two after
