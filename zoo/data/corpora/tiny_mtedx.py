"""Talking faces in the layout of Multilingual TEDx, in five languages with translations.

    <src>-<src>/data/{train,valid,test}/wav/<talk>.flac          whole talks, 16 kHz
    <src>-<src>/data/<split>/txt/{segments,<split>.<src>}        times and sentences
    <src>-<src>/data/<split>/video/<talk>/<segment>.{mp4,npz}    faces, and their ground truth
    <src>-<tgt>/data/<split>/txt/{segments,<split>.<src>,<split>.<tgt>}

The real corpus has no video (its users fetch the talks themselves) and English only as a target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from zoo.data.corpora.build import SPLITS
from zoo.data.corpora.clips import HOP, Clip, plan_clips, render
from zoo.data.corpora.lexicon import LANGUAGES
from zoo.data.corpora.speakers import SAMPLE_RATE

FOLDERS: Final = {"train": "train", "dev": "valid", "test": "test"}
_PAUSES: Final = (8, 20)  # frames between the sentences of a talk
_TIMES: Final = ".segments"


@dataclass(frozen=True)
class Job:
    """One talk: all sentences of one person."""

    segments: tuple[Clip, ...]

    @property
    def spoken(self) -> Clip:
        """What split, language and talk are taken from."""
        return self.segments[0]

    @property
    def talk(self) -> str:
        """Its id."""
        return self.spoken.video.id

    def folder(self, target: str | None = None) -> str:
        """The folder of the talk's split, for a target language."""
        source = self.spoken.language
        return f"{source}-{target or source}/data/{FOLDERS[self.spoken.split]}"

    def name(self, segment: Clip) -> str:
        """Id of a segment."""
        return f"{self.talk}_{segment.number:04d}"


def plan(seed: int, sizes: Mapping[str, int], languages: Sequence[str] = LANGUAGES) -> list[Job]:
    """Everything there is to film; the clips of each split are shared out among the languages."""
    jobs = []
    for part, split in enumerate(SPLITS):
        for place, language in enumerate(languages):
            k = LANGUAGES.index(language)
            count = (sizes[split] + len(languages) - 1 - place) // len(languages)
            clips = plan_clips(seed, 50 + 10 * part + k, split, count, language=language)
            talks = groupby(clips, key=lambda clip: clip.video.id)
            jobs += [Job(tuple(segments)) for _, segments in talks]
    return jobs


def work(folder: Path, job: Job) -> dict[str, Any]:
    """Film one talk below the corpus folder; returns its ground truth."""
    base = folder / job.folder()
    rng = np.random.default_rng((*job.spoken.entropy, 4))
    pieces: list[NDArray[np.float32]] = [_pause(rng)]
    truths, lines = [], []
    for clip in job.segments:
        name = job.name(clip)
        done = render(clip, base / "video" / job.talk / name)
        start = sum(map(len, pieces)) / SAMPLE_RATE
        stop = start + len(done.samples) / SAMPLE_RATE
        lines.append(f"{name} {job.talk} {start:.2f} {stop:.2f}\n")
        pieces += [done.samples, _pause(rng)]
        truths.append({"id": name, "start_s": start, "end_s": stop, **done.truth})
    wav = base / "wav" / f"{job.talk}.flac"
    wav.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(wav, np.concatenate(pieces), SAMPLE_RATE, subtype="PCM_16")
    wav.with_suffix(_TIMES).write_text("".join(lines), encoding="utf-8")  # until `finish`
    return {"talk": job.talk, "folder": job.folder(), "segments": truths}


def _pause(rng: np.random.Generator) -> NDArray[np.float32]:
    frames = int(rng.integers(_PAUSES[0], _PAUSES[1] + 1))
    return rng.normal(0, 3e-4, frames * HOP).astype(np.float32)


def finish(folder: Path, jobs: list[Job]) -> None:
    """Write the lists: when each sentence is said, its words, its translations."""
    for (source, split), group in _by_list(jobs):
        files = [folder / job.folder() / "wav" / f"{job.talk}{_TIMES}" for job in group]
        times = "".join(path.read_text(encoding="utf-8") for path in files)
        for path in files:
            path.unlink()
        clips = [clip for job in group for clip in job.segments]
        for target in LANGUAGES:
            text = folder / group[0].folder(target) / "txt"
            text.mkdir(parents=True, exist_ok=True)
            (text / "segments").write_text(times, encoding="utf-8", newline="\n")
            for language in {source, target}:
                lines = "".join(f"{clip.sentences[0].written(language)}\n" for clip in clips)
                name = text / f"{FOLDERS[split]}.{language}"
                name.write_text(lines, encoding="utf-8", newline="\n")


def _by_list(jobs: list[Job]) -> Iterator[tuple[tuple[str, str], list[Job]]]:
    def key(job: Job) -> tuple[str, str]:
        return job.spoken.language, job.spoken.split

    for name, group in groupby(sorted(jobs, key=key), key=key):
        yield name, list(group)
