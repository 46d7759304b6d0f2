"""Results as tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from zoo.bench.board import Board, build_boards
from zoo.bench.board_parts import Cell, Column, Line, PublishedBoard
from zoo.bench.comparison import Comparison
from zoo.bench.published import MARKS, PublishedTable
from zoo.bench.result import Result

_STYLES: Final = {
    "model": "bold",
    "ablation": "",
    "ceiling": "green",
    "control": "dim",
    "floor": "yellow",
    "baseline": "dim",
    "published": "dim italic",
}
_FEW: Final = 4  # systems that fit side by side into a terminal of 80 columns


def table_of(
    results: Iterable[Result],
    published: Sequence[PublishedTable] = (),
    *,
    all_figures: bool = False,
) -> Group:
    """One rich table a task."""
    boards = build_boards(results, published, all_figures=all_figures)
    return Group(*(table for board in boards for table in _tables(board)))


def print_table(results: Iterable[Result], console: Console | None = None) -> None:
    """Print the headline figures of results, one table a task."""
    (console or Console()).print(table_of(results))


def _tables(board: Board) -> list[Table]:
    """Ours, and one for each source that reports the task by other means."""
    title = f"{board.heading}: {board.title}"
    few = len(board.lines) <= _FEW
    tall = few or len(board.columns) > len(board.lines)
    own = [(_tall if tall else _wide)(title, board.columns, board.lines)] if board.lines else []
    return [*own, *(_quoted(title, table) for table in board.published)]


def _quoted(title: str, table: PublishedBoard) -> Table:
    return _wide(f"{title}\n{table.heading}: {table.source}", table.columns, table.lines)


def _wide(title: str, columns: Sequence[Column], lines: Sequence[Line]) -> Table:
    """A line a system."""
    table = Table(title=Text(title), title_justify="left")
    table.add_column("system")
    for column in columns:
        table.add_column(Text(column.label), justify="right")
    for line in lines:
        style = _STYLES[line.kind]
        name = Text(f"{line.name} ({line.note})" if line.failed else line.name, style=style)
        table.add_row(name, *(_cell(cell, style) for cell in line.cells))
    return table


def _tall(title: str, columns: Sequence[Column], lines: Sequence[Line]) -> Table:
    """A line a figure."""
    table = Table(title=Text(title), title_justify="left")
    table.add_column("figure", no_wrap=True)
    for line in lines:
        name = Text(line.name, style=_STYLES[line.kind])
        table.add_column(name, justify="right", overflow="fold")
    for index, column in enumerate(columns):
        cells = [_cell(line.cells[index], _STYLES[line.kind]) for line in lines]
        table.add_row(Text(column.label), *cells)
    return table


def _cell(cell: Cell, style: str) -> Text:
    if not cell.text:
        return Text("–", style="dim")
    text = Text(cell.text + MARKS.get(cell.status, ""), style=style)
    return text.append(f"\n{cell.interval}", style="dim") if cell.interval else text


def comparison_table(comparison: Comparison) -> Table:
    """One line a figure: both values, the difference with its interval, the verdict."""
    title = Text(f"{comparison.task}: {comparison.first} against {comparison.second}")
    table = Table(title=title, title_justify="left")
    for name in ("figure", "first", "second", "difference", "95 %", "wrong sign", "verdict"):
        table.add_column(name, justify="left" if name in ("figure", "verdict") else "right")
    for d in comparison.differences:
        table.add_row(
            Text(d.label),
            f"{d.first:.2f}",
            f"{d.second:.2f}",
            f"{d.value:+.2f}",
            Text(f"[{d.low:+.2f}, {d.high:+.2f}]"),
            f"{d.wrong_sign:.4f}",
            f"first is {d.verdict}" if d.verdict != "undecided" else d.verdict,
        )
    return table
