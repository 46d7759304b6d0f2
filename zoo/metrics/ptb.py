"""The tokenizer of the caption metrics, without Java.

pycocoevalcap runs Stanford CoreNLP 3.4.1's PTBTokenizer in lower case and drops a list of marks.
These rules reproduce it on captions; the known difference is an unknown abbreviation before a
comma ("veg.,"), where the jar keeps the full stop.
"""

from __future__ import annotations

import re

_REPLACED = {
    **dict.fromkeys("“”", '"'),
    **dict.fromkeys("‘’", "'"),
    "…": "...",
    "–": " -- ",
    "—": " -- ",
    "¢": " cents ",
}
_TRANSLATION = str.maketrans(_REPLACED)
# the marks pycocoevalcap drops; bracket names are lower case by then and therefore stay
_DROPPED = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
_BRACKETS = dict(zip("()[]{}", ("-lrb-", "-rrb-", "-lsb-", "-rsb-", "-lcb-", "-rcb-"), strict=True))
_QUOTE = "''"  # whatever a double quote becomes, it is dropped

_WHOLE = re.compile(
    r"[a-z]+://\S+|www\.\S+|[^\s@]+@[^\s@]+\.[a-z]+"
    r"|o'clock|ma'am|d'you|o'[a-z]+|'n'"
    r"|(?:mr|mrs|ms|dr|st|vs|etc|ave|jr|sr|inc|co|corp)\."
    r"|(?:[a-z]\.){2,}"
)
_FIXED = {
    "cannot": ["can", "not"],
    "gonna": ["gon", "na"],
    "gotta": ["got", "ta"],
    "wanna": ["wan", "na"],
    "gimme": ["gim", "me"],
    "lemme": ["lem", "me"],
    "'tis": ["'t", "is"],
    "'twas": ["'t", "was"],
    "more'n": ["more", "'n"],
    "y'all": ["y'", "all"],
}
_SUFFIX = re.compile(r"(.+?)(n't|'(?:s|m|d|re|ve|ll))")
_IS_SUFFIX = re.compile(r"'(?:s|m|d|re|ve|ll|t)(?![a-z])")
_LEADING = re.compile(r"``|\.\.\.|--|[\"()\[\]{}$#*&%;:,!?`]")
_TRAILING = re.compile(r"(?:\.\.\.|--|''|[!?]+|[\"()\[\]{}%;:,*.]|(?<=.)[-'])$")
_INSIDE = re.compile(r"--|\.\.\.|[;&*()\[\]{}\"]|(?<!\d)[,:]|[,:](?!\d)")
_SMILE = re.compile(r":[-']?\)|:[-']?\(")


def tokenize(text: str) -> list[str]:
    """Tokens of one caption, as the caption metrics count them."""
    found: list[str] = []
    for chunk in text.lower().translate(_TRANSLATION).split():
        found += _chunk(chunk)
    return [token for token in found if token not in _DROPPED]


def tokenize_line(text: str) -> str:
    """The tokens joined by single blanks."""
    return " ".join(tokenize(text))


def _chunk(chunk: str) -> list[str]:
    """Tokens of a piece between white space."""
    if _SMILE.fullmatch(chunk):
        return [chunk.replace(")", "-rrb-").replace("(", "-lrb-")]
    before: list[str] = []
    after: list[str] = []
    while chunk and not _WHOLE.fullmatch(chunk) and chunk not in _FIXED:
        mark = _leading_mark(chunk)
        if mark:
            before.append(mark)
            chunk = chunk[len(mark) :]
            continue
        found = _TRAILING.search(chunk)
        if found is None:
            break
        after.insert(0, found[0])
        chunk = chunk[: found.start()]
    tokens = [*before, *(_inside(chunk) if chunk else []), *after]
    return [_BRACKETS.get(token, _QUOTE if token == '"' else token) for token in tokens]


def _leading_mark(chunk: str) -> str:
    found = _LEADING.match(chunk)
    if found:
        run = re.match(r"[!?]+", chunk)
        return run[0] if run else found[0]
    if chunk.startswith("'") and not _IS_SUFFIX.match(chunk):
        return "'"
    return ""


def _inside(chunk: str) -> list[str]:
    """Split a piece without outer marks at the marks within, then split contractions off."""
    if _WHOLE.fullmatch(chunk):
        return [chunk]
    found = _INSIDE.search(chunk)
    if found:
        left, right = chunk[: found.start()], chunk[found.end() :]
        tokens = _chunk(left) if left else []
        return [*tokens, found[0], *(_chunk(right) if right else [])]
    return _contractions(chunk)


def _contractions(word: str) -> list[str]:
    if word in _FIXED:
        return _FIXED[word]
    found = _SUFFIX.fullmatch(word)
    if found is None:
        return [word]
    return [*_contractions(found[1]), found[2]]
