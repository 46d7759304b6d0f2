"""Talking faces in the layout of LRS-VoxMM: `original/{train,test}` and four distorted trees.

As there, nothing is meant for training: the folder `train` is the development set, and all its
voices and pairs of verb and noun are held out of every tiny training set. Light, cameras and
movement are worse than in tiny-lrs3. What stands in for the official distortions is that of
`zoo.audio.distortions`, with noises made of voices that no test has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from zoo.audio.distortions import DISTORTIONS, distort
from zoo.data.corpora.clips import Clip, plan_clips, render
from zoo.data.corpora.lrs_text import lrs_text
from zoo.data.corpora.noises import make_noises
from zoo.data.corpora.speakers import SAMPLE_RATE

_LEVEL: Final = 10 ** (-16 / 20)  # mean loudness of VoxMM
_PEAK: Final = 0.98
_FILLERS: Final = ("oh", "um", "mm", "yeah")
_FILLED: Final = 0.15


@dataclass(frozen=True)
class Job:
    """One clip; `seed` is that of the corpus."""

    seed: int
    spoken: Clip

    @property
    def id(self) -> str:
        """`<folder>/<video>/<clip>`."""
        part = "test" if self.spoken.split == "test" else "train"
        return f"{part}/{self.spoken.video.id}/{self.spoken.number:05d}"


def plan(seed: int, sizes: Mapping[str, int]) -> list[Job]:
    """Everything there is to film; what would be train is more of dev."""
    dev = plan_clips(seed, 30, "dev", sizes["train"] + sizes["dev"], wild=True)
    test = plan_clips(seed, 31, "test", sizes["test"], wild=True)
    return [Job(seed, _with_filler(clip)) for clip in (*dev, *test)]


def _with_filler(clip: Clip) -> Clip:
    rng = np.random.default_rng((*clip.entropy, 2))
    if rng.random() > _FILLED:
        return clip
    return replace(clip, quirk="filler", filler=_FILLERS[int(rng.integers(len(_FILLERS)))])


def work(folder: Path, job: Job) -> dict[str, Any]:
    """Film one clip below the corpus folder; returns its ground truth."""
    clip, stem = job.spoken, folder / "original" / job.id
    done = render(clip, stem)
    index = clip.entropy[-1]
    if index % 40 != 9:  # some clips come without, and their sound is that of the video
        _write(stem.with_name(f"{stem.name}.wav"), _leveled(done.samples))
    words = [replace(word, label=word.label.upper()) for word in done.words]
    content = lrs_text(
        " ".join(word.label for word in words),
        round(float(np.random.default_rng((*clip.entropy, 3)).uniform(3, 9)), 3),
        words=words if index % 25 != 4 else (),
        end="\r\n" if index % 30 == 2 else "\n",
    )
    stem.with_name(f"{stem.name}.txt").write_text(content, encoding="utf-8", newline="")
    return {"id": f"original/{job.id}", **done.truth}


def finish(folder: Path, jobs: list[Job]) -> None:
    """Write the distorted sound of the test clips."""
    noises = [torch.from_numpy(noise) for noise in make_noises(jobs[0].seed)]
    for job in (job for job in jobs if job.spoken.split == "test"):
        clean = _sound(folder / "original" / job.id)
        for name in DISTORTIONS:
            target = folder / name.removeprefix("zoo-").replace("-", "_") / f"{job.id}.wav"
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(target, distort(clean, name, job.id.partition("/")[2], noises).numpy())


def _sound(stem: Path) -> torch.Tensor:
    from zoo.audio import load_audio

    wav = stem.with_name(f"{stem.name}.wav")
    if wav.is_file():
        return load_audio(wav)
    sound = load_audio(stem.with_name(f"{stem.name}.mp4"))
    return torch.from_numpy(_leveled(sound.numpy()))


def _leveled(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    loud = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    gain = min(_LEVEL / loud, _PEAK / float(np.abs(samples).max()))
    return (samples * gain).astype(np.float32)


def _write(path: Path, samples: NDArray[np.float32]) -> None:
    soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")
