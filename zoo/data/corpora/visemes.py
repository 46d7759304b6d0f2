"""What the lips show of a phoneme: twelve classes, each with one shape of the mouth.

Phonemes of one class get the very same shape, so p, b and m (or t, d, n, s, z, l; or k and g) can
be told apart by ear only. The classes follow the usual lip-reading groupings (Fisher 1968;
Cappelletta and Harte 2012), merged until twelve are left.
"""

from __future__ import annotations

import unicodedata
from dataclasses import astuple, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_STRESS: Final = "ˈˌːˑ-|?;'"
# the first class whose string holds the (bare) sound wins
_CLASSES: Final = {
    "P": "pbmβ",
    "F": "fvɱ",
    "T": "tdnszlθðɲɾrʎɬcɟ",
    "S": "ʃʒ",
    "K": "kgɡŋhxɣʔʁqçχɦ",
    "W": "wɹʍɥɻɚ",
    "I": "iɪjɨᵻʝ",
    "E": "eɛəɜɐ",
    "A": "aɑʌæ",
    "O": "oɔɒœøɤ",
    "U": "uʊy",
}
SILENCE: Final = "-"
VISEMES: Final = (SILENCE, *_CLASSES)


@dataclass(frozen=True)
class Shape:
    """Targets of a mouth, from 0 to 1 (`width` from -1, pursed, to 1, spread).

    Attributes:
        jaw: how far the chin is down.
        open: gap between the lips.
        width: distance of the corners.
        round: lips pushed forward.
        tuck: lower lip under the upper teeth.
        tongue: tip of the tongue up behind the teeth.
        force: how firmly the shape holds against its neighbours.
    """

    jaw: float
    open: float
    width: float
    round: float
    tuck: float
    tongue: float
    force: float


SHAPES: Final[dict[str, Shape]] = {
    "-": Shape(0.05, 0.04, 0.0, 0.0, 0.0, 0.1, 0.7),
    "P": Shape(0.08, -0.25, 0.0, 0.05, 0.0, 0.1, 5.0),
    "F": Shape(0.12, 0.10, 0.1, 0.0, 1.0, 0.1, 3.0),
    "T": Shape(0.20, 0.22, 0.25, 0.0, 0.0, 0.8, 0.7),
    "S": Shape(0.16, 0.26, -0.3, 0.6, 0.0, 0.5, 1.4),
    "K": Shape(0.32, 0.34, 0.1, 0.0, 0.0, 0.1, 0.4),
    "W": Shape(0.15, 0.14, -0.75, 0.9, 0.0, 0.1, 1.6),
    "I": Shape(0.22, 0.26, 0.9, 0.0, 0.0, 0.4, 1.2),
    "E": Shape(0.50, 0.52, 0.5, 0.0, 0.0, 0.3, 1.1),
    "A": Shape(0.95, 0.95, 0.15, 0.0, 0.0, 0.1, 1.4),
    "O": Shape(0.60, 0.62, -0.5, 0.6, 0.0, 0.1, 1.3),
    "U": Shape(0.22, 0.22, -0.85, 1.0, 0.0, 0.1, 1.4),
}
TARGETS: Final[NDArray[np.float64]] = np.array([astuple(SHAPES[name]) for name in VISEMES])


def visemes(label: str) -> tuple[str, ...]:
    """The classes a phoneme of espeak-ng (IPA) runs through; diphthongs have two.

    Marks that no lip shows (stress, length, nasal vowels) and unknown signs are passed over; what
    has no known sign at all is `SILENCE`.
    """
    found: list[str] = []
    for sign in unicodedata.normalize("NFD", label):
        if sign in _STRESS or unicodedata.combining(sign):
            continue
        name = next((name for name, signs in _CLASSES.items() if sign in signs), None)
        if name is not None and name not in found[-1:]:
            found.append(name)
    if found == ["T", "S"]:  # the affricate of "church" looks like the "sh" it ends in
        return ("S",)
    return tuple(found) or (SILENCE,)
