"""benchmarks/LEADERBOARD.md: our results, trivial baselines and published figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from zoo.bench.board import Board, Cell, Line, build_boards
from zoo.bench.published import PublishedTable
from zoo.bench.result import Result
from zoo.errors import BenchError

_HEAD: Final = """# Leaderboard

Made by `zoo bench leaderboard` from `benchmarks/results` and `benchmarks/published`; not edited
by hand. Intervals are 95 % percentile bootstrap over clusters. Lines in *italics* are not ranked:
baselines that need no model, and figures from papers, which were measured by other code
(`†` = quoted without the source at hand). Runs on a part of a task have tables of their own.
"""

_BEGIN: Final = "<!-- results:begin -->"
_END: Final = "<!-- results:end -->"


def render_leaderboard(results: Iterable[Result], published: Sequence[PublishedTable] = ()) -> str:
    """The whole Markdown page."""
    boards = build_boards(results, published)
    return "\n".join([_HEAD, *(_section(board) for board in boards)])


def update_readme(text: str, results: Iterable[Result]) -> str:
    """The README with the tables of our own results between its two markers.

    Raises:
        BenchError: the markers are not there.
    """
    before, opening, rest = text.partition(_BEGIN)
    _, closing, after = rest.partition(_END)
    if not (opening and closing):
        raise BenchError(f"the README lacks the markers {_BEGIN} and {_END}")
    tables = [_section(board) for board in build_boards(results)]
    body = "\n".join(table.replace("## ", "**", 1).replace("\n", "**\n", 1) for table in tables)
    return f"{before}{_BEGIN}\n{body}{_END}{after}"


def _section(board: Board) -> str:
    header = ["", "system", *(column.label for column in board.columns), "note"]
    lines = [
        f"## {escape(board.heading)}",
        "",
        f"{escape(board.title)}; {board.samples}.",
        "",
        _row(header),
        _row(["---"] * len(header)),
    ]
    place = 0
    for line in board.lines:
        place += line.kind == "model"
        lines.append(_line(line, place))
    sources = [f"[{n}] {escape(source)}  " for n, source in enumerate(board.sources, 1)]
    return "\n".join([*lines, "", *sources, ""] if sources else [*lines, ""])


def _line(line: Line, place: int) -> str:
    own = line.kind == "model"
    name = f"**{escape(line.name)}**" if own else f"*{escape(line.name)}*"
    return _row(
        [
            str(place) if own else "",
            name,
            *(_cell(cell, own) for cell in line.cells),
            escape(line.note),
        ]
    )


def _cell(cell: Cell, own: bool) -> str:
    if not cell.text:
        return "–"
    text = f"{cell.text} {cell.interval}".strip()
    mark = " †" if cell.status == "unverified" else ""
    return text if own else f"*{text}*{mark}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def escape(text: str) -> str:
    """Text as Markdown shows it literally within a table."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "\\`*[]|":
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.split())
