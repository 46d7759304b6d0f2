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
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from zoo.bench.board import Board, Cell, build_boards
from zoo.bench.gallery import Query, build_queries
from zoo.bench.published import PublishedTable
from zoo.bench.result import Result, validate

_TEMPLATES = Path(__file__).parent / "templates"
_ASSETS = ("style.css", "page.js")


@dataclass(frozen=True)
class _Section:
    board: Board
    queries: list[Query]


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
        samples: spoken queries to show a table; media are copied only where the task's licence
            allows it.
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
    sections = [
        _Section(board, build_queries(board.results, out, samples) if samples else [])
        for board in boards
    ]
    for asset in _ASSETS:
        shutil.copyfile(_TEMPLATES / asset, out / asset)
    data = [dict(result.data) for result in results]
    (out / "results.json").write_text(
        json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8"
    )
    page = _environment().get_template("page.html.jinja").render(title=title, sections=sections)
    index = out / "index.html"
    index.write_text(page, encoding="utf-8")
    return index


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"whisker": _whisker, "bars": _bars, "anchor": _anchor}
    return environment


def _anchor(text: str) -> str:
    """Any text as an element id that also works in an address."""
    return quote(text, safe="").replace("%", "_")


def _whisker(cell: Cell) -> dict[str, float] | None:
    """Percent positions of an interval on a 0-100 scale, None where it does not lie on one."""
    if cell.low is None or cell.high is None or cell.value is None:
        return None
    if not 0 <= cell.low <= cell.high <= 100:
        return None
    return {
        "left": round(cell.low, 2),
        "width": round(max(cell.high - cell.low, 0.8), 2),
        "dot": round(cell.value, 2),
    }


def _bars(peaks: Sequence[float]) -> str:
    """An envelope as the path of a 96 x 24 drawing, mirrored about its middle."""
    step = 96 / max(1, len(peaks))
    return " ".join(
        f"M{step * (i + 0.5):.2f} {12 - 11 * peak:.2f}V{12 + 11 * peak:.2f}"
        for i, peak in enumerate(peaks)
    )
