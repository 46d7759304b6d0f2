"""People of the talking-face corpora: a voice and the face that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from zoo.data.corpora.build import SPLITS
from zoo.data.corpora.identity import Identity, draw_identity
from zoo.data.corpora.motion import MOODS
from zoo.data.corpora.speakers import Speaker, draw_speakers
from zoo.data.corpora.timbres import drawn_number, is_high

_FEMALE: Final = frozenset(
    [
        "Alicia",
        "Andrea",
        "Annie",
        "Jacky",
        "anika",
        "belinda",
        "f1",
        "f2",
        "f3",
        "f4",
        "f5",
        "grandma",
        "linda",
        "shelby",
        "steph",
        "steph2",
    ]
)
ACCENTS: Final = {
    "en": ("en-us", "en-us", "en-us", "en", "en-gb-x-rp", "en-us-nyc"),
    "es": ("es", "es-419"),
    "fr": ("fr", "fr-be", "fr-ch"),
    "it": ("it",),
    "pt": ("pt", "pt-br"),
}
# a small and a large vocal tract with their pitches: two people of one timbre differ clearly
_BUILDS: Final = (((0.89, 0.97), (34, 48)), ((1.03, 1.11), (54, 68)))
_RATES: Final = (110, 134)  # slow: about ten letters a second, so that CTC has room


@dataclass(frozen=True)
class Talker:
    """Somebody; `number` is the same for voice and face."""

    number: int
    speaker: Speaker
    face: Identity

    def in_mood(self, mood: str) -> Speaker:
        """The voice in a mood."""
        how, voice = MOODS[mood], self.speaker.voice
        changed = replace(
            voice,
            pitch=int(np.clip(voice.pitch + how.pitch, 8, 92)),
            pitch_range=int(np.clip(voice.pitch_range + how.pitch_range, 5, 95)),
            rate=voice.rate + how.rate,
        )
        return replace(self.speaker, voice=changed)

    def in_timbre(self, name: str) -> Talker:
        """The same person, face, accent, pitch and pace, with another timbre."""
        voice = replace(self.speaker.voice, variant=name)
        return replace(self, speaker=replace(self.speaker, voice=voice))


def draw_talkers(seed: int, language: str = "en", timbres: int = 0) -> dict[str, list[Talker]]:
    """Disjoint people for train, dev and test, two of each timbre.

    As for `draw_speakers`, the seed draws everything but which timbre belongs to which split, and
    `timbres` are drawn for the training people.
    """
    speakers = draw_speakers(seed, SPLITS, timbres)
    return {
        split: [_talker(seed, one, build, language) for one in speakers[split] for build in (0, 1)]
        for split in SPLITS
    }


def _talker(seed: int, speaker: Speaker, build: int, language: str) -> Talker:
    number = 2 * speaker.number + build - 1
    rng = np.random.default_rng([seed, 11, number])
    tract, pitch = _BUILDS[build]
    voice = replace(
        speaker.voice,
        language=_pick(rng, ACCENTS[language]),
        tract=round(float(rng.uniform(*tract)), 3),
        pitch=int(rng.integers(pitch[0], pitch[1] + 1)),
        rate=int(rng.integers(_RATES[0], _RATES[1] + 1)),
    )
    face = draw_identity(rng, bearded=not _is_female(voice.variant))
    return Talker(number, Speaker(number, voice), face)


def _is_female(variant: str | None) -> bool:
    number = drawn_number(variant)
    return variant in _FEMALE if number is None else is_high(number)


def _pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]
