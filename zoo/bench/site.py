"""The page: every table, the runs behind it, and samples with pictures and players.

Plain HTML from templates that escape every value, one style sheet, one script for sorting and
filtering; the tables are complete without it. Nothing is loaded from elsewhere.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from zoo.bench.board import AREAS, Board, build_boards
from zoo.bench.board_parts import Cell
from zoo.bench.clip_gallery import ClipSample, build_clips
from zoo.bench.gallery import Query, build_queries
from zoo.bench.published import MARKS, STATUSES, PublishedTable
from zoo.bench.result import Result, validate
from zoo.bench.samples import read_samples, references_hash
from zoo.bench.task import load_task
from zoo.errors import ZooError

_TEMPLATES = Path(__file__).parent / "templates"
_ASSETS = ("style.css", "page.js")
_BADGES = ("ablation", "ceiling", "control", "floor", "baseline")

Scale = tuple[float, float] | None


@dataclass(frozen=True)
class _Section:
    board: Board
    scales: tuple[Scale, ...]
    """Of each column, for drawing intervals."""
    queries: list[Query]
    clips: list[ClipSample]


@dataclass(frozen=True)
class _Area:
    heading: str
    sections: list[_Section]


def render_page(
    results: Iterable[Result],
    out: str | Path,
    *,
    samples: int = 0,
    published: Sequence[PublishedTable] | None = None,
    title: str = "Zoo benchmark",
    all_figures: bool = True,
) -> Path:
    """Write a static site that opens from the file system.

    Args:
        results: runs to show; one with a folder and data can show samples.
        out: folder of the site, made if absent.
        samples: clips or spoken queries to show a table; media are copied only where the task's
            licence allows it.
        published: figures from papers.
        title: of the page.
        all_figures: every figure instead of the task's headline.

    Returns:
        Path of index.html.

    Raises:
        BenchError: a result does not fit the schema.
    """
    results = list(results)
    for result in results:
        validate(result.data, result.model)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    boards = build_boards(results, published or (), all_figures=all_figures)
    sections = [_section(board, out, samples) for board in boards]
    areas = [
        _Area(heading, inside)
        for area, heading in AREAS.items()
        if (inside := [section for section in sections if section.board.area == area])
    ]
    for asset in _ASSETS:
        shutil.copyfile(_TEMPLATES / asset, out / asset)
    data = [dict(result.data) for result in results]
    (out / "results.json").write_text(
        json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8"
    )
    page = _environment().get_template("page.html.jinja").render(title=title, areas=areas)
    index = out / "index.html"
    index.write_text(page, encoding="utf-8")
    return index


def data_of(result: Result, roots: Iterable[Path]) -> Path | None:
    """The folder that holds the very samples of a result; None where no run or folder does."""
    if result.folder is None:
        return None
    subset = result.data["task"]["subset"] or {}
    for root in roots:
        try:
            samples = read_samples(load_task(result.task), root, subset.get("limit"))
        except ZooError:  # the folder of another dataset, or no such task any more
            continue
        if references_hash(samples) == result.group[1]:
            return root
    return None


def _section(board: Board, out: Path, samples: int) -> _Section:
    ceilings = [line.result for line in board.lines if line.kind == "ceiling"]
    results = [result for result in board.results if result not in ceilings] if samples else []
    return _Section(
        board=board,
        scales=tuple(_scale(board, place) for place in range(len(board.columns))),
        queries=build_queries(results, out, samples) if board.area == "retrieval" else [],
        clips=build_clips(results, out, samples) if board.area != "retrieval" else [],
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"bars": _bars, "id": _id, "fragment": _fragment}
    environment.globals |= {
        "whisker": _whisker,
        "badges": _BADGES,
        "marks": {status: mark.strip() for status, mark in MARKS.items()},
        "statuses": STATUSES,
    }
    return environment


def _id(text: str) -> str:
    """Any text as an element id, which may hold everything but white space."""
    return "_".join(text.split())


def _fragment(text: str) -> str:
    """The same as the part of an address after the `#`."""
    return quote(_id(text), safe="/@:.-_~!$&'()*+,;=")


def _scale(board: Board, place: int) -> Scale:
    """Ends of the axis of a column: its values and intervals, 0 to 100 for percentages."""
    if board.columns[place].unit == "%":
        cells = [line.cells[place] for line in board.lines]
        if all(0 <= number <= 100 for cell in cells for number in _numbers(cell)):
            return 0.0, 100.0
    numbers = [n for line in board.lines for n in _numbers(line.cells[place])]
    if not numbers or min(numbers) == max(numbers):
        return None
    margin = 0.04 * (max(numbers) - min(numbers))
    return min(numbers) - margin, max(numbers) + margin


def _numbers(cell: Cell) -> list[float]:
    return [number for number in (cell.value, cell.low, cell.high) if number is not None]


def _whisker(cell: Cell, scale: Scale) -> dict[str, Any] | None:
    """Positions of an interval in percent of the column's axis, None where there is none."""
    if scale is None or cell.low is None or cell.high is None or cell.value is None:
        return None
    low, span = scale[0], scale[1] - scale[0]
    left, right, dot = (100 * (x - low) / span for x in (cell.low, cell.high, cell.value))
    return {
        "left": round(left, 2),
        "width": round(max(right - left, 0.8), 2),
        "dot": round(dot, 2),
        "scale": f"axis from {scale[0]:.4g} to {scale[1]:.4g}",
    }


def _bars(peaks: Sequence[float]) -> str:
    """An envelope as the path of a 96 x 24 drawing, mirrored about its middle."""
    step = 96 / max(1, len(peaks))
    return " ".join(
        f"M{step * (i + 0.5):.2f} {12 - 11 * peak:.2f}V{12 + 11 * peak:.2f}"
        for i, peak in enumerate(peaks)
    )
