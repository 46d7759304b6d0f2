"""`zoo list [PATTERN]`: the checkpoints of the catalogue, as a table or as JSON."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from zoo.hub.entry import STATUSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from zoo.hub.entry import Entry

_COLOURS: Final = {
    "supported": "green",
    "unverified": "cyan",
    "planned": "yellow",
    "unavailable": "red",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `zoo list` takes."""
    parser.add_argument(
        "pattern",
        nargs="?",
        help="part of a name, or a pattern such as 'avhubert.large-*'; default: all",
    )
    parser.add_argument("--status", action="append", choices=STATUSES, help="may be repeated")
    parser.add_argument("--json", action="store_true", help="the whole entries, as a JSON list")


def run(args: argparse.Namespace) -> int:
    """Print the chosen entries; status 1 when there is none."""
    import json

    entries = _chosen(args.pattern, args.status)
    if args.json:
        print(json.dumps([entry.to_dict() for entry in entries], indent=2, ensure_ascii=False))
        return 0
    from rich.console import Console

    console = Console()
    if not entries:
        console.print("no checkpoint matches; `zoo list` without a pattern shows all")
        return 1
    console.print(_table(entries))
    console.print(_footer(entries))
    return 0


def _chosen(pattern: str | None, statuses: Sequence[str] | None) -> list[Entry]:
    from zoo.hub.catalogue import list_checkpoints

    if pattern is not None and not set(pattern) & set("*?["):
        pattern = f"*{pattern}*"
    entries = list_checkpoints(pattern=pattern)
    return [entry for entry in entries if not statuses or entry.status in statuses]


def _table(entries: Sequence[Entry]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    width = max(len(entry.name) for entry in entries)  # a cut name could not be copied
    table.add_column("name", no_wrap=True, min_width=width)
    table.add_column("status", no_wrap=True, min_width=len("unavailable"))
    table.add_column("what it is", no_wrap=True, overflow="ellipsis", ratio=1)
    for entry in entries:
        status = Text(entry.status, style=_COLOURS[entry.status])
        table.add_row(entry.name, status, Text(entry.summary))
    return table


def _footer(entries: Sequence[Entry]) -> str:
    from collections import Counter

    counts = Counter(entry.status for entry in entries)
    parts = [f"{counts[status]} {status}" for status in STATUSES if counts[status]]
    return f"{len(entries)} checkpoints: {', '.join(parts)}. `zoo info NAME` tells all about one."
