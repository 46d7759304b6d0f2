"""`zoo fetch NAME --to DIR`: a checkpoint and all it needs, for a machine without network."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `zoo fetch` takes."""
    parser.add_argument("name", help="a checkpoint of `zoo list`, or org/repo[@revision]")
    parser.add_argument(
        "--to", required=True, metavar="DIR", help="folder to write; later set ZOO_MODELS=DIR"
    )
    parser.add_argument("--revision", help="branch, tag or commit of a Hub repository")
    parser.add_argument("--cache-dir", help="instead of the Hub's cache and $HF_HOME/zoo")


def run(args: argparse.Namespace) -> int:
    """Fetch, and say what lies where."""
    from pathlib import Path

    from rich.console import Console

    from zoo.hub.hubrepo import Access
    from zoo.hub.mirror import mirror
    from zoo.hub.official import LOCK_FILE

    folder = Path(args.to).expanduser()
    access = Access.of(args.cache_dir)
    paths = mirror(args.name, folder, revision=args.revision, access=access)
    console = Console(soft_wrap=True, highlight=False)
    for path in paths:
        console.print(f"{path.stat().st_size / 1e6:10.1f} MB  {path}")
    console.print(f"hashes: {folder / LOCK_FILE}\nuse them with: ZOO_MODELS={folder.resolve()}")
    return 0
