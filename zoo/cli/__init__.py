"""The `zoo` command: one module a subcommand, imported only when it is called."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import Final

from zoo._version import __version__
from zoo.errors import ZooError

# command -> (module, one-line help); every module has add_arguments(parser) and run(args) -> int
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "list": ("zoo.cli.list", "list the checkpoints of the catalogue"),
    "info": ("zoo.cli.info", "everything known about one checkpoint"),
    "fetch": ("zoo.cli.fetch", "download a checkpoint and all it needs into a folder"),
    "convert": ("zoo.cli.convert", "turn an official checkpoint file into a zoo folder"),
    "export": ("zoo.cli.export", "save a checkpoint again: other storage type, tag, results"),
    "inspect": ("zoo.cli.inspect", "show what a checkpoint file holds without running any of it"),
    "prepare": ("zoo.cli.prepare", "cut the mouth out of videos, as a published pipeline does"),
    "train": ("zoo.cli.train", "train a model (all Trainer flags work)"),
    "retrieve": ("zoo.cli.retrieve", "rank pictures by a spoken query"),
    "transcribe": ("zoo.cli.transcribe", "what is said in a video, or in a folder of them"),
    "animate": ("zoo.cli.animate", "make a face say what a recording says"),
    "synthesize": ("zoo.cli.synthesize", "give a silent clip its speech"),
    "corpus": ("zoo.cli.corpus", "make or look at a tiny corpus"),
    "data": ("zoo.cli.data", "check a copy of a dataset, or write it as shards"),
    "bench": ("zoo.cli.bench", "run, score and compare benchmark tasks"),
    "score": ("zoo.cli.score", "score anybody's wav and mp4 files against originals"),
    "demo": ("zoo.cli.demo", "run the shipped checkpoints and write a page to look at"),
}


def _parser(only: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="zoo", description="A model zoo for audio-visual speech.")
    parser.add_argument("--version", action="version", version=f"zoo {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, (module, text) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text.capitalize() + ".")
        if name == only:
            import_module(module).add_arguments(sub)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; a `ZooError` becomes one line on stderr and exit status 1."""
    argv = sys.argv[1:] if argv is None else argv
    name = argv[0] if argv and argv[0] in COMMANDS else None
    try:
        if name == "train":  # its flags belong to LightningCLI, which parses them itself
            return int(import_module(COMMANDS[name][0]).main(argv[1:]))
        args = _parser(name).parse_args(argv)
        return int(import_module(COMMANDS[args.command][0]).run(args))
    except ZooError as error:
        print(f"zoo: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)
    except KeyboardInterrupt:
        print("zoo: interrupted", file=sys.stderr)
        return 130
