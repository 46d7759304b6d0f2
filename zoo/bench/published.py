"""Figures from papers: benchmarks/published/*.yaml, one file a paper.

A file holds tables; a table is what one source says of one task, with columns of its own. The id
of a column carries the judge, the text rule and whatever else changes the number, as ours do, so
that a figure stands in the column of ours only where all of that is the same.

Statuses: `verified` was read where it was published, `secondary` is quoted from somebody who names
it, `unverified` was neither. None is ever ranked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from zoo.errors import BenchError

SCHEMA: Final = 2
STATUSES: Final = {
    "verified": "read where it was published",
    "secondary": "quoted by others",
    "unverified": "quoted without the source at hand",
}
MARKS: Final = {"secondary": " ‡", "unverified": " †"}
"""What follows a value in a table."""


@dataclass(frozen=True, kw_only=True)
class PublishedColumn:
    """One figure of a table; `id` is in the form of our figures."""

    id: str
    label: str
    unit: str = ""
    higher_is_better: bool | None = None


@dataclass(frozen=True, kw_only=True)
class PublishedRow:
    """One system: values by the id of the column; `status` where it is not that of the table."""

    model: str
    metrics: Mapping[str, float]
    status: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """Figures of one source on one task, split and condition.

    Attributes:
        task: name of the task, without its version; one of ours or another.
        split: they were measured on.
        status: a key of `STATUSES`.
        source: where they stand.
        title: of the task, for tasks that we do not have.
        area: kind of task (`zoo.bench.board.AREAS`).
        dataset: they were measured on.
        condition: of the recordings.
        protocol: what else a reader must know of how they were measured.
        columns: what was measured.
        rows: the systems, in the order of the file.
    """

    task: str
    split: str
    status: str
    source: str
    title: str = ""
    area: str = ""
    dataset: str = ""
    condition: str = "clean"
    protocol: str = ""
    columns: tuple[PublishedColumn, ...] = ()
    rows: tuple[PublishedRow, ...] = ()

    def status_of(self, row: PublishedRow, metric: str) -> str:
        """Status of one value."""
        return row.status.get(metric, self.status)

    @property
    def conditions(self) -> str:
        """Split and condition, in words."""
        condition = "" if self.condition == "clean" else f", {self.condition}"
        return f"{self.dataset} {self.split}{condition}".strip()


def load_published(folder: str | Path) -> list[PublishedTable]:
    """Every table of every *.yaml of a folder, by file name.

    Raises:
        BenchError: a file is not in this form; the message names the place.
    """
    return [
        table for path in sorted(Path(folder).glob("*.yaml")) for table in load_published_file(path)
    ]


def load_published_file(path: Path) -> list[PublishedTable]:
    """The tables of one file.

    Raises:
        BenchError: it is not in this form.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    raw = yaml.safe_load(path.read_text("utf-8"))
    found = raw.get("schema") if isinstance(raw, dict) else None
    if found != SCHEMA:
        raise BenchError(f"{path.name}: schema {found!r} is not {SCHEMA}")
    fault = best_match(Draft202012Validator(published_schema()).iter_errors(raw))
    if fault is not None:
        raise BenchError(f"{path.name}: {fault.json_path}: {fault.message}")
    return [_table(table, path) for table in raw["tables"]]


@cache
def published_schema() -> dict[str, Any]:
    """The JSON Schema of a file."""
    path = Path(__file__).with_name("published_schema.json")
    schema: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return schema


def _table(raw: Mapping[str, Any], path: Path) -> PublishedTable:
    ids = {name: column["id"] for name, column in raw["columns"].items()}
    columns = tuple(
        PublishedColumn(
            id=column["id"],
            label=column["label"],
            unit=column["unit"],
            higher_is_better=column["better"] == "high",
        )
        for column in raw["columns"].values()
    )
    try:
        rows = tuple(_row(row, ids) for row in raw["rows"])
    except KeyError as error:
        raise BenchError(f"{path.name}: {raw['task']}: no column is called {error}") from None
    return PublishedTable(**{**raw, "columns": columns, "rows": rows})


def _row(raw: Mapping[str, Any], ids: Mapping[str, str]) -> PublishedRow:
    return PublishedRow(
        model=raw["model"],
        metrics={ids[name]: float(value) for name, value in raw["values"].items()},
        status={ids[name]: status for name, status in raw.get("status", {}).items()},
        note=raw.get("note", ""),
    )
