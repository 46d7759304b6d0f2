"""`zoo corpus`: make a tiny corpus, list them, or look at one."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `make`, `show` and `list`."""
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    make = actions.add_parser("make", help="write a corpus into a new folder")
    make.add_argument("name", help="e.g. tiny-flickr8k (see `zoo corpus list`)")
    make.add_argument("folder", type=Path)
    make.add_argument("--seed", type=int, default=0, help="draws scenes, sentences and voices")
    make.add_argument(
        "--clips",
        type=_clips,
        default=1000,
        metavar="N|TRAIN,DEV,TEST",
        help="pictures or clips in all (split 6:1:1) or for each split",
    )
    make.add_argument("--workers", type=int, help="worker processes (default: one a core)")
    make.add_argument(
        "--languages",
        type=lambda text: text.split(","),
        help="only these of a corpus in several languages, e.g. es,fr",
    )
    make.add_argument(
        "--timbres",
        type=int,
        metavar="N",
        help="draw N timbres for the training people, in place of the 44 that espeak-ng has",
    )
    make.add_argument(
        "--sound-only",
        action="store_true",
        help="without pictures, which is much faster: for training vocoders and other listeners",
    )
    make.add_argument(
        "--revoiced",
        type=int,
        metavar="K",
        help="the corpus of this seed once more, each training clip in a timbre drawn for it alone: "
        "parallel to the plain corpus by id, for encoders that must not depend on the voice; "
        "another K (from 1) draws other timbres; not with --timbres",
    )
    show = actions.add_parser(
        "show", help="write a picture of pictures with captions, or of talking faces"
    )
    show.add_argument("folder", type=Path)
    show.add_argument("--split", default="train")
    show.add_argument("--count", type=int, default=12, help="how many pictures or clips")
    show.add_argument("--out", type=Path, help="png to write (default: contact_sheet.png)")
    actions.add_parser("list", help="what can be made")


def run(args: argparse.Namespace) -> int:
    """Carry out one action."""
    from rich.console import Console

    console = Console()
    if args.action == "list":
        from zoo.data.corpora import CORPORA

        for name, corpus in CORPORA.items():
            console.print(f"[bold]{name}[/bold]  {corpus.about}")
    elif args.action == "make":
        from zoo.data.corpora import make

        folder = make(
            args.name,
            args.folder,
            seed=args.seed,
            clips=args.clips,
            workers=args.workers,
            languages=args.languages,
            timbres=args.timbres,
            sound_only=args.sound_only,
            revoiced=args.revoiced,
        )
        console.print(f"{args.name} is in {folder}", soft_wrap=True)
    else:
        from zoo.data.corpora.contact_sheet import show

        path = show(args.folder, args.out, split=args.split, count=args.count)
        console.print(f"look at {path}", soft_wrap=True)
    return 0


def _clips(text: str) -> int | dict[str, int]:
    numbers = [int(part) for part in text.split(",")]
    if len(numbers) == 1:
        return numbers[0]
    if len(numbers) != 3:
        raise argparse.ArgumentTypeError("give one number or three: train,dev,test")
    return dict(zip(("train", "dev", "test"), numbers))
