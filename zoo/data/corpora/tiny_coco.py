"""The spoken scenes in the layouts of COCO 2014, the Karpathy split and SpokenCOCO."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.corpora.spoken_scenes import IMAGE_SIZE, SpokenScene, plan_scenes, render

RESTVAL_SHARE = 30_504 / 113_287  # of the training pictures, as in the Karpathy split
WAVS_A_FOLDER = 1000
YEAR = "2014"
Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One picture with its COCO number and Karpathy split."""

    number: int
    split: str
    spoken: SpokenScene

    @property
    def part(self) -> str:
        """COCO's own split: everything but Karpathy's train lies in val."""
        return "train" if self.split == "train" else "val"

    @property
    def image(self) -> str:
        """Path of the picture, as SpokenCOCO's json names it."""
        folder = f"{self.part}{YEAR}"
        return f"{folder}/COCO_{folder}_{self.number:012d}.jpg"

    @property
    def wavs(self) -> list[str]:
        """Paths of the recordings, as SpokenCOCO's json names them."""
        folder = f"wavs/{self.part}/{self.spoken.index * 5 // WAVS_A_FOLDER}"
        return [f"{folder}/{self.uttid(k)}.wav" for k in range(len(self.spoken.captions))]

    def uttid(self, k: int) -> str:
        """Name of a recording: speaker, picture, caption."""
        return f"{self.speaker(k)}-{self.number}_{k}"

    def speaker(self, k: int) -> str:
        """Name of a speaker."""
        return f"m{self.spoken.speakers[k].number:06d}"

    def caption(self, k: int) -> str:
        """A caption as COCO's annotators write."""
        text = self.spoken.captions[k]
        return f"{text[0].upper()}{text[1:]}."

    def caption_id(self, k: int) -> int:
        """COCO's number of a caption."""
        return self.number * 10 + k


def plan(seed: int, sizes: Mapping[str, int]) -> list[Job]:
    """Everything there is to render."""
    rng = np.random.default_rng([seed, 5])
    scenes = plan_scenes(seed, sizes)
    numbers = rng.choice(np.arange(1, max(600_000, 4 * len(scenes))), len(scenes), replace=False)
    jobs = []
    for spoken, number in zip(scenes, numbers):
        split = "val" if spoken.split == "dev" else spoken.split
        if split == "train" and rng.random() < RESTVAL_SHARE:
            split = "restval"
        jobs.append(Job(int(number), split, spoken))
    return jobs


def work(folder: Path, job: Job) -> dict[str, Any]:
    """Render one job below the corpus folder; returns its ground truth."""
    wavs = [f"SpokenCOCO/{wav}" for wav in job.wavs]
    truth = render(job.spoken, folder / job.image, [folder / wav for wav in wavs])
    return {"image": job.image, "wavs": wavs, **truth}


def finish(folder: Path, jobs: list[Job]) -> None:
    """Write COCO's annotations, the Karpathy json and SpokenCOCO's jsons."""
    for part in ("train", "val"):
        chosen = [job for job in jobs if job.part == part]
        (folder / f"{part}{YEAR}").mkdir(exist_ok=True)
        _dump(folder / "annotations" / f"captions_{part}{YEAR}.json", _annotations(chosen))
        spoken = {"data": [_spoken(job) for job in chosen]}
        _dump(folder / "SpokenCOCO" / f"SpokenCOCO_{part}.json", spoken)
    images = [_karpathy(index, job) for index, job in enumerate(jobs)]
    _dump(folder / "dataset_coco.json", {"dataset": "coco", "images": images})


def _annotations(jobs: list[Job]) -> Row:
    images = [
        {
            "id": job.number,
            "file_name": Path(job.image).name,
            "height": IMAGE_SIZE,
            "width": IMAGE_SIZE,
        }
        for job in jobs
    ]
    annotations = [
        {"id": job.caption_id(k), "image_id": job.number, "caption": job.caption(k)}
        for job in jobs
        for k in range(len(job.spoken.captions))
    ]
    info = {"description": "tiny-coco"}
    return {"info": info, "licenses": [], "images": images, "annotations": annotations}


def _spoken(job: Job) -> Row:
    captions = [
        {"text": job.caption(k), "speaker": job.speaker(k), "uttid": job.uttid(k), "wav": wav}
        for k, wav in enumerate(job.wavs)
    ]
    return {"image": job.image, "captions": captions}


def _karpathy(index: int, job: Job) -> Row:
    numbers = range(len(job.spoken.captions))
    sentences = [
        {
            "tokens": job.spoken.captions[k].split(),
            "raw": job.caption(k),
            "imgid": index,
            "sentid": job.caption_id(k),
        }
        for k in numbers
    ]
    return {
        "filepath": f"{job.part}{YEAR}",
        "filename": Path(job.image).name,
        "imgid": index,
        "cocoid": job.number,
        "split": job.split,
        "sentids": [job.caption_id(k) for k in numbers],
        "sentences": sentences,
    }


def _dump(path: Path, content: Row) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
