"""Model configurations: frozen dataclass trees with presets and an exact JSON round trip."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from difflib import get_close_matches
from typing import (
    Any,
    ClassVar,
    Literal,
    Self,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from zoo.errors import ConfigError

C = TypeVar("C", bound="ZooConfig")


class ZooConfig:
    """Base of every model's configuration.

    A subclass is a `@dataclass(frozen=True, kw_only=True)` whose fields are numbers, strings,
    booleans, `None`, `Literal`s, tuples, lists, string-keyed dicts, unions of these, or other
    `ZooConfig`s. Presets are class methods named in `PRESETS`::

        @dataclass(frozen=True, kw_only=True)
        class NetConfig(ZooConfig):
            PRESETS: ClassVar[tuple[str, ...]] = ("tiny",)
            hidden_size: int = 512

            @classmethod
            def tiny(cls) -> NetConfig:
                return cls(hidden_size=64)
    """

    PRESETS: ClassVar[tuple[str, ...]] = ()

    def to_dict(self) -> dict[str, Any]:
        """The tree as plain dicts, lists and scalars, ready for `json.dump`."""
        return {name: _plain(getattr(self, name)) for name in _fields(type(self))}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build the tree from what `to_dict` wrote.

        Raises:
            ConfigError: a key is unknown or missing, or a value has the wrong type; the message
                gives the dotted path.
        """
        return _build(cls, data, "")

    @classmethod
    def presets(cls) -> tuple[str, ...]:
        """Names that `preset` accepts."""
        return cls.PRESETS

    @classmethod
    def preset(cls, name: str, overrides: Mapping[str, Any] | None = None) -> Self:
        """A named configuration, with some values (by dotted path) changed.

        Raises:
            ConfigError: there is no such preset or no such path.
        """
        if name not in cls.PRESETS:
            known = ", ".join(cls.PRESETS) or "none"
            raise ConfigError(
                f"{cls.__name__} has no preset {name!r}{_near(name, cls.PRESETS)} (presets: {known})"
            )
        config: Self = getattr(cls, name)()
        return config.replace(**dict(overrides)) if overrides else config

    def replace(self, **changes: Any) -> Self:
        """A copy with values changed; nested ones by dotted path, `replace(**{"a.b": 1})`.

        Raises:
            ConfigError: a path does not exist or a value has the wrong type.
        """
        tree = self.to_dict()
        for path, value in changes.items():
            _set(tree, path, _plain(value), type(self).__name__)
        return self.from_dict(tree)


def _fields(cls: type[Any]) -> dict[str, dataclasses.Field[Any]]:
    if not dataclasses.is_dataclass(cls):
        raise TypeError(f"{cls.__name__} must be a dataclass (frozen=True, kw_only=True)")
    return {field.name: field for field in dataclasses.fields(cls) if field.init}


def _hints(cls: type[Any]) -> dict[str, Any]:
    return get_type_hints(cls)


def _plain(value: Any) -> Any:
    if isinstance(value, ZooConfig):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _set(tree: dict[str, Any], path: str, value: Any, owner: str) -> None:
    node: Any = tree
    *parents, leaf = path.split(".")
    for step in parents:
        node = _child(node, step, path, owner)
    _child(node, leaf, path, owner)
    node[leaf] = value


def _child(node: Any, step: str, path: str, owner: str) -> Any:
    if not isinstance(node, dict) or step not in node:
        choices = list(node) if isinstance(node, dict) else []
        raise ConfigError(f"{owner} has no field {path!r}{_near(step, choices)}")
    return node[step]


def _near(name: str, choices: Any) -> str:
    close = get_close_matches(str(name), list(choices), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _build(cls: type[C], data: Any, path: str) -> C:
    if not isinstance(data, Mapping):
        raise ConfigError(f"{path or cls.__name__}: expected a mapping, got {_show(data)}")
    fields = _fields(cls)
    for key in data:
        if key not in fields:
            raise ConfigError(f"unknown key {_join(path, str(key))!r}{_near(key, fields)}")
    missing = [
        _join(path, name)
        for name, field in fields.items()
        if name not in data
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"missing key {', '.join(map(repr, missing))} (no default)")
    hints = _hints(cls)
    return cls(**{key: _coerce(hints[key], data[key], _join(path, key)) for key in data})


def _coerce(hint: Any, value: Any, path: str) -> Any:
    """`value` as an instance of the annotation `hint`, or a `ConfigError` naming `path`."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin is Literal:
        return _literal(args, value, path)
    if origin in (Union, types.UnionType):
        return _union(args, value, path)
    if origin is tuple:
        return _tuple(args, value, path)
    if origin is list:
        return [_coerce(args[0], item, f"{path}[{i}]") for i, item in _items(value, path)]
    if origin in (dict, Mapping):
        return _dict(args[1], value, path)
    if isinstance(hint, type) and issubclass(hint, ZooConfig):
        return value if isinstance(value, hint) else _build(hint, value, path)
    return _scalar(hint, value, path)


def _literal(choices: tuple[Any, ...], value: Any, path: str) -> Any:
    for choice in choices:
        if value == choice and type(value) is type(choice):
            return choice
    listed = ", ".join(map(repr, choices))
    raise ConfigError(f"{path}: {value!r} is not one of {listed}{_near(value, map(str, choices))}")


def _union(hints: tuple[Any, ...], value: Any, path: str) -> Any:
    if value is None and type(None) in hints:
        return None
    options = [hint for hint in hints if hint is not type(None)]
    errors = []
    for hint in options:
        try:
            return _coerce(hint, value, path)
        except ConfigError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    kinds = ", ".join(_name(hint) for hint in options)
    raise ConfigError(f"{path}: {_show(value)} fits none of {kinds}")


def _items(value: Any, path: str) -> list[tuple[int, Any]]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{path}: expected a list, got {_show(value)}")
    return list(enumerate(value))


def _tuple(args: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    items = _items(value, path)
    if len(args) == 2 and args[1] is Ellipsis:
        args = (args[0],) * len(items)
    if len(items) != len(args):
        raise ConfigError(f"{path}: expected {len(args)} values, got {len(items)}")
    return tuple(_coerce(args[i], item, f"{path}[{i}]") for i, item in items)


def _dict(hint: Any, value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{path}: expected a mapping, got {_show(value)}")
    return {key: _coerce(hint, item, _join(path, key)) for key, item in value.items()}


def _scalar(hint: Any, value: Any, path: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    # a bool is an int to Python, but never what a count or a size means
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{path}: expected {_name(hint)}, got {_show(value)}")
    return value


def _name(hint: Any) -> str:
    return str(getattr(hint, "__name__", hint))


def _show(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
