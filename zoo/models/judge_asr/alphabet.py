"""The characters of the recogniser: what is left of a text by the normaliser `lrs`.

The second of two equal letters is a symbol of its own ("MO=N"). CTC could tell them apart only by
a blank between them, for which fast speech has no room.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Final

from zoo.nn.greedy_ctc import Symbol
from zoo.tasks import Word
from zoo.text import get_normalizer

NORMALIZER: Final = "lrs@1"
REPEAT: Final = "="
CHARACTERS: Final = f" '{string.ascii_uppercase}{string.digits}{REPEAT}"
SIZE: Final = len(CHARACTERS) + 1
"""Outputs of the network, the blank included."""
_IDS: Final = {character: number for number, character in enumerate(CHARACTERS, start=1)}


def encode(text: str) -> list[int]:
    """Numbers of the characters of a text, after normalisation."""
    ids = [_IDS[character] for character in get_normalizer(NORMALIZER)(text)]
    same = [k > 0 and ids[k] == ids[k - 1] for k in range(len(ids))]
    # of three equal letters the third is the first of the next pair
    for k in range(1, len(same)):
        same[k] = same[k] and not same[k - 1]
    return [_IDS[REPEAT] if again else one for one, again in zip(ids, same, strict=True)]


def decode(symbols: Sequence[Symbol]) -> str:
    """The text of decoded symbols, words apart by single spaces."""
    text = ""
    for symbol in symbols:
        character = CHARACTERS[symbol.id - 1]
        text += text[-1:] if character == REPEAT else character
    return " ".join(text.split())


def words(symbols: Sequence[Symbol], output_s: float) -> tuple[Word, ...]:
    """Words with their times; an output lasts `output_s` seconds.

    A word's confidence is the mean probability of its characters.
    """
    groups: list[list[Symbol]] = [[]]
    for symbol in symbols:
        if CHARACTERS[symbol.id - 1] == " ":
            groups.append([])
        else:
            groups[-1].append(symbol)
    return tuple(_word(group, output_s) for group in groups if group)


def _word(symbols: Sequence[Symbol], output_s: float) -> Word:
    return Word(
        decode(symbols),
        symbols[0].start * output_s,
        symbols[-1].stop * output_s,
        sum(s.probability for s in symbols) / len(symbols),
    )
