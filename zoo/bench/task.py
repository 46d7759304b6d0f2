"""A task: dataset, split, protocol and metrics under a name and a version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from zoo.data.utterances import CLEAN
from zoo.errors import BenchError

if TYPE_CHECKING:
    from zoo.metrics.base import Metric

# what a model is asked to do without -> in words; it names those it knows in `ablations`
MODEL_ABLATIONS: Final[dict[str, str]] = {"griffin-lim": "its mel through Griffin-Lim"}
# further row of a model -> what is done to its input, or to itself
ABLATIONS: Final[dict[str, str]] = {
    "audio-zeroed": "audio zeroed",
    "audio-shuffled": "audio of another clip",
    "audio-only": "without the video",
    "video-only": "without the audio",
    **MODEL_ABLATIONS,
}
_FOLDER = Path(__file__).parent / "tasks"
_TUPLES = ("headline", "notes", "inputs", "conditions", "rows", "ablations", "languages")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One row of `zoo bench list`; any change of meaning is a new version.

    Attributes:
        name: e.g. `flickr8k-retrieval`.
        version: part of every result.
        title: one line for tables.
        dataset: key of the reader (`zoo.bench.samples.READERS`).
        split: of the dataset.
        protocol: name of a class of `zoo.tasks`.
        metrics: metric name -> its options.
        cluster: what the bootstrap resamples, in words.
        headline: figures shown in narrow tables, in order; the first one sorts.
        corpus: the tiny corpus (`zoo corpus make`) this task reads; "" for real data.
        expected: sample counts of the full data by kind; {} where the user chooses the size.
        redistributable: whether media may be copied into a page.
        license: of the data.
        digits: decimals in tables.
        notes: protocol decisions a reader must know.
        inputs: what a model of clips is given: `video`, `audio`, `speaker` (another recording of
            the same person), `face_clip` (the silent video), `face_picture` (its first frame),
            `text`.
        conditions: of the recordings; more than one makes a sample of each and a slice of each.
        distortion: what happens to the input, never to what it is scored against: `audio`
            (`babble` with `snr_db`, or a set of `zoo.audio.distortions`), `video` (a set of
            `zoo.video.distortions`).
        needs: metric -> what it compares, where that is not the metric's own `needs`.
        rows: reference rows that stand beside the models (`zoo.bench.reference_rows`).
        ablations: further rows of every model (`ABLATIONS`).
        languages: what is spoken (English where it is not said); of a translation, source and
            target.
    """

    name: str
    version: int
    title: str
    dataset: str
    split: str
    protocol: str
    metrics: Mapping[str, Mapping[str, Any]]
    cluster: str
    headline: tuple[str, ...]
    license: str
    corpus: str = ""
    expected: Mapping[str, int] = field(default_factory=dict)
    redistributable: bool = False
    digits: int = 1
    notes: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    conditions: tuple[str, ...] = (CLEAN,)
    distortion: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    ablations: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    hash: str = ""
    """sha256 of the definition."""

    @property
    def key(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def language(self) -> str:
        """What is spoken."""
        return self.languages[0] if self.languages else "en"

    def build_metrics(self) -> list[Metric]:
        """The metric objects, in the order of the file."""
        from zoo.metrics import get_metric

        return [get_metric(name, **options) for name, options in self.metrics.items()]


@cache
def _all_tasks() -> dict[str, Task]:
    tasks = [task for path in sorted(_FOLDER.glob("*.yaml")) for task in _read(path)]
    return {task.key: task for task in sorted(tasks, key=lambda task: (task.name, task.version))}


def _read(path: Path) -> list[Task]:
    """The task of a file, or its family: `tasks`, each on top of what they `share`."""
    raw = yaml.safe_load(path.read_text("utf-8"))
    each = raw.get("tasks", [raw])
    return [_task({**raw.get("share", {}), **one}, path) for one in each]


def _task(raw: dict[str, Any], path: Path) -> Task:
    digest = hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()
    metrics = {name: dict(options or {}) for name, options in raw["metrics"].items()}
    needs = {name: tuple(kinds) for name, kinds in raw.get("needs", {}).items()}
    lists = {name: tuple(raw[name]) for name in _TUPLES if name in raw}
    try:
        return Task(**{**raw, **lists, "metrics": metrics, "needs": needs}, hash=digest)
    except TypeError as error:
        raise BenchError(f"{path.name}: {error}") from None


def list_tasks() -> list[Task]:
    """Every task, by name and version."""
    return list(_all_tasks().values())


def load_task(name: str | Task) -> Task:
    """Find a task by `name` (its newest version) or `name@version`.

    Raises:
        BenchError: no task has this name; the message holds the nearest ones.
    """
    if isinstance(name, Task):
        return name
    tasks = _all_tasks()
    if name in tasks:
        return tasks[name]
    versions = [task for task in tasks.values() if task.name == name]
    if versions:
        return max(versions, key=lambda task: task.version)
    close = get_close_matches(name, [*tasks, *{task.name for task in tasks.values()}], n=3)
    hint = f"; nearest: {', '.join(close)}" if close else ""
    raise BenchError(f"no task is called {name!r}{hint} (see `zoo bench list`)")
