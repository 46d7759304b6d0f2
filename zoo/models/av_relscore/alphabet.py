"""The 41 characters of the model (sheet section 2) and the words that they spell."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from zoo.tasks import Word
from zoo.text import get_normalizer

NORMALIZER: Final = "lrs"
SPACE: Final = "<space>"
SYMBOLS: Final = (
    "<blank>",
    "<unk>",
    "'",
    *string.digits,
    SPACE,
    *string.ascii_uppercase,
    "<eos>",
)
BLANK, UNKNOWN, END = 0, 1, len(SYMBOLS) - 1
IGNORED: Final = -1
"""Padding of target tokens."""
_IDS: Final = {" " if symbol == SPACE else symbol: i for i, symbol in enumerate(SYMBOLS)}


def encode(text: str) -> Tensor:
    """Ids (L,) int64 of a text, in capitals and without punctuation."""
    characters = get_normalizer(NORMALIZER)(text)
    return torch.tensor([_IDS.get(character, UNKNOWN) for character in characters]).long()


def decode(tokens: Sequence[int]) -> str:
    """Text of ids; blanks and ends are left out, words are apart by single spaces."""
    spelt = (_spelling(token) for token in tokens if token not in (BLANK, END))
    return " ".join("".join(spelt).split())


def _spelling(token: int) -> str:
    return " " if SYMBOLS[token] == SPACE else SYMBOLS[token]


def words(
    tokens: Sequence[int], confidences: Sequence[float], spans: Sequence[tuple[float, float]]
) -> tuple[Word, ...]:
    """Words of a text.

    Args:
        tokens: ids.
        confidences: probability of each; a word has the geometric mean of its characters'.
        spans: start and end of each in seconds.
    """
    groups: list[list[int]] = [[]]
    for place, token in enumerate(tokens):
        if SYMBOLS[token] == SPACE:
            groups.append([])
        elif token not in (BLANK, END):
            groups[-1].append(place)
    return tuple(
        Word(
            text=decode([tokens[place] for place in group]),
            start_s=spans[group[0]][0],
            end_s=spans[group[-1]][1],
            confidence=_geometric_mean([confidences[place] for place in group]),
        )
        for group in groups
        if group
    )


def _geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(math.log(max(value, 1e-10)) for value in values) / len(values))
