"""One table a task: what the terminal, the Markdown and the page all show.

Results share a table only when task, version and samples agree; a subset run never stands beside
a full one. Published figures and baselines follow below, unranked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.bench.published import PublishedTable
from zoo.bench.result import Result
from zoo.bench.task import Task, load_task
from zoo.errors import BenchError


@dataclass(frozen=True)
class Column:
    """One figure; `metric` is name@version, "" where only published values are known."""

    id: str
    label: str
    unit: str = ""
    higher_is_better: bool | None = None


@dataclass(frozen=True)
class Cell:
    """One value as it is shown; an empty text with a reason where there is none."""

    text: str = ""
    interval: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    status: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Line:
    """One line of a table; `kind` is `model`, `baseline` or `published`."""

    kind: str
    name: str
    cells: tuple[Cell, ...]
    note: str = ""
    failed: int = 0
    result: Result | None = None


@dataclass(frozen=True)
class Board:
    """One table."""

    task: str
    title: str
    samples: str
    subset: bool
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    """Where published figures stand; a line's note refers to them as [1], [2] ..."""

    @property
    def heading(self) -> str:
        """Task, and which part of it where it was not all."""
        return f"{self.task} (subset, {self.samples})" if self.subset else self.task

    @property
    def anchor(self) -> str:
        """Name within a page."""
        suffix = f"-{self.results[0].group[1][:8]}" if self.results else ""
        return f"{self.task}{suffix}"


def build_boards(
    results: Iterable[Result],
    published: Sequence[PublishedTable] = (),
    *,
    all_figures: bool = False,
) -> list[Board]:
    """Sort results into tables: full runs first, then subsets, by task name.

    Args:
        results: any mixture of runs.
        published: figures from papers; those of tasks without a result get a table as well.
        all_figures: every figure instead of the task's headline.
    """
    groups: dict[tuple[bool, str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.is_subset, *result.group), []).append(result)
    boards = [_board(groups[key], published, all_figures) for key in sorted(groups)]
    seen = {board.task.split("@")[0] for board in boards if not board.subset}
    names = dict.fromkeys(table.task for table in published if table.task not in seen)
    return boards + [_published_only(name, published, all_figures) for name in names]


def _board(
    results: Sequence[Result], published: Sequence[PublishedTable], all_figures: bool
) -> Board:
    first = results[0]
    task = _known_task(first.task)
    columns = _columns(results, task, all_figures)
    digits = task.digits if task else 1
    ranked = sorted(results, key=lambda result: _order(result, columns))
    lines = [_model_line(result, columns, digits) for result in ranked]
    lines += _baseline_lines(results, columns, digits)
    name = first.task.split("@")[0]
    tables = [] if first.is_subset else [table for table in published if table.task == name]
    lines += _published_lines(tables, columns, digits)
    return Board(
        task=first.task,
        title=str(first.data["task"]["title"]),
        samples=f"{first.data['task']['n_expected']} samples",
        subset=first.is_subset,
        columns=tuple(columns),
        lines=tuple(lines),
        results=tuple(ranked),
        notes=task.notes if task else (),
        sources=_sources(tables),
    )


def _published_only(name: str, published: Sequence[PublishedTable], all_figures: bool) -> Board:
    task = _known_task(name)
    tables = [table for table in published if table.task == name]
    ids = dict.fromkeys(id_ for table in tables for row in table.rows for id_ in row.metrics)
    labels = _labels(task)
    columns = [Column(id_, labels.get(id_, id_), "%", True) for id_ in ids]
    digits = task.digits if task else 1
    return Board(
        task=task.key if task else name,
        title=task.title if task else name,
        samples="no run of ours",
        subset=False,
        columns=tuple(columns),
        lines=tuple(_published_lines(tables, columns, digits)),
        results=(),
        notes=task.notes if task else (),
        sources=_sources(tables),
    )


def _known_task(name: str) -> Task | None:
    try:
        return load_task(name)
    except BenchError:  # a result of a task that this version no longer ships
        return None


def _labels(task: Task | None) -> dict[str, str]:
    if task is None:
        return {}
    figures = [figure for metric in task.build_metrics() for figure in metric.figures([])]
    return {figure.id: figure.label for figure in figures}


def _columns(results: Sequence[Result], task: Task | None, all_figures: bool) -> list[Column]:
    """Figures that any of the results has, in the task's order."""
    entries: dict[str, Mapping[str, Any]] = {}
    for result in results:
        for id_, entry in result.metrics.items():
            if entry["value"] is not None or id_ not in entries:
                entries[id_] = entry
    ids = [id_ for id_ in task.headline if id_ in entries] if task and not all_figures else []
    return [
        Column(id_, e["label"], e["unit"], e["higher_is_better"])
        for id_ in ids or entries
        for e in [entries[id_]]
    ]


def _order(result: Result, columns: Sequence[Column]) -> tuple[float, str]:
    """Best first by the first column; a missing value last."""
    value = result.value(columns[0].id) if columns else None
    if value is None:
        return float("inf"), result.model
    return (-value if columns[0].higher_is_better else value), result.model


def _model_line(result: Result, columns: Sequence[Column], digits: int) -> Line:
    cells = [_cell(result.metrics.get(column.id), digits) for column in columns]
    failed = int(result.data["counts"]["n_failed"])
    note = f"{failed} failed" if failed else ""
    return Line("model", result.model, tuple(cells), note, failed, result)


def _cell(entry: Mapping[str, Any] | None, digits: int) -> Cell:
    if entry is None:
        return Cell(reason="not measured")
    if entry["value"] is None:
        return Cell(reason=entry["reason"])
    low, high = entry["ci95"] or (None, None)
    interval = f"[{low:.{digits}f}, {high:.{digits}f}]" if entry["ci95"] else ""
    return Cell(f"{entry['value']:.{digits}f}", interval, entry["value"], low, high)


def _baseline_lines(
    results: Sequence[Result], columns: Sequence[Column], digits: int
) -> list[Line]:
    """Baselines of the same samples; those of several results are the same numbers."""
    found: dict[str, Mapping[str, float]] = {}
    for result in results:
        for baseline in result.data["baselines"]:
            found.setdefault(baseline["name"], baseline["metrics"])
    lines = []
    for name, metrics in found.items():
        cells = tuple(_plain(metrics.get(column.id), digits) for column in columns)
        if any(cell.text for cell in cells):
            lines.append(Line("baseline", name, cells, "baseline"))
    return lines


def _published_lines(
    tables: Sequence[PublishedTable], columns: Sequence[Column], digits: int
) -> list[Line]:
    lines = []
    for number, table in enumerate(tables, 1):
        for row in table.rows:
            cells = tuple(
                _plain(row.metrics.get(column.id), digits, table.status_of(row, column.id))
                for column in columns
            )
            note = f"{table.split} split [{number}]" + (f"; {row.note}" if row.note else "")
            if any(cell.text for cell in cells):
                lines.append(Line("published", row.model, cells, note))
    return lines


def _sources(tables: Sequence[PublishedTable]) -> tuple[str, ...]:
    return tuple(
        f"{table.source}{'; ' if table.protocol else ''}{table.protocol} ({table.status})"
        for table in tables
    )


def _plain(value: float | None, digits: int, status: str = "") -> Cell:
    if value is None:
        return Cell()
    return Cell(f"{value:.{digits}f}", value=value, status=status)
