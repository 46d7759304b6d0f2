r"""Key maps as data: how the tensors of an official checkpoint become ours, and back.

A map is an ordered list of `Rule`s. A pattern is a dotted official key in which only what stands
in (parentheses) is a regular expression; a template is one of our keys that refers to those groups
as ``\1``, ``\2``, ... Because the text between groups is literal, the same rule reads both ways:

    KeyMap([
        drop(r"final_proj\..*", "head of pre-training, unused afterwards"),
        Rule(r"encoder.layers.(\d+).fc1.(weight|bias)", r"layers.\1.ffn.up.\2"),
        Rule(r"encoder.pos_conv.0", r"pos_conv", WeightNorm()),
        Rule(("attn.q.weight", "attn.k.weight"), "attn.qk.weight", Cat()),
    ])

The first rule that matches a key takes it. Every source key must be taken, every target is
produced once; anything else is a `ConversionError` that lists the keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor, nn

from zoo.errors import ConversionError

Tensors = tuple[Tensor, ...]
Groups = tuple[str, ...]
_LISTED: Final = 20


class Op:
    """What happens to the tensors of a rule; `Op()` itself copies one tensor to one key."""

    def to_ours(self, tensors: Tensors) -> Tensors:
        """Official tensors, in the order of the rule's patterns -> ours, in template order."""
        return tensors

    def to_official(self, tensors: Tensors) -> Tensors:
        """The inverse of `to_ours`."""
        return tensors


@dataclass(frozen=True)
class Transpose(Op):
    """Swap two axes."""

    dim0: int = 0
    dim1: int = 1

    def to_ours(self, tensors: Tensors) -> Tensors:  # noqa: D102
        return tuple(x.transpose(self.dim0, self.dim1).contiguous() for x in tensors)

    def to_official(self, tensors: Tensors) -> Tensors:  # noqa: D102
        return self.to_ours(tensors)


@dataclass(frozen=True)
class Reshape(Op):
    """The same numbers in another shape; one axis of each shape may be -1."""

    ours: tuple[int, ...]
    official: tuple[int, ...]

    def to_ours(self, tensors: Tensors) -> Tensors:  # noqa: D102
        return tuple(x.reshape(self.ours) for x in tensors)

    def to_official(self, tensors: Tensors) -> Tensors:  # noqa: D102
        return tuple(x.reshape(self.official) for x in tensors)


@dataclass(frozen=True)
class Cat(Op):
    """Join the tensors of several patterns along `dim`; `sizes` where the parts differ."""

    dim: int = 0
    sizes: tuple[int, ...] = ()

    parts: int = field(default=0, kw_only=True)  # filled from the rule: how many patterns it has

    def to_ours(self, tensors: Tensors) -> Tensors:  # noqa: D102
        return (torch.cat(tensors, dim=self.dim),)

    def to_official(self, tensors: Tensors) -> Tensors:  # noqa: D102
        return _cut(tensors[0], self.sizes, self.parts, self.dim)


@dataclass(frozen=True)
class Split(Op):
    """Cut one tensor along `dim` into one part a template; `sizes` where the parts differ."""

    dim: int = 0
    sizes: tuple[int, ...] = ()

    parts: int = field(default=0, kw_only=True)  # filled from the rule: how many templates it has

    def to_ours(self, tensors: Tensors) -> Tensors:  # noqa: D102
        return _cut(tensors[0], self.sizes, self.parts, self.dim)

    def to_official(self, tensors: Tensors) -> Tensors:  # noqa: D102
        return (torch.cat(tensors, dim=self.dim),)


@dataclass(frozen=True)
class WeightNorm(Op):
    """Old weight norm of a module (`weight_g`, `weight_v`) <-> torch's parametrization of it."""


@dataclass(frozen=True)
class Drop(Op):
    """The official tensor has no place in our model; the rule says why."""


@dataclass(frozen=True)
class Alias(Op):
    """A second copy of another official key (the template): checked to be equal, then dropped."""


def _cut(tensor: Tensor, sizes: tuple[int, ...], parts: int, dim: int) -> Tensors:
    length = tensor.shape[dim]
    if not sizes:
        if length % parts:
            raise ConversionError(f"axis {dim} of length {length} cannot be cut into {parts}")
        sizes = (length // parts,) * parts
    if sum(sizes) != length:
        raise ConversionError(f"axis {dim} of length {length} is not the sum of {sizes}")
    return tuple(x.contiguous() for x in torch.split(tensor, list(sizes), dim=dim))


@dataclass(frozen=True)
class Rule:
    """One line of a key map.

    Args:
        pattern: official key with (regex groups); a tuple for `Cat`.
        template: our key with group references; a tuple for `Split`; None for `Drop`; for
            `Alias` the *official* key that the tensor repeats.
        op: what happens to the tensors.
        reason: why a tensor is dropped (required for `Drop`, shown in reports).
    """

    pattern: str | tuple[str, ...]
    template: str | tuple[str, ...] | None
    op: Op = field(default_factory=Op)
    reason: str = ""


def drop(pattern: str, reason: str) -> Rule:
    """A rule that drops every official key matching `pattern` (here a plain regex)."""
    return Rule(pattern, None, Drop(), reason)


@dataclass(frozen=True)
class Converted:
    """Outcome of a conversion: our state dict and what was left out, key -> reason."""

    state: dict[str, Tensor]
    dropped: dict[str, str]


class _Path:
    """A dotted key with numbered groups that can both be matched and be written out."""

    def __init__(self, pieces: Sequence[str | int], groups: Mapping[int, str]) -> None:
        self._pieces = pieces
        seen: set[int] = set()
        source = ""
        for piece in pieces:
            if isinstance(piece, str):
                source += re.escape(piece)
            elif piece in seen:
                source += f"(?P=g{piece})"
            else:
                source += f"(?P<g{piece}>{groups[piece]})"
                seen.add(piece)
        self.numbers = frozenset(seen)
        self._regex = re.compile(source)

    def match(self, key: str) -> Groups | None:
        found = self._regex.fullmatch(key)
        if found is None:
            return None
        return tuple(found[f"g{number}"] for number in sorted(self.numbers))

    def fill(self, groups: Groups) -> str:
        return "".join(p if isinstance(p, str) else groups[p - 1] for p in self._pieces)


def _group_end(pattern: str, start: int) -> int:
    """Index of the parenthesis closing the one at `start`; refuses nested capturing groups."""
    depth, index, in_class = 0, start, False
    while index < len(pattern):
        char = pattern[index]
        if char == "\\":
            index += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char == "(":
            depth += 1
            if depth > 1 and pattern[index + 1 : index + 2] != "?":
                raise ValueError(f"{pattern!r}: write (?:...) inside a group")
        elif char == ")":
            depth -= 1
            if depth == 0:
                return index
        index += 1
    raise ValueError(f"{pattern!r}: unbalanced parenthesis")


def _parse_pattern(pattern: str) -> tuple[list[str | int], dict[int, str]]:
    """Cut an official pattern into literal text and numbered groups."""
    pieces: list[str | int] = []
    groups: dict[int, str] = {}
    index = 0
    while index < len(pattern):
        char = pattern[index]
        if char == "(":
            end = _group_end(pattern, index)
            groups[len(groups) + 1] = pattern[index + 1 : end]
            pieces.append(len(groups))
            index = end + 1
            continue
        if char == "\\" and not pattern[index + 1 : index + 2].isalnum():
            index, char = index + 1, pattern[index + 1 : index + 2]
        elif char in "\\*+?[]{}|^$":
            raise ValueError(f"{pattern!r}: regular expressions go inside parentheses")
        pieces.append(char)
        index += 1
    return pieces, groups


def _parse_template(template: str) -> list[str | int]:
    parts = re.split(r"\\(\d)", template)
    return [int(part) if i % 2 else part for i, part in enumerate(parts) if part]


class _Compiled:
    """A rule with both of its sides ready to match and to write."""

    def __init__(self, patterns: tuple[str, ...], templates: tuple[str, ...], rule: Rule) -> None:
        self.op, self.reason = rule.op, rule.reason
        if isinstance(self.op, Cat):
            self.op = Cat(self.op.dim, self.op.sizes, parts=len(patterns))
        if isinstance(self.op, Split):
            self.op = Split(self.op.dim, self.op.sizes, parts=len(templates))
        parsed = [_parse_pattern(pattern) for pattern in patterns]
        groups = parsed[0][1]
        if any(set(other) != set(groups) for _, other in parsed):
            raise ValueError(f"{patterns}: patterns of one rule need the same groups")
        self.official = tuple(_Path(pieces, own) for pieces, own in parsed)
        self.ours = tuple(_Path(_parse_template(t), groups) for t in templates)
        if any(path.numbers != frozenset(groups) for path in self.ours):
            raise ValueError(f"{templates}: every group of {patterns} must be used, to invert it")

    def official_match(self, key: str) -> tuple[int, Groups] | None:
        return _first_match(self.official, key)

    def our_match(self, key: str) -> tuple[int, Groups] | None:
        return _first_match(self.ours, key)


class _Dropped(_Compiled):
    """A drop rule: its pattern is an ordinary regex, and it has no other side."""

    def __init__(self, rule: Rule) -> None:
        if not rule.reason:
            raise ValueError(f"{rule.pattern!r} is dropped without a reason")
        self.op, self.reason = rule.op, rule.reason
        self.official = self.ours = ()
        self._regexes = [re.compile(pattern) for pattern in _several(rule.pattern)]

    def official_match(self, key: str) -> tuple[int, Groups] | None:
        return (0, ()) if any(regex.fullmatch(key) for regex in self._regexes) else None


def _several(text: str | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


def _first_match(paths: tuple[_Path, ...], key: str) -> tuple[int, Groups] | None:
    for slot, path in enumerate(paths):
        groups = path.match(key)
        if groups is not None:
            return slot, groups
    return None


def _compile(rule: Rule) -> list[_Compiled]:
    if isinstance(rule.op, Drop):
        return [_Dropped(rule)]
    if rule.template is None:
        raise ValueError(f"{rule.pattern!r}: only a Drop rule has no template")
    patterns, templates = _several(rule.pattern), _several(rule.template)
    many = len(patterns) if isinstance(rule.op, Cat) else 1
    if len(patterns) != many or (len(templates) > 1) != isinstance(rule.op, Split):
        raise ValueError(f"{rule.pattern!r}: several patterns need Cat, several templates Split")
    if isinstance(rule.op, WeightNorm):
        return [
            _Compiled((f"{patterns[0]}.weight_{old}",), (f"{templates[0]}.{new}",), rule)
            for old, new in (
                ("g", "parametrizations.weight.original0"),
                ("v", "parametrizations.weight.original1"),
            )
        ]
    return [_Compiled(patterns, templates, rule)]


class KeyMap:
    """An ordered list of rules, applied in either direction.

    Args:
        rules: the map; the first rule matching a key takes it.
        name: what error messages call it (a model's slug).
    """

    def __init__(self, rules: Iterable[Rule], name: str = "key map") -> None:
        self.name = name
        self._rules = [compiled for rule in rules for compiled in _compile(rule)]

    def to_ours(self, state: Mapping[str, Tensor]) -> Converted:
        """Convert an official state dict (meta tensors too).

        Raises:
            ConversionError: a key is matched by no rule, is lacking beside its siblings, is an
                alias that differs from its original, or two keys give the same target.
        """
        jobs: dict[tuple[int, Groups], dict[int, str]] = {}
        dropped: dict[str, str] = {}
        unmatched: list[str] = []
        for key in state:
            found = self._rule_of_official(key)
            if found is None:
                unmatched.append(key)
                continue
            index, slot, groups = found
            rule = self._rules[index]
            if isinstance(rule.op, Drop):
                dropped[key] = rule.reason
            elif isinstance(rule.op, Alias):
                dropped[key] = self._check_alias(key, rule.ours[0].fill(groups), state)
            else:
                jobs.setdefault((index, groups), {})[slot] = key
        self._refuse(unmatched, "official key(s) that no rule of the converter knows")
        return Converted(self._run(jobs, state, official=True), dropped)

    def to_official(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert our state dict back to official keys; aliases reappear, dropped keys do not.

        Raises:
            ConversionError: as in `to_ours`, for our keys.
        """
        jobs: dict[tuple[int, Groups], dict[int, str]] = {}
        unmatched: list[str] = []
        for key in state:
            found = self._rule_of_ours(key)
            if found is None:
                unmatched.append(key)
            else:
                index, slot, groups = found
                jobs.setdefault((index, groups), {})[slot] = key
        self._refuse(unmatched, "key(s) of ours that no rule of the converter produces")
        official = self._run(jobs, state, official=False)
        return official | self._aliases(official)

    def _rule_of_official(self, key: str) -> tuple[int, int, Groups] | None:
        for index, rule in enumerate(self._rules):
            found = rule.official_match(key)
            if found is not None:
                return index, *found
        return None

    def _rule_of_ours(self, key: str) -> tuple[int, int, Groups] | None:
        for index, rule in enumerate(self._rules):
            if isinstance(rule.op, Drop | Alias):
                continue
            found = rule.our_match(key)
            if found is None:
                continue
            # a rule may produce this key only if, read forwards, it would also win the official one
            back = self._rule_of_official(rule.official[0].fill(found[1]))
            if back is not None and back[0] == index:
                return index, *found
        return None

    def _run(
        self,
        jobs: Mapping[tuple[int, Groups], dict[int, str]],
        state: Mapping[str, Tensor],
        *,
        official: bool,
    ) -> dict[str, Tensor]:
        result: dict[str, Tensor] = {}
        twice: list[str] = []
        for (index, groups), slots in jobs.items():
            rule = self._rules[index]
            sources, targets = (rule.official, rule.ours)[:: 1 if official else -1]
            lacking = [path.fill(groups) for s, path in enumerate(sources) if s not in slots]
            self._refuse(lacking, f"key(s) lacking beside {sorted(slots.values())}")
            tensors = tuple(state[slots[s]] for s in range(len(sources)))
            made = self._apply(rule, tensors, tuple(slots.values()), official=official)
            names = [path.fill(groups) for path in targets]
            twice += [name for name in names if name in result]
            result.update(zip(names, made, strict=True))
        self._refuse(twice, "key(s) produced twice")
        return result

    def _apply(
        self, rule: _Compiled, tensors: Tensors, keys: tuple[str, ...], *, official: bool
    ) -> Tensors:
        try:
            return rule.op.to_ours(tensors) if official else rule.op.to_official(tensors)
        except (RuntimeError, ConversionError) as error:
            shapes = [tuple(tensor.shape) for tensor in tensors]
            raise ConversionError(f"{self.name}: {keys} of shapes {shapes}: {error}") from error

    def _check_alias(self, key: str, original: str, state: Mapping[str, Tensor]) -> str:
        if original not in state:
            raise ConversionError(f"{self.name}: {key} repeats {original}, which is not there")
        one, two = state[key], state[original]
        same = one.shape == two.shape and (one.is_meta or two.is_meta or torch.equal(one, two))
        if not same:
            raise ConversionError(f"{self.name}: {key} should equal {original} but differs from it")
        return f"equal to {original}"

    def _aliases(self, official: Mapping[str, Tensor]) -> dict[str, Tensor]:
        extra: dict[str, Tensor] = {}
        for rule in (rule for rule in self._rules if isinstance(rule.op, Alias)):
            for key, tensor in official.items():
                groups = rule.ours[0].match(key)
                if groups is not None:
                    extra[rule.official[0].fill(groups)] = tensor
        return extra

    def _refuse(self, keys: Sequence[str], what: str) -> None:
        if keys:
            raise ConversionError(f"{self.name}: {len(keys)} {what}: {_listed(keys)}")


def _listed(keys: Iterable[str]) -> str:
    names = list(keys)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


@dataclass(frozen=True)
class Bijection:
    """How a converter's output compares with the state dict of a module."""

    mapped: int
    dropped: dict[str, str]
    missing: list[str]
    unexpected: list[str]
    mismatched: list[str]

    @property
    def ok(self) -> bool:
        """Every target filled exactly once with the right shape."""
        return not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        lines = [f"{self.mapped} keys mapped, {len(self.dropped)} dropped"]
        for name in ("missing", "unexpected", "mismatched"):
            keys: list[str] = getattr(self, name)
            if keys:
                lines.append(f"{len(keys)} {name}: {_listed(keys)}")
        return "\n".join(lines)


def check_bijection(
    official_keys: Iterable[tuple[str, Sequence[int]]],
    keymap: KeyMap | Callable[[Mapping[str, Tensor]], Converted],
    target: nn.Module,
) -> Bijection:
    """Map a list of official (key, shape) pairs onto a module without any weights.

    Args:
        official_keys: every key of the official state dict with its shape.
        keymap: the map, or a function state -> `Converted` (an `official.to_ours`).
        target: our module; on the meta device it costs no memory.
    """
    convert = keymap.to_ours if isinstance(keymap, KeyMap) else keymap
    state = {key: torch.empty(tuple(shape), device="meta") for key, shape in official_keys}
    return compare(convert(state), target)


def compare(converted: Converted, target: nn.Module) -> Bijection:
    """Compare converted tensors with the state dict of the module they are meant for.

    A tied tensor of the module is filled when one of its names is.
    """
    ours, wanted = converted.state, target.state_dict()
    tied = target.state_dict(keep_vars=True)
    filled = {id(tied[key]) for key in ours if key in tied}
    return Bijection(
        mapped=len(ours),
        dropped=converted.dropped,
        missing=[key for key in wanted if key not in ours and id(tied[key]) not in filled],
        unexpected=[key for key in ours if key not in wanted],
        mismatched=[
            f"{key} {tuple(ours[key].shape)} (expected {tuple(wanted[key].shape)})"
            for key in ours
            if key in wanted and ours[key].shape != wanted[key].shape
        ],
    )
