"""Refusing to score a model on data that it was trained on, as far as its checkpoint tells."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from zoo.data.corpora.about import TEST_SEED, about_corpus
from zoo.errors import BenchError

log = logging.getLogger(__name__)
_CORPUS: Final = re.compile(r"\b(tiny-[a-z0-9-]+), seed (\d+)")


def check_training(model: Any, root: Path) -> None:
    """Look at what a checkpoint says about its training, and at the corpus it is to be scored on.

    Raises:
        BenchError: it was trained on a corpus that is kept for tests.
    """
    provenance: Mapping[str, Any] = getattr(model, "provenance", None) or {}
    trained = corpora_of(provenance.get("training"))
    reserved = sorted(f"{name} (seed {seed})" for name, seed in trained if seed >= TEST_SEED)
    if reserved:
        raise BenchError(
            f"this model was trained on {', '.join(reserved)}: seeds of {TEST_SEED} and above are "
            "kept for tests. Train it on a corpus of another seed"
        )
    about = about_corpus(root)
    if about is not None and (about.name, about.seed) in trained:
        log.warning(
            "%s is the corpus this model was trained on; its test voices and sentences are held "
            "out, but a leaderboard wants a corpus of seed %d or above",
            root.name,
            TEST_SEED,
        )


def corpora_of(training: Any) -> set[tuple[str, int]]:
    """Name and seed of every generated corpus that a checkpoint's training record names."""
    text = json.dumps(training or {}, default=str)
    return {(name, int(seed)) for name, seed in _CORPUS.findall(text)}
