"""Two real processes train like one at the same global batch, replicated or sharded."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import zoo
from tests.training.conftest import TRAIN, logged

# the whole training set is one global batch, so that both runs see the same pairs in each step
COMMON = (
    *("--max_steps", "4", "--log_every_n_steps", "1", "--limit_val_batches", "0"),
    *("--accelerator", "cpu", "--enable_progress_bar", "false"),
    *("--data.num_workers", "0"),
    *("--model.config.training.batch_size", str(TRAIN)),
    *("--model.config.training.warmup_steps", "1"),
    *("--model.config.training.crop_seconds", "null"),
    *("--model.config.parallel.dropout", "0", "--model.config.speech.hubert.dropout", "0"),
    *("--model.config.speech.hubert.attention_dropout", "0"),
)


FSDP = '{"class_path": "tests.training.cpu_fsdp.CPUFSDPStrategy"}'
STRATEGIES = {"one": (), "ddp": ("--strategy", "ddp"), "fsdp": ("--trainer.strategy", FSDP)}

Train = Callable[..., "subprocess.CompletedProcess[str]"]


def _speech(out: Path, name: str, words: tuple[str | Path, ...], *more: str) -> list[str | Path]:
    devices = ("--devices", "1" if name == "one" else "2")
    return [*words, "--out", out / name, "--stage", "speech", *devices, *STRATEGIES[name], *more]


@pytest.mark.slow
def test_two_processes_get_the_loss_of_one(
    tmp_path: Path, equal_lengths: Path, zoo_train: Train
) -> None:
    words: tuple[str | Path, ...] = ("speechclip", "--preset", "tiny_parallel")
    words = (*words, "--data", equal_lengths)
    start = tmp_path / "clip"
    clip = ("--stage", "clip", "--max_steps", "1", "--data.num_workers", "0")
    size = ("--model.config.training.batch_size", str(TRAIN))
    first = zoo_train(*words, "--out", start, *clip, *size)
    assert first.returncode == 0, first.stderr
    words = (*words, "--init", start / "clip" / "model")
    for name in STRATEGIES:
        result = zoo_train(*_speech(tmp_path, name, words, *COMMON))
        assert result.returncode == 0, result.stderr
    one, *others = (logged(tmp_path / name / "speech", "train/loss") for name in STRATEGIES)
    assert len(one) == 4
    assert one[0] != pytest.approx(one[-1], abs=1e-2)  # it learns, so the gradients matter
    for losses in others:
        assert losses == pytest.approx(one, rel=1e-4)
    _check_sharded_run(tmp_path, words, zoo_train)


def _check_sharded_run(out: Path, words: tuple[str | Path, ...], zoo_train: Train) -> None:
    """What FSDP wrote is whole: it loads as a model, and the run goes on from it."""
    whole, sharded = (
        zoo.from_pretrained(out / name / "speech" / "model").state_dict()
        for name in ("one", "fsdp")
    )
    assert list(sharded) == list(whole)
    # where the true gradient is 0 (biases of keys) Adam follows rounding, a learning rate a step
    for key, value in whole.items():
        torch.testing.assert_close(sharded[key], value, rtol=1e-3, atol=1e-3)
    longer = ("6" if word == "4" else word for word in COMMON)
    resumed = zoo_train(*_speech(out, "fsdp", words, "--ckpt_path", "last", *longer))
    assert resumed.returncode == 0, resumed.stderr + resumed.stdout
    assert len(logged(out / "fsdp" / "speech", "train/loss")) == 6
