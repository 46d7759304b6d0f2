"""Inert stand-ins for the classes that official checkpoints name, and which names get one.

A pickle can only *name* things; what the name means is decided here. Containers keep their real
type, known packages get an `Inert` object that remembers what the file said and can do nothing,
and every other name is refused.
"""

from __future__ import annotations

import codecs
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar, Final

from zoo.errors import UnsafeFileError

# Packages whose classes appear in released checkpoints; an entry is a package or one full name.
STAND_INS: Final = (
    *("fairseq", "fairseq2", "fairseq_cli", "examples", "avhubert", "espnet", "espnet2"),
    *("omegaconf", "hydra", "avssl", "enhancing", "av2av", "utut", "encodec", "audiocraft"),
    *("pytorch_lightning", "lightning", "lightning_fabric", "lightning_utilities"),
    *("sentencepiece", "transformers", "tokenizers"),
    *("numpy", "sklearn", "joblib", "scipy"),
    *("argparse.Namespace", "types.SimpleNamespace", "typing", "pathlib", "datetime", "uuid"),
    *("torch.nn.modules", "torch.nn.functional", "torch._C._nn", "torch.optim", "torch.cuda.amp"),
)
# subclasses of dict that a file fills item by item
_DICT_LIKE: Final = (
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "lightning.pytorch.utilities.parsing.AttributeDict",
    "lightning.fabric.utilities.data.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "easydict.EasyDict",
    "addict.addict.Dict",
)


class Inert:
    """What a checkpoint said about an object of a class that is not imported."""

    name: ClassVar[str] = ""
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    state: Any
    items: list[tuple[Any, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        """Keep the arguments, whatever they are."""
        made = object.__new__(cls)
        made.args, made.kwargs, made.state, made.items = args, kwargs, None, []
        return made

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __repr__(self) -> str:
        return f"<{self.name} (inert)>"


@cache
def stand_in(name: str) -> type[Inert]:
    """The inert class for a full name; the same class every time."""
    return type(f"Inert[{name}]", (Inert,), {"name": name})


def _plain_dict(*args: Any) -> dict[Any, Any]:
    """A `defaultdict` without the function that would make its defaults, or a `Counter`."""
    return dict(args[-1]) if args and isinstance(args[-1], dict) else {}


def _bytes(*args: Any) -> bytes:
    if len(args) == 2 and isinstance(args[0], str):  # how protocol 2 writes bytes
        return codecs.latin_1_encode(args[0])[0]
    if len(args) > 1 or not isinstance(args[0] if args else b"", bytes | list | tuple):
        raise UnsafeFileError("bytes made of something that is not bytes")
    return bytes(args[0]) if args else b""


def _bytearray(*args: Any) -> bytearray:
    return bytearray(_bytes(*args))


CONTAINERS: Final[dict[str, Callable[..., Any]]] = {
    **{f"builtins.{t.__name__}": t for t in (dict, list, set, frozenset, tuple)},
    **{f"builtins.{t.__name__}": t for t in (int, float, str, bool, complex, slice)},
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytearray,
    "builtins.object": stand_in("builtins.object"),
    "collections.OrderedDict": OrderedDict,
    "collections.defaultdict": _plain_dict,
    "collections.Counter": _plain_dict,
    "_codecs.encode": _bytes,
    **dict.fromkeys(_DICT_LIKE, OrderedDict),
}


def modern_name(module: str, name: str) -> str:
    """`module.name` with the names that Python 2 used for the standard library translated."""
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return f"{module}.{name}"


def has_stand_in(name: str) -> bool:
    """Whether a full name belongs to the packages of `STAND_INS`."""
    return any(name == entry or name.startswith(f"{entry}.") for entry in STAND_INS)


def is_refused(name: str) -> bool:
    """Whether a name is neither a container, nor torch's own business, nor has a stand-in."""
    return not (name in CONTAINERS or has_stand_in(name) or name.startswith("torch."))


def meaning(name: str) -> Callable[..., Any]:
    """What a name in a pickle stands for.

    Raises:
        UnsafeFileError: the name is not on the list.
    """
    if name in CONTAINERS:
        return CONTAINERS[name]
    if has_stand_in(name):
        return stand_in(name)
    raise UnsafeFileError(f"the file names {name}, which is not on the list of harmless names")
