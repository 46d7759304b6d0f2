"""`zoo export SOURCE --out DIR`: a checkpoint as it is published, small and with its results."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("source", help="folder, slug.tag or Hub repository")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--dtype", help="storage type, e.g. float16 (default: as it is)")
    parser.add_argument("--tag", help="tag to write into the checkpoint, e.g. tiny-parallel")
    parser.add_argument(
        "--result", type=Path, nargs="*", default=[], help="result.json files for the model card"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what is in --out")


def run(args: argparse.Namespace) -> int:
    """Load, set the tag, save, and write the card."""
    from rich.console import Console

    from zoo.hub.card import Card
    from zoo.hub.load import from_pretrained

    model = from_pretrained(args.source, dtype="auto")
    if args.tag:
        model.provenance["tag"] = args.tag
    card = Card(results=args.result)
    folder = model.save_pretrained(args.out, dtype=args.dtype, card=card, overwrite=args.overwrite)
    Console().print(f"wrote {folder}", soft_wrap=True)
    return 0
