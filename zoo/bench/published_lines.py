"""Published figures for a table: in our column where all is the same, else in tables apart."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.bench.board_parts import Cell, Column, Line, PublishedBoard
from zoo.bench.published import PublishedRow, PublishedTable


def comparable_lines(
    tables: Sequence[PublishedTable], columns: Sequence[Column], digits: int
) -> tuple[list[Line], list[str]]:
    """Lines with figures of exactly our columns, and the sources that their notes number.

    Args:
        tables: of the same task.
        columns: ours; the id holds judge, text rule and options.
        digits: after the point.
    """
    lines: list[Line] = []
    sources: list[str] = []
    for table in tables:
        found = [_line(table, row, columns, digits, len(sources) + 1) for row in table.rows]
        shown = [line for line in found if any(cell.text for cell in line.cells)]
        if shown:
            sources.append(_source(table))
            lines += shown
    return lines, sources


def separate_tables(
    tables: Sequence[PublishedTable], columns: Sequence[Column]
) -> tuple[PublishedBoard, ...]:
    """The tables that hold a figure which is none of our columns, each as it was published."""
    ours = {column.id for column in columns}
    return tuple(
        _own_table(table)
        for table in tables
        if any(id_ not in ours for row in table.rows for id_ in row.metrics)
    )


def _own_table(table: PublishedTable) -> PublishedBoard:
    known = {column.id: column for column in table.columns}
    ids = dict.fromkeys(id_ for row in table.rows for id_ in row.metrics)
    columns = tuple(
        Column(id_, known[id_].label, known[id_].unit, known[id_].higher_is_better)
        if id_ in known
        else Column(id_, id_)
        for id_ in ids
    )
    digits = {column.id: _digits(table, column.id) for column in columns}
    lines = tuple(
        Line(
            "published",
            row.model,
            tuple(_cell(table, row, column, digits[column.id]) for column in columns),
            row.note,
        )
        for row in table.rows
    )
    return PublishedBoard(
        heading=table.conditions,
        source=table.source,
        protocol=table.protocol,
        status=table.status,
        columns=columns,
        lines=lines,
    )


def _digits(table: PublishedTable, id_: str) -> int:
    """As many as the source gives for the column."""
    texts = [str(row.metrics[id_]) for row in table.rows if id_ in row.metrics]
    return max(len(text.partition(".")[2].rstrip("0")) for text in texts)


def _line(
    table: PublishedTable, row: PublishedRow, columns: Sequence[Column], digits: int, number: int
) -> Line:
    cells = tuple(_cell(table, row, column, digits) for column in columns)
    note = f"{table.conditions} [{number}]" + (f"; {row.note}" if row.note else "")
    return Line("published", row.model, cells, note)


def _cell(table: PublishedTable, row: PublishedRow, column: Column, digits: int) -> Cell:
    value = row.metrics.get(column.id)
    if value is None:
        return Cell()
    return Cell(f"{value:.{digits}f}", value=value, status=table.status_of(row, column.id))


def _source(table: PublishedTable) -> str:
    return f"{table.source}{'; ' if table.protocol else ''}{table.protocol} ({table.status})"
