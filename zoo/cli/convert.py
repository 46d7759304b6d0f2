"""`zoo convert`: an official checkpoint becomes a zoo folder, or the other way round."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `zoo convert`."""
    parser.add_argument(
        "source",
        metavar="SRC",
        help="official checkpoint (or an archive with it); with --to-official, what "
        "from_pretrained takes",
    )
    parser.add_argument("--model", metavar="SLUG[.TAG]", help="the model the checkpoint is of")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder (or official file) to write"
    )
    parser.add_argument("--preset", help="configuration, where the file does not say it")
    parser.add_argument("--config", type=Path, help="json or yaml with the official configuration")
    parser.add_argument(
        "--state", metavar="KEY", help="dotted key of the state dict in the file, if not found"
    )
    parser.add_argument("--member", help="which file of an archive")
    parser.add_argument(
        "--to-official", action="store_true", help="write the official state dict of a zoo model"
    )
    parser.add_argument(
        "--check", action="store_true", help="convert back and demand the same bits"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")


def run(args: argparse.Namespace) -> int:
    """Convert in the direction asked for and say what was done."""
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    lines = _back(args) if args.to_official else _forth(args)
    for line in lines:
        console.print(line, markup=False)
    return 0


def _forth(args: argparse.Namespace) -> list[str]:
    _check_names(args)
    from zoo.hub.convert import convert

    done = convert(
        args.source,
        args.model,
        args.out,
        preset=args.preset,
        config_file=args.config,
        place=args.state,
        member=args.member,
        check=args.check,
        overwrite=args.overwrite,
    )
    lines = [
        f"{done.folder}: {done.mapped} tensors, {len(done.dropped)} left out, "
        f"configuration from {done.config_from}",
        *_reasons(done.dropped),
    ]
    if done.ignored:
        lines.append(f"  not tensors, ignored: {', '.join(done.ignored[:20])}")
    if args.check:
        lines.append(f"checked: {done.checked} official tensors come back bit for bit")
    return lines


def _check_names(args: argparse.Namespace) -> None:
    """What can be wrong at a glance, before torch and the model are imported."""
    from zoo.errors import CheckpointError, SourceError

    if not args.model:
        raise SourceError("say which model the checkpoint is of: --model SLUG.TAG (see `zoo list`)")
    if not Path(args.source).exists():
        raise CheckpointError(f"{args.source}: there is no such file")


def _back(args: argparse.Namespace) -> list[str]:
    from zoo.errors import CheckpointError

    if args.out.exists() and not args.overwrite:
        raise CheckpointError(f"{args.out} exists already; pass --overwrite or another name")
    from zoo.hub.convert import to_official

    state = to_official(args.source, args.out, check=args.check)
    checked = ", and back again they are the same bits" if args.check else ""
    return [f"{args.out}: {len(state)} tensors under their official names{checked}"]


def _reasons(dropped: dict[str, str]) -> list[str]:
    """One line a reason, with how many tensors it took and an example."""
    by_reason: dict[str, list[str]] = {}
    for key, reason in dropped.items():
        by_reason.setdefault(
            "a copy of another tensor" if reason.startswith("equal to ") else reason, []
        ).append(key)
    return [
        f"  {len(keys)} left out: {reason} ({keys[0]}{', ...' if len(keys) > 1 else ''})"
        for reason, keys in by_reason.items()
    ]
