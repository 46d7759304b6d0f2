"""One table a task: what the terminal, the Markdown and the page all show.

Results share a table only when task, version and samples agree; a subset run never stands beside
a full one. Only whole models are ranked; ablations, ceilings, floors, baselines and published
figures stand around them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from zoo.bench.board_parts import AREAS, Board, Cell, Column, Line
from zoo.bench.published import PublishedTable
from zoo.bench.published_lines import comparable_lines, separate_tables
from zoo.bench.result import Result
from zoo.bench.task import Task, load_task
from zoo.errors import BenchError

__all__ = ["AREAS", "Board", "Cell", "Column", "Line", "build_boards"]

_AREA_OF: Final = {
    "SpeechImageRetriever": "retrieval",
    "Recognizer": "recognition",
    "VideoToSpeech": "speech",
    "TextToSpeech": "speech",
    "Dubber": "speech",
    "TalkingFace": "talking-face",
    "SpeechTranslator": "translation",
    "SpeechCaptioner": "captioning",
}
_DIGITS: Final = 3  # of results of no task, such as those of `zoo score`


def build_boards(
    results: Iterable[Result],
    published: Sequence[PublishedTable] = (),
    *,
    all_figures: bool = False,
) -> list[Board]:
    """Sort results into tables: full runs first, then subsets, by area and task name.

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
    boards += [_published_only(name, published) for name in names]
    order = list(AREAS)
    return sorted(boards, key=lambda board: (not board.results, order.index(board.area)))


def _board(
    results: Sequence[Result], published: Sequence[PublishedTable], all_figures: bool
) -> Board:
    first = results[0]
    task = _known_task(first.task)
    columns = _columns(results, task, all_figures)
    digits = task.digits if task else _DIGITS
    lines = _result_lines(results, columns, digits)
    lines += _baseline_lines(results, columns, digits)
    name = first.task.split("@")[0]
    tables = [] if first.is_subset else [table for table in published if table.task == name]
    quoted, sources = comparable_lines(tables, columns, digits)
    return Board(
        task=first.task,
        title=str(first.data["task"]["title"]),
        samples=f"{first.data['task']['n_expected']} samples",
        subset=first.is_subset,
        columns=tuple(columns),
        lines=(*lines, *quoted),
        results=tuple(line.result for line in lines if line.result is not None),
        notes=task.notes if task else (),
        sources=tuple(sources),
        area=_AREA_OF.get(task.protocol, "other") if task else "other",
        published=separate_tables(tables, columns),
    )


def _published_only(name: str, published: Sequence[PublishedTable]) -> Board:
    task = _known_task(name)
    tables = [table for table in published if table.task == name]
    area = tables[0].area
    return Board(
        task=task.key if task else name,
        title=task.title if task else tables[0].title,
        samples="no run of ours",
        subset=False,
        columns=(),
        lines=(),
        results=(),
        notes=task.notes if task else (),
        area=area if area in AREAS else "other",
        published=separate_tables(tables, ()),
    )


def _known_task(name: str) -> Task | None:
    try:
        return load_task(name)
    except BenchError:  # a result of a task that this version no longer ships
        return None


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


def _result_lines(results: Sequence[Result], columns: Sequence[Column], digits: int) -> list[Line]:
    """Ceilings, then models with their ablations below them, then controls and floors."""
    ranked = sorted(results, key=lambda result: _order(result, columns))
    of_kind: dict[str, list[Result]] = {}
    for result in ranked:
        of_kind.setdefault(result.kind, []).append(result)
    found = [*of_kind.get("ceiling", ())]
    ablations = of_kind.get("ablation", [])
    for model in of_kind.get("model", ()):
        found += [model, *(one for one in ablations if _whole(one) == model.model)]
    found += [one for one in ablations if one not in found]
    found += [*of_kind.get("control", ()), *of_kind.get("floor", ())]
    return [_result_line(result, columns, digits) for result in found]


def _order(result: Result, columns: Sequence[Column]) -> tuple[float, str]:
    """Best first by the first column; a missing value last."""
    value = result.value(columns[0].id) if columns else None
    if value is None:
        return float("inf"), result.model
    return (-value if columns[0].higher_is_better else value), result.model


def _result_line(result: Result, columns: Sequence[Column], digits: int) -> Line:
    cells = [_cell(result.metrics.get(column.id), digits) for column in columns]
    failed = int(result.data["counts"]["n_failed"])
    note = f"{failed} failed" if failed else ""
    return Line(result.kind, result.model, tuple(cells), note, failed, result)


def _whole(ablation: Result) -> str:
    """The name of the model whose input was taken away."""
    return str(ablation.data["model"]["name"])


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


def _plain(value: float | None, digits: int) -> Cell:
    return Cell() if value is None else Cell(f"{value:.{digits}f}", value=value)
