"""`zoo info NAME`: everything the catalogue knows about one checkpoint."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from zoo.hub.entry import Entry, RemoteFile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `zoo info` takes."""
    parser.add_argument("name", help="a name of `zoo list`, such as speechclip.tiny-parallel")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print one entry."""
    import json

    from zoo.hub.catalogue import find

    entry = find(args.name)
    if args.json:
        print(json.dumps(entry.to_dict(), indent=2, ensure_ascii=False))
        return 0
    from rich.console import Console

    console = Console(highlight=False)
    console.print(_facts(entry))
    if entry.results:
        console.print(_results(entry))
    return 0


def _facts(entry: Entry) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in _lines(entry):
        table.add_row(label, Text(text))
    return table


def _lines(entry: Entry) -> Iterator[tuple[str, str]]:
    from zoo.hub.entry import STATUS_MEANING

    paper = entry.paper
    yield "name", entry.name
    yield "what", entry.summary
    yield "status", f"{entry.status}: {STATUS_MEANING[entry.status]}"
    if entry.reason:
        yield "why", entry.reason
    yield "load", entry.how_to_load()
    yield "paper", ", ".join(filter(None, [paper.title, paper.venue]))
    if paper.arxiv:
        yield "arXiv", f"https://arxiv.org/abs/{paper.arxiv}"
    yield "official code", paper.code or "none"
    yield "model", entry.model + (f", preset {entry.config.preset}" if entry.config.preset else "")
    yield from (("where", place) for place in entry.source.where())
    yield from (("file", _file(file)) for file in entry.source.files)
    yield "format", f"{entry.source.format or 'not known'} ({entry.source.kind})"
    if entry.converter:
        yield "converter", f"{entry.converter.name} {_version(entry.converter.version)}"
    yield from (("requires", name) for name in entry.requires)
    yield "licence", f"code {_stated(entry.license.code)}, weights {_stated(entry.license.weights)}"
    if entry.license.note:
        yield "", entry.license.note
    if entry.preprocess:
        yield "input", ", ".join(f"{key} {value}" for key, value in entry.preprocess.items())
    if entry.parity.get("golden"):
        yield "parity", f"golden vectors '{entry.parity['golden']}', {entry.parity['status']}"
    if entry.notes:
        yield "notes", entry.notes


def _file(file: RemoteFile) -> str:
    size = f"{file.bytes:,} bytes" if file.bytes else "size not published"
    return f"{file.path} ({file.role}, {size}, sha256 {file.sha256 or 'not published'})"


def _version(number: int | None) -> str:
    return f"version {number}" if number else "(not written yet)"


def _stated(licence: str | None) -> str:
    return licence or "not stated"


def _results(entry: Entry) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title="published figures", title_justify="left")
    for name in ("task", "metric"):
        table.add_column(name, no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("source")
    for result in entry.results:
        doubt = "" if result.verified else " [unverified]"
        note = f" ({result.note})" if result.note else ""
        source = Text(f"{result.source}{note}{doubt}")
        table.add_row(result.task, result.metric, f"{result.value:g}", source)
    return table
