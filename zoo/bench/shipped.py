"""The checkpoints that come with the repository, on the tiny tasks their protocols fit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from zoo.bench.reference_rows import PREFIX
from zoo.bench.result import Result
from zoo.bench.task import Task, list_tasks
from zoo.data.corpora.about import TEST_SEED
from zoo.errors import BenchError
from zoo.hub.catalogue import list_checkpoints
from zoo.hub.paths import checkout_folder
from zoo.models import MODEL_CLASSES
from zoo.tasks import implements


@dataclass(frozen=True)
class Job:
    """One shipped checkpoint and one task that it can do, or a reference row of a task.

    `folder` is that of the checkpoint, None of a reference row.
    """

    checkpoint: str
    folder: Path | None
    task: Task
    corpus: str
    ablate: str | None = None

    @property
    def name(self) -> str:
        """A folder name for the run."""
        extra = f"--{self.ablate}" if self.ablate else ""
        return f"{self.checkpoint}{extra}--{self.task.name}"

    @property
    def is_plain(self) -> bool:
        """Whether it is a whole model on input that nothing was done to."""
        changed = self.ablate or self.task.distortion or len(self.task.conditions) > 1
        return self.folder is not None and not changed


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
    """Every checkpoint with its tasks and their ablations, then the rows of those tasks."""
    done: dict[str, Task] = {}
    for entry in list_checkpoints():
        folder = root / entry.name
        if entry.source.kind != "ours" or not (folder / "config.json").is_file():
            continue
        module, name = MODEL_CLASSES[entry.model]
        model_class = getattr(import_module(module), name)
        if not model_class.does_its_task(_config(model_class, folder)):
            continue
        reads = streams_of(model_class, folder)
        for task in list_tasks():
            if task.corpus and fits(model_class, reads, task) and understands(folder, task):
                done[task.key] = task
                yield Job(entry.name, folder, task, task.corpus)
                for ablate in task.ablations:
                    yield Job(entry.name, folder, task, task.corpus, ablate)
    for task in done.values():
        for row in task.rows:
            yield Job(f"{PREFIX}{row}", None, task, task.corpus)


def streams_of(model_class: type, folder: Path) -> Sequence[str] | None:
    """What a checkpoint reads, where its class or configuration says so ("video", "audio")."""
    reads: Any = getattr(model_class, "reads", None)
    if not isinstance(reads, property):
        return None if reads is None else tuple(reads)
    import torch

    kind: Any = model_class
    with torch.device("meta"):
        return tuple(kind(_config(model_class, folder)).reads)


def _config(model_class: Any, folder: Path) -> Any:
    return model_class.Config.from_dict(_plain_config(folder))


def _plain_config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))["config"]
    return config


def fits(model_class: type, reads: Sequence[str] | None, task: Task) -> bool:
    """Whether a class of models implements a task's protocol and reads what the task gives."""
    can = implements(model_class, task.protocol)
    return can and (reads is None or set(task.inputs) <= set(reads))


def understands(folder: Path, task: Task) -> bool:
    """Whether a checkpoint was made for the language of a task; translators know several."""
    config = _plain_config(folder)
    return task.protocol == "SpeechTranslator" or config.get("language", "en") == task.language


def make_corpora(
    jobs: Sequence[Job], root: Path, *, sizes: Mapping[str, int], seed: int = TEST_SEED
) -> dict[str, Path]:
    """Make the corpora that the jobs need, unless they are there; corpus name -> folder.

    Only the test split has a size worth the name: nothing is trained on these corpora. `sizes`
    gives it for corpora of pictures and of clips.
    """
    from zoo.data.corpora import CORPORA, make

    folders = {}
    for name in sorted({job.corpus for job in jobs}):
        # a seed each, whatever jobs there are: corpora of one kind would hold the same scenes
        own, size = seed + sorted(CORPORA).index(name), sizes[CORPORA[name].unit]
        folders[name] = root / f"{name}-{own}-{size}"
        if not folders[name].exists():
            make(name, folders[name], seed=own, clips={"train": 1, "dev": 1, "test": size})
    return folders


def run_job(job: Job, corpora: Mapping[str, Path], runs: Path, **options: Any) -> Result:
    """Predict and score one job; `options` go to `zoo.bench.run_task`."""
    from zoo.bench.runner import run_task

    return run_task(
        job.checkpoint if job.folder is None else str(job.folder),
        job.task,
        corpora[job.corpus],
        runs / job.name,
        model_name=None if job.folder is None else job.checkpoint,
        ablate=job.ablate,
        **options,
    )


def write_cards(jobs: Sequence[Job], results: Path) -> None:
    """Put the saved results of each checkpoint into its model card and `.eval_results`."""
    from zoo.hub.card import Card, write_card

    for folder in dict.fromkeys(job.folder for job in jobs if job.folder is not None):
        ours = [job for job in jobs if job.folder == folder and job.ablate is None]
        own = [results / f"{job.name}.json" for job in ours]
        write_card(folder, card=Card(results=own))
