"""Figures from papers: benchmarks/published/*.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from zoo.errors import BenchError

SCHEMA: Final = 1
STATUSES: Final = ("sourced", "unverified")


@dataclass(frozen=True, kw_only=True)
class PublishedRow:
    """One system; `sourced` names the figures that were read at their source."""

    model: str
    metrics: Mapping[str, float]
    sourced: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """Figures of one source on one task and split.

    Attributes:
        task: name of the task, without its version.
        split: they were measured on.
        status: `sourced` or `unverified`.
        source: where they stand.
        protocol: what differs from ours.
        rows: the systems.
    """

    task: str
    split: str
    status: str
    source: str
    protocol: str = ""
    rows: tuple[PublishedRow, ...] = field(default=())

    def status_of(self, row: PublishedRow, metric: str) -> str:
        """Status of one value."""
        return "sourced" if metric in row.sourced else self.status


def load_published(folder: str | Path) -> list[PublishedTable]:
    """Every table of every *.yaml of a folder, by file name.

    Raises:
        BenchError: a file is not in this form.
    """
    tables = []
    for path in sorted(Path(folder).glob("*.yaml")):
        raw = yaml.safe_load(path.read_text("utf-8"))
        if raw.get("schema") != SCHEMA:
            raise BenchError(f"{path.name}: schema {raw.get('schema')!r} is not {SCHEMA}")
        tables += [_table(table, path) for table in raw["tables"]]
    return tables


def _table(raw: Mapping[str, Any], path: Path) -> PublishedTable:
    try:
        rows = tuple(
            PublishedRow(**{**row, "sourced": tuple(row.get("sourced", ()))}) for row in raw["rows"]
        )
        table = PublishedTable(**{**raw, "rows": rows})
    except (KeyError, TypeError) as error:
        raise BenchError(f"{path.name}: {error}") from None
    if table.status not in STATUSES:
        raise BenchError(f"{path.name}: status {table.status!r} is not one of {STATUSES}")
    return table
