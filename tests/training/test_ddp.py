"""Two real processes train like one at the same global batch."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

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


@pytest.mark.slow
def test_two_processes_get_the_loss_of_one(
    tmp_path: Path,
    equal_lengths: Path,
    zoo_train: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    start = tmp_path / "clip"
    words = ("speechclip", "--preset", "tiny_parallel", "--data", equal_lengths)
    first = zoo_train(
        *words,
        "--out",
        start,
        "--stage",
        "clip",
        "--max_steps",
        "1",
        "--data.num_workers",
        "0",
        *("--model.config.training.batch_size", str(TRAIN)),
    )
    assert first.returncode == 0, first.stderr
    for processes in (1, 2):
        result = zoo_train(
            *(*words, "--out", tmp_path / str(processes), "--stage", "speech"),
            *("--init", start / "clip" / "model", *COMMON, "--devices", str(processes)),
            *(("--strategy", "ddp") if processes > 1 else ()),
        )
        assert result.returncode == 0, result.stderr
    one, two = (logged(tmp_path / name / "speech", "train/loss") for name in ("1", "2"))
    assert len(one) == len(two) == 4
    assert one[0] != pytest.approx(one[-1], abs=1e-2)  # it learns, so the gradients matter
    assert two == pytest.approx(one, rel=1e-4)
