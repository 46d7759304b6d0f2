"""What a generated corpus says of itself, and which ones are kept for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zoo.errors import DataError

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
        timbres: how many were drawn for its training people; 0 where they have espeak-ng's.
        sound_only: it has no pictures.
        revoiced: what drew a timbre for each of its training clips; 0 where people have theirs.
    """

    name: str
    seed: int
    sizes: Mapping[str, int]
    languages: tuple[str, ...] = ()
    timbres: int = 0
    sound_only: bool = False
    revoiced: int = 0

    @property
    def is_for_tests(self) -> bool:
        """Whether nothing may be trained on it."""
        return self.seed >= TEST_SEED

    def __str__(self) -> str:
        counts = [f"{count} {split}" for split, count in self.sizes.items()]
        special = [f"{self.timbres} drawn timbres"] if self.timbres else []
        special += ["sound only"] if self.sound_only else []
        special += [f"revoiced {self.revoiced}"] if self.revoiced else []
        return f"{self.name}, seed {self.seed} ({', '.join([*counts, *self.languages, *special])})"


def refuse_test_corpus(root: str | Path, flag: str = "--data") -> None:
    """Stop a training run on a corpus that is kept for tests.

    Raises:
        DataError: it is one; the message names it and the `flag` it was given by.
    """
    about = about_corpus(root)
    if about is not None and about.is_for_tests:
        raise DataError(
            f"{flag} {root}: {about.name} of seed {about.seed} is for tests, as all of seed "
            f"{TEST_SEED} and above; make one of another seed (`zoo corpus make --seed`)"
        )


def about_corpus(root: str | Path) -> CorpusAbout | None:
    """What a folder's corpus says of itself; None of other data."""
    try:
        about = json.loads((Path(root) / ABOUT).read_text(encoding="utf-8"))
        return CorpusAbout(
            name=str(about["name"]),
            seed=int(about["seed"]),
            sizes=dict(about.get("sizes", {})),
            languages=tuple(about.get("languages", ())),
            timbres=int(about.get("timbres", 0)),
            sound_only=bool(about.get("sound_only", False)),
            revoiced=int(about.get("revoiced", 0)),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
