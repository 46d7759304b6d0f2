"""Reading downloaded pickles without running anything that they contain.

Two readers share one list of harmless names (`zoo.hub.inert`): torch files go through
`torch.load(weights_only=True)` with inert stand-ins for the classes they name, every other pickle
through `zoo.hub.pickle_machine`, which makes data only. The names are listed before either reader
starts, so that a hostile file is refused whole, by name.
"""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import torch

from zoo.errors import CheckpointError, UnsafeFileError
from zoo.hub.inert import CONTAINERS, has_stand_in, is_refused, stand_in
from zoo.hub.paths import PathLike
from zoo.hub.pickle_machine import list_names, read_data

Kind = Literal["torch", "torch-legacy", "pickle"]
# the first pickle of a pre-zip torch file is this number
_LEGACY_START: Final = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
_LEGACY_PICKLES: Final = 5
_BLOCKED: Final = re.compile(r"GLOBAL (\S+)")
_COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7z": "xz", b"\x78": "zlib"}


@dataclass(frozen=True)
class Unpickled:
    """What a pickle holds, and the names of the classes that were stood in for."""

    content: Any
    kind: Kind
    stand_ins: tuple[str, ...]


def read_pickle(path: PathLike) -> Unpickled:
    """Read a torch file (zip or legacy format), a joblib file or a plain pickle.

    Raises:
        UnsafeFileError: it names something that is not on the list of harmless names; nothing
            of it has been run.
        CheckpointError: it is damaged or is not such a file.
    """
    path = Path(path)
    kind = pickle_kind(path)
    names = names_in(path)
    refused = sorted(name for name in names if is_refused(name))
    if refused:
        raise UnsafeFileError(
            f"{path}: refused, it names {', '.join(refused[:20])}, which no checkpoint needs; "
            "nothing of it was run"
        )
    stood_in = tuple(sorted(name for name in names if has_stand_in(name)))
    if kind == "pickle":
        with path.open("rb") as file:
            content, _ = read_data(file, str(path))
    else:
        content = _torch_load(path, names, mapped=kind == "torch")
    return Unpickled(content, kind, stood_in)


def names_in(path: PathLike) -> frozenset[str]:
    """Every class and function a pickle names, found without running any of it."""
    path = Path(path)
    found: frozenset[str] = frozenset()
    for file in _pickles(path, pickle_kind(path)):
        found |= list_names(file, str(path))
    return found


def pickle_kind(path: Path) -> Kind:
    """Which of the three pickle formats a file is in.

    Raises:
        CheckpointError: it is none of them; the message says what it looks like instead.
    """
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"PK"):
        _check_torch_zip(path)
        return "torch"
    if start[2:].startswith(_LEGACY_START):
        return "torch-legacy"
    if start.startswith(b"\x80"):
        return "pickle"
    raise CheckpointError(f"{path}: not a checkpoint{_looks_like(start)}")


def _looks_like(start: bytes) -> str:
    if not start:
        return ": the file is empty; delete it and fetch it again"
    if start.lstrip()[:1] == b"<":
        return ": it is a web page, such as a download page that asks to confirm; fetch it again"
    if start.startswith(b"version https://git-lfs"):
        return ": it is a git-lfs pointer; `git lfs pull` fetches the real file"
    for magic, name in _COMPRESSED.items():
        if start.startswith(magic):
            return f": it is compressed with {name}; decompress it first"
    return f": it starts with {start[:8]!r}; the file is damaged or of another format"


def _check_torch_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise CheckpointError(
            f"{path}: a zip file without its end: the download is truncated; fetch it again"
        ) from error
    if any(name.endswith("/constants.pkl") for name in names):
        raise CheckpointError(
            f"{path}: a TorchScript archive, which is a program and is not run; "
            "the state dict it was made of is needed"
        )
    if not any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        raise CheckpointError(f"{path}: a zip archive, not a torch file ({', '.join(names[:5])})")


def _pickles(path: Path, kind: Kind) -> Iterator[BinaryIO]:
    """The pickles of a file, each positioned at its start."""
    if kind == "torch":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name == "data.pkl" or name.endswith("/data.pkl"):
                    yield io.BytesIO(archive.read(name))
        return
    with path.open("rb") as file:
        for _ in range(_LEGACY_PICKLES if kind == "torch-legacy" else 1):
            yield file


@contextmanager
def _stood_in(names: Iterable[str]) -> Iterator[None]:
    """Within, `weights_only` accepts the given names, each meaning something harmless."""
    known: list[Any] = []
    for name in names:
        if name in CONTAINERS:
            known.append((CONTAINERS[name], name))
        elif has_stand_in(name):
            known.append((stand_in(name), name))
    with torch.serialization.safe_globals(known):
        yield


def _torch_load(path: Path, names: Iterable[str], *, mapped: bool) -> Any:
    try:
        with _stood_in(names), path.open("rb") as file:
            source: Any = str(path) if mapped and path.suffix != ".safetensors" else file
            return torch.load(
                source,
                map_location="cpu",
                weights_only=True,
                mmap=mapped and source is not file,
            )
    except pickle.UnpicklingError as error:
        blocked = _BLOCKED.search(str(error))
        if blocked is None:
            raise CheckpointError(f"{path}: torch cannot read it: {_first_line(error)}") from error
        raise UnsafeFileError(
            f"{path}: refused, it names {blocked[1]}, which no checkpoint needs; "
            "nothing of it was run"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError, TypeError, OSError) as error:
        raise CheckpointError(
            f"{path}: torch cannot read it ({_first_line(error)}); it is truncated or damaged: "
            "delete it and fetch it again"
        ) from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip().replace("\n", " ")
    marker = "WeightsUnpickler error: "
    return text.partition(marker)[2][:200] if marker in text else text[:200]
