"""A pickle reader that can only make data: it follows the opcodes and calls nothing.

Used for pickles that torch does not read (joblib files such as the k-means models of speech
units, plain `.pkl` files) and to list the names inside any pickle before torch opens it.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO, Final

from zoo.errors import CheckpointError, UnsafeFileError
from zoo.hub.inert import Inert, meaning, modern_name, stand_in
from zoo.hub.numpy_view import read_joblib_array

_CONSTANTS: Final[dict[str, Any]] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: Final[dict[str, Callable[[], Any]]] = {
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": set,
}
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_LITERALS: Final = frozenset(
    [
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
        *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    ]
)
_NOTHING: Final = frozenset(["PROTO", "FRAME"])
_ARRAY_WRAPPER: Final = "joblib.numpy_pickle.NumpyArrayWrapper"


def read_data(file: BinaryIO, where: str) -> tuple[Any, frozenset[str]]:
    """Read one pickle as data.

    Args:
        file: positioned at the pickle; afterwards behind it.
        where: what error messages call it.

    Returns:
        The object, with `Inert` objects for unknown classes, and every name the pickle used.

    Raises:
        UnsafeFileError: it names something that is not on the list, or uses a refused opcode.
        CheckpointError: it is damaged.
    """
    machine = _Machine(file, meaning)
    return _guarded(machine, where), frozenset(machine.names)


def list_names(file: BinaryIO, where: str) -> frozenset[str]:
    """Every name one pickle uses, harmless or not; the file is left behind the pickle."""
    machine = _Machine(file, stand_in, persistent=True)
    _guarded(machine, where)
    return frozenset(machine.names)


def _guarded(machine: _Machine, where: str) -> Any:
    try:
        return machine.run()
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{where}: refused, nothing of it was run: {error}") from None
    except CheckpointError as error:
        raise CheckpointError(f"{where}: {error}") from None
    except (ValueError, IndexError, KeyError, TypeError, EOFError, OverflowError) as error:
        raise CheckpointError(
            f"{where}: not a readable pickle ({error}); the file is damaged or something else"
        ) from error
    except (MemoryError, RecursionError) as error:
        raise UnsafeFileError(f"{where}: refused, it claims absurd sizes") from error


class _Machine:
    """Stack and memo of one pickle; one short method an opcode family."""

    def __init__(
        self, file: BinaryIO, names: Callable[[str], Any], *, persistent: bool = False
    ) -> None:
        self._file = file
        self._meaning = names
        self._persistent = persistent
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self.names: set[str] = set()

    def run(self) -> Any:
        for opcode, arg, _ in pickletools.genops(self._file):
            if opcode.name == "STOP":
                return self._stack.pop()
            self._step(opcode.name, arg)
        raise EOFError("no end")

    def _step(self, name: str, arg: Any) -> None:
        if name in _LITERALS:
            self._stack.append(arg)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self._stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            self._stack.append(tuple(self._take(_TUPLES[name])))
        elif name not in _NOTHING:
            handler = getattr(self, f"_do_{name.lower()}", None)
            if handler is None:
                raise UnsafeFileError(f"it uses the pickle instruction {name}")
            handler(arg)

    def _take(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise IndexError("the stack is empty")
        items = self._stack[-count:]
        del self._stack[-count:]
        return items

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    # containers

    def _do_mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def _do_pop(self, _: Any) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def _do_pop_mark(self, _: Any) -> None:
        self._since_mark()

    def _do_dup(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def _do_tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _do_list(self, _: Any) -> None:
        self._stack.append(self._since_mark())

    def _do_dict(self, _: Any) -> None:
        items = self._since_mark()
        self._stack.append(dict(zip(items[::2], items[1::2], strict=True)))

    def _do_frozenset(self, _: Any) -> None:
        self._stack.append(frozenset(self._since_mark()))

    def _do_append(self, _: Any) -> None:
        self._extend(self._take(1))

    def _do_appends(self, _: Any) -> None:
        self._extend(self._since_mark())

    def _do_additems(self, _: Any) -> None:
        items = self._since_mark()
        if isinstance(self._stack[-1], set):
            self._stack[-1].update(items)
        else:
            self._extend(items)

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, Inert):
            target.items.extend((None, item) for item in items)
        elif isinstance(target, list):
            target.extend(items)
        else:
            raise TypeError(f"items for a {type(target).__name__}")

    def _do_setitem(self, _: Any) -> None:
        self._set_items(self._take(2))

    def _do_setitems(self, _: Any) -> None:
        self._set_items(self._since_mark())

    def _set_items(self, items: list[Any]) -> None:
        pairs = list(zip(items[::2], items[1::2], strict=True))
        target = self._stack[-1]
        if isinstance(target, Inert):
            target.items.extend(pairs)
        elif isinstance(target, dict):
            target.update(pairs)
        else:
            raise TypeError(f"items for a {type(target).__name__}")

    # memo

    def _do_memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _do_put(self, arg: Any) -> None:
        self._memo[int(arg)] = self._stack[-1]

    def _do_get(self, arg: Any) -> None:
        self._stack.append(self._memo[int(arg)])

    _do_binput = _do_long_binput = _do_put
    _do_binget = _do_long_binget = _do_get

    # names and the objects made of them

    def _name(self, module: Any, name: Any) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise UnsafeFileError("it computes the name of a class")
        full = modern_name(module, name)
        self.names.add(full)
        self._stack.append(self._meaning(full))

    def _do_global(self, arg: Any) -> None:
        module, _, name = str(arg).partition(" ")
        self._name(module, name)

    def _do_stack_global(self, _: Any) -> None:
        self._name(*self._take(2))

    def _do_reduce(self, _: Any) -> None:
        maker, args = self._take(2)
        self._stack.append(_made(maker, args, {}))

    _do_newobj = _do_reduce

    def _do_newobj_ex(self, _: Any) -> None:
        self._stack.append(_made(*self._take(3)))

    def _do_build(self, _: Any) -> None:
        (state,) = self._take(1)
        target = self._stack[-1]
        if isinstance(target, Inert):
            target.state = state
            if target.name == _ARRAY_WRAPPER:
                # the array's bytes follow here, between two instructions
                target.state = self._stack[-1] = read_joblib_array(self._file, state)

    def _do_binpersid(self, _: Any) -> None:
        (identity,) = self._take(1)
        if not self._persistent:
            raise UnsafeFileError("it refers to objects outside of the file")
        self._stack.append(stand_in("persistent")(identity))


def _made(maker: Any, args: Any, kwargs: Any) -> Any:
    """The result of a call the file asks for: only stand-ins and containers are ever called."""
    if not isinstance(args, tuple) or not isinstance(kwargs, dict):
        raise TypeError("arguments are not a tuple")
    if isinstance(maker, type) and issubclass(maker, Inert):
        return maker(*args, **kwargs)
    if callable(maker) and not isinstance(maker, Inert) and not kwargs:
        return maker(*args)
    raise UnsafeFileError("it calls something that is not a class")
