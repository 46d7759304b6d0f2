"""What a generated corpus says of itself, and which ones are kept for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ABOUT: Final = "zoo_corpus.json"
TEST_SEED: Final = 20260
"""Generated corpora of this seed and above are for tests; none is ever trained on."""


@dataclass(frozen=True)
class CorpusAbout:
    """Which corpus lies in a folder.

    Attributes:
        name: a key of `CORPORA`.
        seed: what it was drawn with.
        sizes: split -> pictures or clips.
        languages: those it was restricted to; empty where it was not.
    """

    name: str
    seed: int
    sizes: Mapping[str, int]
    languages: tuple[str, ...] = ()

    @property
    def is_for_tests(self) -> bool:
        """Whether nothing may be trained on it."""
        return self.seed >= TEST_SEED

    def __str__(self) -> str:
        counts = [f"{count} {split}" for split, count in self.sizes.items()]
        return f"{self.name}, seed {self.seed} ({', '.join([*counts, *self.languages])})"


def about_corpus(root: str | Path) -> CorpusAbout | None:
    """What a folder's corpus says of itself; None of other data."""
    try:
        about = json.loads((Path(root) / ABOUT).read_text(encoding="utf-8"))
        return CorpusAbout(
            name=str(about["name"]),
            seed=int(about["seed"]),
            sizes=dict(about.get("sizes", {})),
            languages=tuple(about.get("languages", ())),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
