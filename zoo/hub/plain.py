"""Plain Python views of what stood-in objects said: dicts, lists, numbers and strings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
from torch import Tensor

from zoo.errors import CheckpointError, UnsafeFileError
from zoo.hub.inert import Inert
from zoo.hub.numpy_view import as_array, as_buffer_array, as_dtype, as_scalar

_SCALARS: Final = (str, int, float, complex, bool, bytes, bytearray, type(None), Tensor, np.ndarray)
_CYCLE: Final = "<refers to itself>"


def plain(value: Any) -> Any:
    """A view without stand-ins; tensors and numpy arrays are kept as they are.

    OmegaConf nodes become their content, Namespaces and other objects their attributes, numpy
    scalars numbers, a class its full name.
    """
    try:
        return _plain(value, frozenset())
    except RecursionError as error:
        raise UnsafeFileError("refused: it is nested thousands of levels deep") from error
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise CheckpointError(f"an object is not what its class says ({error})") from error


def _plain(value: Any, above: frozenset[int]) -> Any:
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, type):
        return value.name if issubclass(value, Inert) else value.__qualname__
    if id(value) in above:
        return _CYCLE
    above = above | {id(value)}
    if isinstance(value, Inert):
        return _object(value, above)
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, above) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [_plain(item, above) for item in value]
    return str(value)


def _key(key: Any) -> Any:
    return key if isinstance(key, str | int | float | bool) else str(_plain(key, frozenset()))


def _object(value: Inert, above: frozenset[int]) -> Any:
    for suffix, view in _VIEWS.items():
        if value.name.endswith(suffix):
            return _plain(view(value), above)
    if isinstance(value.state, Mapping):
        return _plain(value.state, above)
    if value.state is not None:
        return _plain(value.state, above)
    if value.items:
        return _plain([item if key is None else (key, item) for key, item in value.items], above)
    args = [_plain(item, above) for item in value.args]
    return args[0] if len(args) == 1 else (args or value.name)


def _content(value: Inert) -> Any:
    return value.state.get("_content") if isinstance(value.state, Mapping) else None


def _node(value: Inert) -> Any:
    return value.state.get("_val") if isinstance(value.state, Mapping) else None


_VIEWS: Final[dict[str, Callable[[Inert], Any]]] = {
    "omegaconf.dictconfig.DictConfig": _content,
    "omegaconf.listconfig.ListConfig": _content,
    **{
        f"omegaconf.nodes.{kind}Node": _node
        for kind in ("Any", "Integer", "Float", "String", "Boolean", "Enum", "Bytes", "Path")
    },
    "multiarray.scalar": as_scalar,
    "multiarray._reconstruct": as_array,
    "numpy._core.numeric._frombuffer": as_buffer_array,
    "numpy.core.numeric._frombuffer": as_buffer_array,
    "numpy.dtype": lambda value: str(as_dtype(value)),
}


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Inert]]:
    """Every stood-in object inside containers and attributes, with its dotted path."""
    seen: set[int] = set()
    waiting = [(path, value)]
    while waiting:
        where, item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Inert):
            yield where, item
            item = item.state
        if isinstance(item, Mapping):
            children = [(str(key), child) for key, child in item.items()]
        elif isinstance(item, list | tuple) and len(item) < 1000:
            children = [(str(index), child) for index, child in enumerate(item)]
        else:
            continue
        waiting += [(f"{where}.{key}".strip("."), child) for key, child in reversed(children)]
