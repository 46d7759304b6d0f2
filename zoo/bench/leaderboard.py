"""benchmarks/LEADERBOARD.md: our results, trivial baselines and published figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from zoo.bench.board import AREAS, Board, build_boards
from zoo.bench.board_parts import Cell, Line, PublishedBoard
from zoo.bench.published import MARKS, PublishedTable
from zoo.bench.result import Result
from zoo.errors import BenchError

_HEAD: Final = """# Leaderboard

Made by `zoo bench leaderboard` from `benchmarks/results` and `benchmarks/published`; not edited
by hand. Intervals are 95 % percentile bootstrap over clusters. Only whole models are ranked; lines
in *italics* are not: ceilings and floors that no model makes, models without a part of their
input, and figures from papers (`‡` = quoted by others, `†` = quoted without the source at hand).
A figure from a paper stands in a column of ours only where judge, text rule and options are the
same; the others have tables of their own, one a source. Runs on a part of a task have tables of
their own.
"""

_BEGIN: Final = "<!-- results:begin -->"
_END: Final = "<!-- results:end -->"
_SUMMARY: Final = 3  # figures of a task in the README
_REMARKS: Final = ("ablation", "ceiling", "control", "floor")


def render_leaderboard(results: Iterable[Result], published: Sequence[PublishedTable] = ()) -> str:
    """The whole Markdown page."""
    boards = build_boards(results, published)
    ours = [board for board in boards if board.lines]
    parts = [_HEAD, *(_section(board) for board in ours)]
    others = [board for board in boards if not board.lines]
    if others:
        parts.append("# Tasks with published figures only\n")
    for area, heading in AREAS.items():
        inside = [board for board in others if board.area == area]
        if inside:
            parts += [f"## {heading}\n", *(_quoted_section(board) for board in inside)]
    return "\n".join(parts)


def update_readme(text: str, results: Iterable[Result]) -> str:
    """The README with our own results between its two markers: a line for each model and task, with
    the first figures of the task, between ceiling and floor.

    Raises:
        BenchError: the markers are not there.
    """
    before, opening, rest = text.partition(_BEGIN)
    _, closing, after = rest.partition(_END)
    if not (opening and closing):
        raise BenchError(f"the README lacks the markers {_BEGIN} and {_END}")
    header = ["task", "system", *["figure"] * _SUMMARY, "note"]
    rows = [_row(header), _row(["---"] * len(header))]
    for board in build_boards(results):
        whole = [line for line in board.lines if line.kind != "ablation" and _says_something(line)]
        heads = [board.task, *[""] * len(whole)]
        rows += [_summary(head, board, line) for head, line in zip(heads, whole, strict=False)]
    body = "\n".join(rows)
    return f"{before}{_BEGIN}\n{body}\n{_END}{after}"


def _says_something(line: Line) -> bool:
    """A ceiling of no errors at all does not."""
    return line.kind != "ceiling" or any(cell.value for cell in line.cells)


def _summary(head: str, board: Board, line: Line) -> str:
    own = line.kind == "model"
    name = f"**{escape(line.name)}**" if own else f"*{escape(line.name)}*"
    found = [
        f"{escape(f'{column.label} {column.direction}'.strip())} {_cell(cell, own)}"
        for column, cell in zip(board.columns, line.cells, strict=True)
        if cell.text
    ]
    figures = [*found[:_SUMMARY], *[""] * (_SUMMARY - len(found))]
    return _row([escape(head), name, *figures, "" if own else line.kind])


def _section(board: Board) -> str:
    header = ["", "system", *(f"{c.label} {c.direction}".strip() for c in board.columns), "note"]
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
    quoted = [text for table in board.published for text in ("", *_quoted(table))]
    return "\n".join([*lines, "", *sources, *quoted, ""] if sources or quoted else [*lines, ""])


def _quoted_section(board: Board) -> str:
    lines = [f"### {escape(board.heading)}", "", f"{escape(board.title)}."]
    for table in board.published:
        lines += ["", *_quoted(table)]
    return "\n".join([*lines, ""])


def _quoted(table: PublishedBoard) -> list[str]:
    """A table as a paper has it; nothing in it is ranked or compared with ours."""
    protocol = f"; {table.protocol}" if table.protocol else ""
    text = f"{table.heading}, from {table.source} ({table.status}){protocol}:"
    titles = [f"{c.label} {c.direction} {f'({c.unit})' if c.unit else ''}" for c in table.columns]
    header = ["published", *(" ".join(title.split()) for title in titles), "note"]
    rows = [
        _row([f"*{escape(line.name)}*", *(_cell(c, False) for c in line.cells), escape(line.note)])
        for line in table.lines
    ]
    return [escape(text), "", _row(header), _row(["---"] * len(header)), *rows]


def _line(line: Line, place: int) -> str:
    own = line.kind == "model"
    name = f"**{escape(line.name)}**" if own else f"*{escape(line.name)}*"
    remark = line.kind if line.kind in _REMARKS and line.kind not in line.note else ""
    return _row(
        [
            str(place) if own else "",
            name,
            *(_cell(cell, own) for cell in line.cells),
            "; ".join(escape(text) for text in (remark, line.note) if text),
        ]
    )


def _cell(cell: Cell, own: bool) -> str:
    if not cell.text:
        return "–"
    text = f"{cell.text} {cell.interval}".strip()
    return text if own else f"*{text}*{MARKS.get(cell.status, '')}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def escape(text: str) -> str:
    """Text as Markdown shows it literally within a table."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "\\`*[]|":
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.split())
