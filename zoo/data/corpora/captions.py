"""Paraphrases of a scene from a closed grammar: each tells some of what is to be seen."""

from __future__ import annotations

import numpy as np

from zoo.data.corpora.scenes import Item, Scene, relation

CAPTIONS_PER_SCENE = 5
MAX_WORDS = 12

NOUNS: dict[str, tuple[str, ...]] = {  # an object's names; the first is the usual one
    "boat": ("boat", "ship"),
    "box": ("box", "package"),
    "cat": ("cat", "kitten"),
    "cup": ("cup", "mug"),
    "dog": ("dog", "puppy"),
    "house": ("house", "cottage"),
    "plane": ("plane", "airplane"),
    "truck": ("truck", "lorry"),
}
SIZES: dict[str, tuple[str, ...]] = {
    "small": ("small", "little", "tiny"),
    "medium": ("",),
    "big": ("big", "large", "huge"),
}
SETTINGS: dict[str, tuple[str, ...]] = {
    "beach": ("on the beach", "on the sand", "by the sea", "near the ocean"),
    "field": ("in a field", "on the grass", "in a meadow"),
    "snow": ("in the snow", "in winter", "on a snowy day"),
    "night": ("at night", "under the moon", "in the dark"),
    "desert": ("in the desert", "among the dunes", "under the hot sun"),
    "street": ("on the street", "in the city", "in front of buildings"),
    "room": ("in a room", "on a wooden floor", "indoors by the window"),
    "mountains": ("in the mountains", "near snowy peaks", "in front of the hills"),
    "water": ("under water", "deep in the lake", "among bubbles"),
}
RELATIONS: dict[str, tuple[str, ...]] = {
    "left": ("left of", "to the left of", "on the left of"),
    "right": ("right of", "to the right of", "on the right of"),
    "above": ("above", "over", "high above"),
    "below": ("below", "under", "beneath"),
}
CLOSENESS = ("next to", "beside", "close to", "with")
OPENINGS = (
    "there is",
    "this is",
    "we see",
    "a picture of",
    "a photo showing",
    "look at",
    "here is",
)
POSITIONS = {
    "left": ("on the left side",),
    "right": ("on the right side",),
    "above": ("at the top",),
    "below": ("at the bottom",),
}
_SMALL_WORDS = "a an the of to on in at by is are there this here we it its with and or alone"
FUNCTION_WORDS = frozenset(_SMALL_WORDS.split())


def draw_captions(
    scene: Scene, rng: np.random.Generator, taken: frozenset[str] | set[str] = frozenset()
) -> list[str]:
    """Five different captions of a scene, none of them in `taken`, without capital or full stop."""
    found: dict[str, None] = {}
    while len(found) < CAPTIONS_PER_SCENE:
        caption = _caption(scene, rng)
        if len(caption.split()) <= MAX_WORDS and caption not in taken:
            found.setdefault(caption)
    return list(found)


def _caption(scene: Scene, rng: np.random.Generator) -> str:
    order = [scene.items[int(k)] for k in rng.permutation(len(scene.items))]
    if len(order) == 3 and rng.random() < 0.5:
        order = order[:2]  # people leave things out
    core = (_one, _two, _three)[len(order) - 1](order, rng)
    # a single object says little about a picture, so its place is nearly always told
    if rng.random() < (0.9 if len(order) == 1 else 0.6):
        place = _pick(rng, SETTINGS[scene.setting])
        if rng.random() < 0.2:
            return f"{place} there is {core}"
        core = f"{core} {place}"
    return f"{_pick(rng, OPENINGS)} {core}" if rng.random() < 0.35 else core


def _one(items: list[Item], rng: np.random.Generator) -> str:
    phrase = _phrase(items[0], rng)
    where = _corner(items[0])
    if where and rng.random() < 0.4:
        return f"{phrase} {_pick(rng, POSITIONS[where])}"
    return f"{phrase} standing alone" if rng.random() < 0.1 else phrase


def _two(items: list[Item], rng: np.random.Generator) -> str:
    a, b = items
    first, second = _phrase(a, rng), _phrase(b, rng)
    kind = rng.random()
    if kind < 0.5:
        return f"{first} {_pick(rng, RELATIONS[relation(a, b)])} {second}"
    if kind < 0.75:
        return f"{first} and {second}"
    return f"{first} {_pick(rng, CLOSENESS)} {second}"


def _three(items: list[Item], rng: np.random.Generator) -> str:
    ordered = sorted(items, key=lambda item: item.x)
    in_a_row = max(i.y for i in items) - min(i.y for i in items) < 0.15
    if in_a_row and rng.random() < 0.6:
        left, middle, right = (_phrase(item, rng, sized=False) for item in ordered)
        return f"{middle} between {left} and {right}"
    a, b, c = (_phrase(item, rng, sized=False) for item in items)
    return f"{a} {b} and {c}"


def _corner(item: Item) -> str | None:
    if abs(item.x - 0.5) > 0.15:
        return "left" if item.x < 0.5 else "right"
    if abs(item.y - 0.5) > 0.14:
        return "above" if item.y < 0.5 else "below"
    return None


def _phrase(item: Item, rng: np.random.Generator, *, sized: bool = True) -> str:
    """A noun phrase: article, perhaps the size, nearly always the colour, the noun."""
    names = NOUNS.get(item.noun, (item.noun,))
    noun = names[0] if rng.random() < 0.75 else _pick(rng, names)
    size = _pick(rng, SIZES[item.size]) if sized and rng.random() < 0.35 else ""
    color = item.color if rng.random() < 0.92 else ""
    words = [word for word in (size, color, noun) if word]
    return " ".join(["an" if words[0][0] in "aeiou" else "a", *words])


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def vocabulary() -> set[str]:
    """Every content word the grammar can say."""
    from zoo.data.corpora.scenes import COLORS
    from zoo.data.corpora.shapes import SHAPES

    tables = (NOUNS, SIZES, SETTINGS, RELATIONS, POSITIONS)
    phrases = [phrase for table in tables for options in table.values() for phrase in options]
    phrases += [*SHAPES, *COLORS, *CLOSENESS, *OPENINGS, "between", "standing"]
    return {word for phrase in phrases for word in phrase.split()} - FUNCTION_WORDS
