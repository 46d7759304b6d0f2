"""The harness: tasks, records, scores, comparisons, leaderboard.

Public functions (importing this package is cheap, no torch):

    run_task(model, task, data_root, out, *, limit=None, batch_size=8, seed=0, devices=1,
             num_nodes=1, accelerator="auto", strategy="auto", precision=None, workers=None,
             force_new=False, retry_failed=False, progress=True, model_name=None, ablate=None,
             noise=None) -> Result
        Predict every sample of a task (resuming what `out` already holds) and score it. `model`
        is a `from_pretrained` source, a loaded model, or `baseline.NAME` for a row that no model
        makes (`zoo.bench.reference_rows`); `task` is "name" or "name@version".
    score_run(folder, data_root=None) -> Result
        Scores a finished run folder again, without the model; output that is compared with
        original media needs the folder of the dataset.
    load_result(path) -> Result          a result.json, or the folder that holds one
    compare(first, second) -> Comparison paired bootstrap of two run folders
    list_tasks() -> list[Task]           load_task("name[@version]") -> Task
    table_of(results) -> rich Table      print_table(results, console=None) -> None
    render_page(results, out, *, samples=0, published=None, title=...) -> Path
        A static page (out/index.html, opens from file://). With `samples` > 0, every result that
        still knows its run folder and data (as `run_task` returns it) shows that many samples
        with pictures and players, where the task's licence lets its media be copied.
    render_leaderboard(results, published) -> str      Markdown
    load_results(folder) -> list[Result]    load_published(folder) -> list[PublishedTable]

Files of a run folder: run.json, references.jsonl, predictions/shard-RRRRR.jsonl,
media/<id>.{wav,mp4}, scores/<metric@version>.jsonl, result.json.

Anybody's own files are scored by `zoo.bench.file_scoring`, a copy of a dataset is checked by
`zoo.bench.prepare`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from zoo.bench.comparison import Comparison, compare
    from zoo.bench.leaderboard import render_leaderboard
    from zoo.bench.published import PublishedTable, load_published
    from zoo.bench.result import Result, load_result, load_results
    from zoo.bench.runner import run_task
    from zoo.bench.scoring import score_run
    from zoo.bench.site import render_page
    from zoo.bench.table import print_table, table_of
    from zoo.bench.task import Task, list_tasks, load_task

_HOMES: Final[dict[str, str]] = {
    "run_task": "runner",
    "score_run": "scoring",
    "Result": "result",
    "load_result": "result",
    "load_results": "result",
    "compare": "comparison",
    "Comparison": "comparison",
    "Task": "task",
    "list_tasks": "task",
    "load_task": "task",
    "table_of": "table",
    "print_table": "table",
    "render_page": "site",
    "render_leaderboard": "leaderboard",
    "load_published": "published",
    "PublishedTable": "published",
}

__all__ = [
    "Comparison",
    "PublishedTable",
    "Result",
    "Task",
    "compare",
    "list_tasks",
    "load_published",
    "load_result",
    "load_results",
    "load_task",
    "print_table",
    "render_leaderboard",
    "render_page",
    "run_task",
    "score_run",
    "table_of",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo.bench' has no attribute {name!r}")
    value = getattr(import_module(f"zoo.bench.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
