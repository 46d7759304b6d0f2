"""A Flickr8k Audio folder whose recordings are all equally long, and the `zoo train` command."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

TRAIN, HELD_OUT = 8, 3
SAMPLES = 16000


@pytest.fixture(scope="session")
def equal_lengths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flickr8k Audio with 8 training pairs of one second each, and 3 for dev and test."""
    root = tmp_path_factory.mktemp("flickr8k")
    rng = np.random.default_rng(0)
    (root / "Flicker8k_Dataset").mkdir()
    (root / "flickr_audio" / "wavs").mkdir(parents=True)
    names = [f"{number:010d}_abcdef0123" for number in range(TRAIN + 2 * HELD_OUT)]
    captions = []
    for number, name in enumerate(names):
        color = tuple(int(c) for c in rng.integers(0, 256, 3))
        Image.new("RGB", (80, 72), color).save(root / "Flicker8k_Dataset" / f"{name}.jpg")
        tone = np.sin(2 * np.pi * (150 + 40 * number) * np.arange(SAMPLES) / SAMPLES)
        wav = root / "flickr_audio" / "wavs" / f"{name}_0.wav"
        soundfile.write(wav, 0.3 * tone + 0.01 * rng.standard_normal(SAMPLES), SAMPLES)
        captions.append(f"{name}.jpg#0\tA picture of colour number {number} .\n")
    (root / "Flickr8k.token.txt").write_text("".join(captions))
    cuts = {"train": (0, TRAIN), "dev": (TRAIN, TRAIN + HELD_OUT), "test": (TRAIN + HELD_OUT, None)}
    for split, (start, stop) in cuts.items():
        lines = "".join(f"{name}.jpg\n" for name in names[start:stop])
        (root / f"Flickr_8k.{split}Images.txt").write_text(lines)
    return root


@pytest.fixture(scope="session")
def zoo_train() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `zoo train` with these words in a process of its own."""

    def call(*words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "zoo.cli", "train", *map(str, words)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    return call


def logged(stage: Path, name: str) -> list[float]:
    """The values of one logged quantity, in order, over all runs of a stage."""
    values = []
    for file in sorted(stage.glob("logs/csv/version_*/metrics.csv")):
        with file.open() as lines:
            values += [float(row[name]) for row in csv.DictReader(lines) if row.get(name)]
    return values
