"""Results as tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from zoo.bench.board import Board, Cell, build_boards
from zoo.bench.comparison import Comparison
from zoo.bench.published import PublishedTable
from zoo.bench.result import Result

_STYLES: Final = {"model": "bold", "baseline": "dim", "published": "dim italic"}
_FEW: Final = 4  # systems that fit side by side into a terminal of 80 columns


def table_of(
    results: Iterable[Result],
    published: Sequence[PublishedTable] = (),
    *,
    all_figures: bool = False,
) -> Group:
    """One rich table a task."""
    boards = build_boards(results, published, all_figures=all_figures)
    return Group(*(_table(board) for board in boards))


def print_table(results: Iterable[Result], console: Console | None = None) -> None:
    """Print the headline figures of results, one table a task."""
    (console or Console()).print(table_of(results))


def _table(board: Board) -> Table:
    few = len(board.lines) <= _FEW
    return _tall(board) if few or len(board.columns) > len(board.lines) else _wide(board)


def _wide(board: Board) -> Table:
    """A line a system."""
    table = Table(title=Text(f"{board.heading}: {board.title}"), title_justify="left")
    table.add_column("system")
    for column in board.columns:
        table.add_column(Text(column.label), justify="right")
    for line in board.lines:
        style = _STYLES[line.kind]
        name = Text(f"{line.name} ({line.note})" if line.failed else line.name, style=style)
        table.add_row(name, *(_cell(cell, style) for cell in line.cells))
    return table


def _tall(board: Board) -> Table:
    """A line a figure."""
    table = Table(title=Text(f"{board.heading}: {board.title}"), title_justify="left")
    table.add_column("figure", no_wrap=True)
    for line in board.lines:
        name = Text(line.name, style=_STYLES[line.kind])
        table.add_column(name, justify="right", overflow="fold")
    for index, column in enumerate(board.columns):
        cells = [_cell(line.cells[index], _STYLES[line.kind]) for line in board.lines]
        table.add_row(Text(column.label), *cells)
    return table


def _cell(cell: Cell, style: str) -> Text:
    if not cell.text:
        return Text("–", style="dim")
    mark = " †" if cell.status == "unverified" else ""
    text = Text(cell.text + mark, style=style)
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
