"""`zoo data`: check a copy of a dataset, or write it as shards."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `check` and `shard`."""
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    check = actions.add_parser("check", help="count what is there and say what is missing or odd")
    _add_dataset(check)
    check.add_argument(
        "--media", action="store_true", help="also open every clip, recording and picture"
    )
    shard = actions.add_parser(
        "shard", help="write a dataset as a few large files, to stream from disk or network"
    )
    _add_dataset(shard)
    shard.add_argument("out", type=Path, help="new folder; give it, or its address, as data.root")
    shard.add_argument("--splits", default="train,dev,test", help="default: train,dev,test")
    shard.add_argument("--condition", default="clean", help="of LRS-VoxMM's test split")
    shard.add_argument("--landmarks", type=Path, help="folder with landmarks laid out as the clips")
    shard.add_argument("--crops", type=Path, help="folder with mouth crops laid out as the clips")
    shard.add_argument("--megabytes", type=int, default=64, help="size of a shard (default 64)")
    shard.add_argument("--seed", type=int, default=0, help="of the order of training splits")


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="lrs3, lrs2, lrs-voxmm, mtedx, flickr8k, spokencoco or auto")
    parser.add_argument("root", type=Path, help="folder of the dataset")


def run(args: argparse.Namespace) -> int:
    """Carry out one action."""
    return _check(args) if args.action == "check" else _shard(args)


def _check(args: argparse.Namespace) -> int:
    """Exit status 1 where something is missing."""
    from rich.console import Console

    from zoo.bench.prepare import prepare_dataset, summary_of

    found = prepare_dataset(args.name, args.root, media=args.media)
    Console(highlight=False).print(summary_of(found))
    return 0 if found["complete"] else 1


def _shard(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from zoo.data.shard_write import Extras, write_shards

    with Progress(console=Console(stderr=True)) as bar:
        rows: dict[str, TaskID] = {}

        def told(split: str, done: int, total: int) -> None:
            if split not in rows:
                rows[split] = bar.add_task(f"writing {split}", total=total)
            bar.update(rows[split], completed=done)

        made = write_shards(
            args.name,
            args.root,
            args.out,
            args.splits.split(","),
            condition=args.condition,
            extras=Extras(args.landmarks, args.crops),
            chunk_bytes=args.megabytes << 20,
            seed=args.seed,
            told=told,
        )
    numbers = ", ".join(f"{count:,} in {split}" for split, count in made.splits.items())
    Console().print(f"{made.dataset} is in {args.out}: {numbers}", soft_wrap=True)
    return 0
