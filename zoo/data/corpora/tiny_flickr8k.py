"""The spoken scenes in the layout of Flickr8k and the Flickr Audio Caption Corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.corpora.spoken_scenes import SPLITS, SpokenScene, plan_scenes, render

IMAGES = "Flicker8k_Dataset"  # misspelt as in the official archive
WAVS = "flickr_audio/wavs"


@dataclass(frozen=True)
class Job:
    """One picture, named as Flickr names them."""

    stem: str
    spoken: SpokenScene

    @property
    def wavs(self) -> list[str]:
        """File names of the spoken captions, in order."""
        return [f"{self.stem}_{k}.wav" for k in range(len(self.spoken.captions))]


def plan(seed: int, sizes: Mapping[str, int]) -> list[Job]:
    """Everything there is to render."""
    rng = np.random.default_rng([seed, 4])
    jobs: dict[str, Job] = {}
    for spoken in plan_scenes(seed, sizes):
        stem = f"{rng.integers(10**9, 4 * 10**9)}_{rng.integers(16**10):010x}"
        jobs[stem] = Job(stem, spoken)
    return list(jobs.values())


def work(folder: Path, job: Job) -> dict[str, Any]:
    """Render one job below the corpus folder; returns its ground truth."""
    wavs = [folder / WAVS / name for name in job.wavs]
    return {
        "image": f"{IMAGES}/{job.stem}.jpg",
        "wavs": [f"{WAVS}/{name}" for name in job.wavs],
        **render(job.spoken, folder / IMAGES / f"{job.stem}.jpg", wavs),
    }


def finish(folder: Path, jobs: list[Job]) -> None:
    """Write the lists: captions, splits, which wav belongs to which caption and speaker."""
    ordered = sorted(jobs, key=lambda job: job.stem)
    tokens, captions, speakers = [], [], []
    for job in ordered:
        image = f"{job.stem}.jpg"
        for k, (wav, text) in enumerate(zip(job.wavs, job.spoken.captions)):
            tokens.append(f"{image}#{k}\t{text[0].upper()}{text[1:]} .\n")
            captions.append(f"{wav} {image} #{k}\n")
            speakers.append(f"{wav} {job.spoken.speakers[k].number}\n")
    _write(folder / "Flickr8k.token.txt", tokens)
    _write(folder / "flickr_audio" / "wav2capt.txt", captions)
    _write(folder / "flickr_audio" / "wav2spk.txt", speakers)
    for split in SPLITS:
        names = [f"{job.stem}.jpg\n" for job in ordered if job.spoken.split == split]
        _write(folder / f"Flickr_8k.{split}Images.txt", names)


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(lines), encoding="utf-8", newline="\n")
