"""`zoo inspect`: what a checkpoint holds, without running any of it."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.hub.describe import Description


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `zoo inspect`."""
    parser.add_argument("path", type=Path, metavar="FILE", help="checkpoint file or zoo folder")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--summary", action="store_true", help="count the tensors instead of listing them"
    )


def run(args: argparse.Namespace) -> int:
    """Describe the file; the exit status is 1 where something in it is refused."""
    from rich.console import Console

    from zoo.errors import CheckpointError

    if not args.path.exists():
        raise CheckpointError(f"{args.path}: there is no such file or folder")
    from zoo.hub.describe import describe

    found = describe(args.path)
    console = Console(soft_wrap=True, highlight=False)
    if args.json:
        console.print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False), markup=False)
    else:
        for line in _lines(found, summary=args.summary):
            console.print(line, markup=False)
    return 1 if found.refused else 0


def _lines(found: Description, *, summary: bool) -> list[str]:
    lines = [f"{found.path}: {found.format}, {found.bytes} bytes"]
    if found.sha256:
        lines.append(f"sha256 {found.sha256}")
    lines += _section("contents", [f"{k}: {v}" for k, v in found.container.items()])
    lines += _section("vocabularies", list(found.side_files))
    lines += _section("named classes", [f"{name}: {what}" for name, what in found.names.items()])
    if found.config is not None:
        lines += ["configuration", *_indented(found.config)]
    lines += _tensors(found, summary)
    if found.refused:
        lines.append(f"refused: {', '.join(found.refused)}; the content was not read, nothing ran")
    elif found.problem:
        lines.append(f"not read: {found.problem}")
    return lines


def _section(title: str, entries: list[str]) -> list[str]:
    return [title, *(f"  {entry}" for entry in entries)] if entries else []


def _indented(config: Any) -> list[str]:
    text = json.dumps(config, indent=2, ensure_ascii=False, default=str)
    return [f"  {line}" for line in text.splitlines()]


def _tensors(found: Description, summary: bool) -> list[str]:
    if not found.tensors:
        return []
    numbers = sum(math.prod(tensor.shape) for tensor in found.tensors)
    where = f" under {found.place!r}" if found.place else ""
    prefix = f", {found.prefix!r} taken off every name" if found.prefix else ""
    head = f"{len(found.tensors)} tensors{where}{prefix}, {numbers:,} numbers"
    if summary:
        return [head]
    width = max(len(tensor.name) for tensor in found.tensors)
    return [
        head,
        *(f"  {t.name:<{width}}  {t.dtype:<9} {list(t.shape)}" for t in found.tensors),
    ]
