"""The checkpoints that come with the repository, on the tiny tasks their protocols fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import zoo.tasks
from zoo.bench.result import Result
from zoo.bench.task import Task, list_tasks
from zoo.errors import BenchError
from zoo.hub.catalogue import list_checkpoints
from zoo.hub.paths import checkout_folder
from zoo.models import MODEL_CLASSES

TEST_SEED: Final = 20260
"""Seed of the first corpus that is scored, the next ones count on; none is ever trained on."""


@dataclass(frozen=True)
class Job:
    """One shipped checkpoint and one task that it can do."""

    checkpoint: str
    folder: Path
    task: Task
    corpus: str

    @property
    def name(self) -> str:
        """A folder name for the run."""
        return f"{self.checkpoint}--{self.task.name}"


def shipped_jobs() -> list[Job]:
    """Every shipped checkpoint with every tiny task of a protocol it implements.

    Raises:
        BenchError: there are no checkpoints here, since this is no checkout of the repository.
    """
    jobs = list(_jobs(checkout_folder()))
    if not jobs:
        raise BenchError(
            f"no shipped checkpoint in {checkout_folder()}; run this in a clone of the repository"
        )
    return jobs


def _jobs(root: Path) -> Iterator[Job]:
    for entry in list_checkpoints():
        folder = root / entry.name
        if entry.source.kind != "ours" or not (folder / "config.json").is_file():
            continue
        module, name = MODEL_CLASSES[entry.model]
        model_class = getattr(import_module(module), name)
        for task in list_tasks():
            if task.corpus and issubclass(model_class, getattr(zoo.tasks, task.protocol)):
                yield Job(entry.name, folder, task, task.corpus)


def make_corpora(
    jobs: Sequence[Job], root: Path, *, pictures: int, seed: int = TEST_SEED
) -> dict[str, Path]:
    """Make the corpora that the jobs need, unless they are there; corpus name -> folder.

    Only the test split has a size worth the name: nothing is trained on these corpora.
    """
    from zoo.data.corpora import make

    folders = {}
    for number, name in enumerate(sorted({job.corpus for job in jobs})):
        own = seed + number  # else corpora of one kind would hold the same scenes
        folders[name] = root / f"{name}-{own}-{pictures}"
        if not folders[name].exists():
            sizes = {"train": 1, "dev": 1, "test": pictures}
            make(name, folders[name], seed=own, clips=sizes)
    return folders


def run_job(job: Job, corpora: Mapping[str, Path], runs: Path, **options: Any) -> Result:
    """Predict and score one job; `options` go to `zoo.bench.run_task`."""
    from zoo.bench.runner import run_task

    return run_task(
        str(job.folder),
        job.task,
        corpora[job.corpus],
        runs / job.name,
        model_name=job.checkpoint,
        **options,
    )


def write_cards(jobs: Sequence[Job], results: Path) -> None:
    """Put the saved results of each checkpoint into its model card and `.eval_results`."""
    from zoo.hub.card import Card, write_card

    for folder in dict.fromkeys(job.folder for job in jobs):
        own = [results / f"{job.name}.json" for job in jobs if job.folder == folder]
        write_card(folder, card=Card(results=own))
