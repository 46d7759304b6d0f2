"""Talking faces in the layout of LRS3-TED: `{pretrain,trainval,test}/<video>/<clip>.{mp4,txt}`.

The dev clips lie in `trainval`, as validation clips of LRS3 do, and `lrs3-valid.id` lists them. A
few clips have what real ones have: a face that leaves the picture, less than a second, fillers in
braces, digits, long talks with a table of word times. The test clips have none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from zoo.data.corpora.clips import Clip, plan_clips, render
from zoo.data.corpora.espeak import Segment
from zoo.data.corpora.lrs_text import lrs_text

VALID_LIST: Final = "lrs3-valid.id"
_PRETRAIN_SHARE: Final = 1 / 150  # of the training clips
_SENTENCES: Final = 10  # a long clip: over sixteen seconds
_DIGITS: Final = {"two": "2", "ten": "10"}
_FIRST: Final = {"trainval": 50001, "pretrain": 1, "test": 1}


@dataclass(frozen=True)
class Job:
    """One clip and the folder it goes to."""

    part: str
    spoken: Clip

    @property
    def id(self) -> str:
        """`<part>/<video>/<clip>`."""
        return f"{self.part}/{self.spoken.video.id}/{_FIRST[self.part] + self.spoken.number:05d}"


def plan(
    seed: int,
    sizes: Mapping[str, int],
    timbres: int = 0,
    sound_only: bool = False,
    revoiced: int = 0,
) -> list[Job]:
    """Everything there is to film, or to record.

    The training people have `timbres` drawn ones, or each training clip one of its own, which
    `revoiced` draws.
    """
    filmed = not sound_only
    clips = partial(plan_clips, seed, timbres=timbres, filmed=filmed, revoiced=revoiced)
    long = round(sizes["train"] * _PRETRAIN_SHARE)
    train = [_with_quirk(k, c) for k, c in enumerate(clips(20, "train", sizes["train"]))]
    pretrain = clips(23, "train", max(1, long), sentences=_SENTENCES)
    return [
        *(Job("trainval", clip) for clip in train),
        *(Job("pretrain", clip) for clip in pretrain),
        *(Job("trainval", clip) for clip in clips(21, "dev", sizes["dev"])),
        *(Job("test", clip) for clip in clips(22, "test", sizes["test"])),
    ]


def _with_quirk(index: int, clip: Clip) -> Clip:
    if index % 100 == 3:
        return replace(clip, quirk="absent")
    if index % 100 == 7:
        return replace(clip, quirk="short")
    if index % 50 == 11:
        return replace(clip, quirk="filler", filler="um")
    return clip


def work(folder: Path, job: Job) -> dict[str, Any]:
    """Film one clip below the corpus folder; returns its ground truth."""
    clip, stem = job.spoken, folder / job.id
    done = render(clip, stem)
    words = [replace(word, label=_written(word.label, clip)) for word in done.words]
    text = " ".join(word.label for word in words)
    table: list[Segment] = words if job.part == "pretrain" else []
    confidence = 1 + clip.entropy[-1] % 7
    # the archive of the annotations has boxes as well; some copies of LRS3 keep them
    ref = clip.video.id if clip.entropy[-1] % 20 == 5 else None
    content = lrs_text(text, confidence, words=table, ref=ref, frames=done.truth["frames"])
    stem.with_name(f"{stem.name}.txt").write_text(content, encoding="utf-8", newline="")
    return {"id": job.id, **done.truth}


def _written(word: str, clip: Clip) -> str:
    """A word as LRS3 writes it: upper case, fillers in braces, in long clips digits."""
    if clip.quirk == "filler" and word == clip.filler:
        return f"{{{word.upper()}}}"
    return _DIGITS.get(word, word.upper()) if clip.quirk == "long" else word.upper()


def finish(folder: Path, jobs: list[Job]) -> None:
    """Write the list of validation clips."""
    ids = [f"{job.id}\n" for job in jobs if job.spoken.split == "dev"]
    (folder / VALID_LIST).write_text("".join(ids), encoding="utf-8", newline="\n")
