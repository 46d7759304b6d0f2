"""Text normalisers for scoring, each under a name with a version.

A word error rate means nothing without the rule that made both texts alike, so results carry the
full name (`lrs@1`). A rule never changes under its name; a correction gets the next version.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from zoo.errors import ConfigError

Rule = Callable[[str], str]

_CURLY = str.maketrans(dict.fromkeys("‘’‛ʼ´`", "'"))
_GAPS = re.compile(r"[-‐‑‒–—―−_/\s]+")
_OUTSIDE_LRS = re.compile(r"[^A-Z0-9' ]")
# the Chinese marks that the Seed-TTS evaluation (and with it F5-TTS, AlignDiT) deletes
_CHINESE = (
    "＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､\u3000、〃〈〉《》「」『』【】〔〕〖〗"
    "〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏﹑﹔·！？｡。"
)
_DELETED = str.maketrans("", "", string.punctuation + _CHINESE)


@dataclass(frozen=True)
class Normalizer:
    """A rule with its name; call it with a text."""

    name: str
    """Name and version as results state it, e.g. `lrs@1`."""
    summary: str
    """What the rule does, in one line."""
    make: Callable[[], Rule]
    """Builds the rule (some read a word list)."""

    def __call__(self, text: str) -> str:
        """The normalised text."""
        return _built(self)(text)


@cache
def _built(normalizer: Normalizer) -> Rule:
    return normalizer.make()


def _none(text: str) -> str:
    return " ".join(text.split())


def _lrs(text: str) -> str:
    text = text.translate(_CURLY).upper()
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = re.sub(r"(?<=\d),(?=\d)", "", text)
    text = re.sub(r"(?<=\d)\.(?=\d)", " POINT ", text)
    text = _GAPS.sub(" ", text.replace("%", " PERCENT "))
    return " ".join(_OUTSIDE_LRS.sub("", text).split())


def _lrs_lower(text: str) -> str:
    return _lrs(text).lower()


def _strip_punct(text: str) -> str:
    return text.translate(_DELETED).replace("  ", " ").lower()


def _letters(text: str) -> str:
    text = unicodedata.normalize("NFC", text).translate(_CURLY).lower()
    kept = (sign if sign == "'" or unicodedata.category(sign)[0] in "LMN" else " " for sign in text)
    words = (word.strip("'") for word in "".join(kept).split())
    return " ".join(word for word in words if word)


def _whisper_basic() -> Rule:
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer

    return BasicTextNormalizer()


def _whisper_english() -> Rule:
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    from zoo.text.spelling import british_to_american

    rule: Rule = EnglishTextNormalizer(british_to_american())  # type: ignore[no-untyped-call]
    return rule


_ALL = (
    Normalizer("none@1", "white space collapsed, nothing else", lambda: _none),
    Normalizer("lrs@1", "LRS2/LRS3 convention: A-Z, 0-9, apostrophes, single spaces", lambda: _lrs),
    Normalizer("lrs_lower@1", "as lrs@1, in lower case", lambda: _lrs_lower),
    Normalizer("strip_punct@1", "punctuation deleted, lower case (Seed-TTS)", lambda: _strip_punct),
    Normalizer(
        "letters@1", "lower case, letters of any language, inner apostrophes", lambda: _letters
    ),
    Normalizer("whisper_basic@1", "Whisper's rule for any language", _whisper_basic),
    Normalizer("whisper_en@1", "Whisper's rule for English", _whisper_english),
)
NORMALIZERS: dict[str, Normalizer] = {normalizer.name: normalizer for normalizer in _ALL}


def get_normalizer(name: str) -> Normalizer:
    """Find a normaliser by `name@version`; without a version it is the newest.

    Raises:
        ConfigError: no such name or version; the message lists the nearest.
    """
    if name in NORMALIZERS:
        return NORMALIZERS[name]
    versions = [known for known in NORMALIZERS if known.partition("@")[0] == name]
    if versions:
        return NORMALIZERS[max(versions, key=lambda known: int(known.partition("@")[2]))]
    near = get_close_matches(name, NORMALIZERS, n=3, cutoff=0.4) or list(NORMALIZERS)
    raise ConfigError(f"unknown text normaliser {name!r}; did you mean {', '.join(near)}?")


def straighten_quotes(text: str) -> str:
    """Curly single quotes, backtick and acute as `'`.

    Apply it to both texts before Whisper's rules, which turn a curly apostrophe into a space
    ("can t"); `lrs` does it by itself.
    """
    return text.translate(_CURLY)
