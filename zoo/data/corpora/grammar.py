"""Sentences of the talking faces: who does what to which thing, perhaps when, in five languages.

A sentence is a handful of row numbers of the lexicon, so that the same one can be said in every
language. Which verbs never meet which nouns in training is the same for every seed: dev and test
are made of just these pairs.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from zoo.data.corpora.lexicon import (
    ADJECTIVES,
    ADVERBS,
    LANGUAGES,
    NAMES,
    NOUNS,
    VERBS,
    noun_phrase,
)

HELD_OUT_SHARE = 0.25
MAX_CHARACTERS = 28  # about two and a half seconds at the speakers' pace


@dataclass(frozen=True)
class Sentence:
    """Row numbers of the lexicon; None where a part is left out."""

    name: int
    verb: int
    noun: int
    adjective: int | None
    adverb: int | None
    definite: bool
    adverb_first: bool

    def words(self, language: str) -> str:
        """The sentence in lower case, without punctuation."""
        column = LANGUAGES.index(language)
        thing = noun_phrase(language, self.noun, self.adjective, definite=self.definite)
        core = f"{NAMES[self.name].lower()} {VERBS[self.verb][column]} {thing}"
        if self.adverb is None:
            return core
        adverb = ADVERBS[self.adverb][column]
        return f"{adverb} {core}" if self.adverb_first else f"{core} {adverb}"

    def written(self, language: str) -> str:
        """The sentence as a subtitle shows it: names and first word with a capital, full stop."""
        name = NAMES[self.name]
        text = self.words(language).replace(name.lower(), name, 1)
        return f"{text[0].upper()}{text[1:]}."


def is_held_out(verb: int, noun: int) -> bool:
    """Whether training never says this verb of this noun, whatever the seed."""
    pair = f"{VERBS[verb][0]}/{NOUNS[noun][0]}"
    return zlib.crc32(pair.encode()) < HELD_OUT_SHARE * 2**32


def draw_sentence(rng: np.random.Generator, *, held_out: bool, language: str = "en") -> Sentence:
    """Draw a sentence of at most `MAX_CHARACTERS` whose verb and noun are held out, or not."""
    while True:
        parts = rng.random(3)
        sentence = Sentence(
            name=int(rng.integers(len(NAMES))),
            verb=int(rng.integers(len(VERBS))),
            noun=int(rng.integers(len(NOUNS))),
            adjective=int(rng.integers(len(ADJECTIVES))) if parts[0] < 0.4 else None,
            adverb=int(rng.integers(len(ADVERBS))) if parts[1] < 0.4 else None,
            definite=bool(rng.random() < 0.5),
            adverb_first=bool(parts[2] < 0.3),
        )
        short = len(sentence.words(language)) <= MAX_CHARACTERS
        if short and is_held_out(sentence.verb, sentence.noun) == held_out:
            return sentence
