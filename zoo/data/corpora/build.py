"""Builds a corpus with worker processes and publishes it whole or not at all."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zoo._version import __version__
from zoo.data.corpora.about import ABOUT
from zoo.errors import DataError

SPLITS = ("train", "dev", "test")
HELD_OUT_PART = 8  # dev and test get one picture in eight each, as in Flickr8k
TRUTH = "ground_truth"


@dataclass(frozen=True)
class Corpus:
    """How one corpus is made.

    Attributes:
        about: One line for `zoo corpus list`.
        unit: What `clips` counts.
        module: The module that makes it, imported only then. Its functions run in this order:
            `plan(seed, sizes)` -> jobs, each with a `.spoken.split`; `work(folder, job)` -> ground
            truth, in worker processes, so both pickle; `finish(folder, jobs)` writes the index
            files.
        languages: Those that are spoken, if `plan` takes some of them as `languages`.
        for_voices: Whether `plan` takes a number of drawn `timbres`, `sound_only`, and `revoiced`.
    """

    about: str
    unit: str
    module: str
    languages: tuple[str, ...] = ()
    for_voices: bool = False

    @property
    def plan(self) -> Callable[..., list[Any]]:
        """Draw the jobs."""
        plan: Callable[..., list[Any]] = import_module(self.module).plan
        return plan

    @property
    def work(self) -> Callable[[Path, Any], dict[str, Any]]:
        """Make one job's files."""
        work: Callable[[Path, Any], dict[str, Any]] = import_module(self.module).work
        return work

    @property
    def finish(self) -> Callable[[Path, list[Any]], None]:
        """Write what lists the files."""
        finish: Callable[[Path, list[Any]], None] = import_module(self.module).finish
        return finish


def split_sizes(clips: int) -> dict[str, int]:
    """How many of `clips` go to train, dev and test: 6 : 1 : 1, at least one each.

    Raises:
        DataError: There are fewer than three.
    """
    if clips < len(SPLITS):
        raise DataError(f"a corpus needs at least {len(SPLITS)} clips, one a split; got {clips}")
    held_out = max(1, round(clips / HELD_OUT_PART))
    return {"train": clips - 2 * held_out, "dev": held_out, "test": held_out}


def build(
    name: str,
    corpus: Corpus,
    folder: Path,
    *,
    seed: int,
    sizes: Mapping[str, int],
    workers: int | None,
    languages: Sequence[str] | None = None,
    timbres: int | None = None,
    sound_only: bool = False,
    revoiced: int | None = None,
) -> Path:
    """Make a corpus beside `folder` and rename it into place when it is complete."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is not empty: name a new folder for the corpus {name}")
    chosen: dict[str, Any] = {}
    if languages is not None:
        chosen["languages"] = _chosen_languages(name, corpus, languages)
    if timbres is not None:
        chosen["timbres"] = _checked_timbres(name, corpus, timbres)
    if sound_only:
        if not corpus.for_voices:
            raise DataError(f"{name} has pictures, and cannot be made of sound only")
        chosen["sound_only"] = True
    if revoiced is not None:
        chosen["revoiced"] = _checked_revoiced(name, corpus, revoiced, timbres)
    jobs = corpus.plan(seed, sizes, **chosen)
    with _published(folder) as draft:
        truths = list(_progress(name, _work(corpus, draft, jobs, workers), len(jobs)))
        corpus.finish(draft, jobs)
        _write_truth(draft, jobs, truths)
        about = {"name": name, "seed": seed, "sizes": dict(sizes), "zoo_version": __version__}
        about |= chosen
        (draft / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return folder


def _checked_timbres(name: str, corpus: Corpus, timbres: int) -> int:
    if not corpus.for_voices:
        raise DataError(f"{name} has espeak-ng's timbres, and takes no number of drawn ones")
    if timbres < 1:
        raise DataError(f"{name}: its training people need timbres; got a number of {timbres}")
    return timbres


def _checked_revoiced(name: str, corpus: Corpus, revoiced: int, timbres: int | None) -> int:
    if not corpus.for_voices:
        raise DataError(f"{name} has espeak-ng's timbres, and cannot be revoiced")
    if timbres is not None:
        raise DataError(
            f"{name}: revoiced draws a timbre for each training clip, timbres draws them for the "
            "training people; choose one of the two"
        )
    if revoiced < 1:
        raise DataError(f"{name}: revoiced corpora are numbered from 1; got {revoiced}")
    return revoiced


def _chosen_languages(name: str, corpus: Corpus, languages: Sequence[str]) -> tuple[str, ...]:
    """The languages asked for, in the corpus's order."""
    unknown = sorted(set(languages) - set(corpus.languages))
    if unknown or not languages:
        known = ", ".join(corpus.languages) or "one language only, and takes no choice"
        raise DataError(f"{name} has {known}; asked for: {', '.join(languages) or 'none'}")
    return tuple(language for language in corpus.languages if language in languages)


def _work(
    corpus: Corpus, folder: Path, jobs: Sequence[Any], workers: int | None
) -> Iterator[dict[str, Any]]:
    count = min(workers if workers is not None else os.cpu_count() or 1, len(jobs))
    work = partial(corpus.work, folder)
    if count <= 1:
        yield from map(work, jobs)
        return
    # spawn: forking a parent that already runs threads (a notebook, torch) can hang
    context = multiprocessing.get_context("spawn")
    # an interrupt goes to the whole process group: only the parent answers it
    ignore = (signal.SIGINT, signal.SIG_IGN)
    pool = ProcessPoolExecutor(count, context, initializer=signal.signal, initargs=ignore)
    try:
        yield from pool.map(work, jobs, chunksize=max(1, min(8, len(jobs) // (4 * count))))
    finally:
        pool.shutdown(cancel_futures=True)


def _progress(name: str, done: Iterator[dict[str, Any]], total: int) -> Iterator[dict[str, Any]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield from bar.track(done, total=total, description=f"making {name}")


@contextmanager
def _published(folder: Path) -> Iterator[Path]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield draft
        draft.chmod(0o755)  # mkdtemp makes it private
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_truth(folder: Path, jobs: Sequence[Any], truths: Sequence[dict[str, Any]]) -> None:
    (folder / TRUTH).mkdir()
    for split in SPLITS:
        rows = [t for job, t in zip(jobs, truths) if job.spoken.split == split]
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (folder / TRUTH / f"{split}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
