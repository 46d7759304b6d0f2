"""`zoo train SLUG`: see `zoo.training.command`."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing here: `main` parses the words itself, since most belong to LightningCLI."""


def main(argv: list[str]) -> int:
    """Train; the folder written is logged at the end."""
    import logging

    from zoo.training.command import main as train

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder = train(argv)
    logging.getLogger(__name__).info("wrote %s; load it with zoo.from_pretrained", folder)
    return 0
