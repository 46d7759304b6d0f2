"""What a checkpoint holds, found out without running or even loading any of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import safe_open
from torch import Tensor

from zoo.errors import CheckpointError
from zoo.hub import archive, hashes
from zoo.hub.inert import CONTAINERS, has_stand_in, is_refused
from zoo.hub.paths import PathLike
from zoo.hub.pickle_safe import names_in, pickle_kind
from zoo.hub.plain import plain
from zoo.hub.raw import RawCheckpoint, is_safetensors
from zoo.hub.weights import check_whole, weight_files

# what torch itself rebuilds tensors with; other torch names are left to torch, which refuses most
_TORCH_OWN: Final = re.compile(
    r"torch\._utils\._rebuild_\w+|torch\._tensor\._rebuild_from_type_v2|torch\.\w*Storage"
    r"|torch\.storage\.(Un|T)ypedStorage|torch\.nn\.parameter\.Parameter|torch\.(Size|device)"
    r"|torch\.(b?float|u?int|complex|bool|q)\w*|torch\.serialization\._get_layout"
)
_SHOWN: Final = 200


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, kw_only=True)
class Description:
    """Everything `zoo inspect` shows; `to_dict` is JSON-able."""

    path: str
    format: str
    bytes: int
    sha256: str | None = None
    tensors: tuple[TensorInfo, ...] = ()
    container: dict[str, str] = field(default_factory=dict)
    """Top-level key -> what lies there, in a few words."""
    place: str = ""
    """Where the state dict lies in the container."""
    prefix: str = ""
    """What stands before every key of it."""
    config: Any = None
    """Hyper-parameters as plain data."""
    side_files: tuple[str, ...] = ()
    """Vocabularies inside the file."""
    names: dict[str, str] = field(default_factory=dict)
    """Class or function named by a pickle -> what is done with it."""
    problem: str | None = None
    """Why the content was not read."""

    @property
    def refused(self) -> list[str]:
        """Names for which the file is refused."""
        return [name for name, verdict in self.names.items() if verdict == "REFUSED"]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy."""
        result: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return result


def describe(path: PathLike) -> Description:
    """Describe a checkpoint file, an archive or a zoo folder.

    Raises:
        CheckpointError: there is no such file, or it is nothing of the kind.
    """
    path = Path(path)
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file")
    if is_safetensors(path):
        return _safetensors(path)
    if archive.is_archive(path):
        members = dict.fromkeys(archive.members(path), "member")
        return _description(path, "archive", container=members)
    with path.open("rb") as file:
        if file.read(6) == b"\x93NUMPY":
            return _raw(path, {})
    return _pickle(path)


def _description(path: Path, format_: str, **more: Any) -> Description:
    return Description(
        path=str(path),
        format=format_,
        bytes=path.stat().st_size,
        sha256=hashes.digest(path),
        **more,
    )


def _safetensors(path: Path) -> Description:
    check_whole(path)
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata() or {})
    container = {f"metadata {key}": _brief(value) for key, value in sorted(metadata.items())}
    return _description(path, "safetensors", tensors=_headers(path), container=container)


def _headers(path: Path) -> tuple[TensorInfo, ...]:
    with safe_open(path, framework="pt") as file:
        slices = {key: file.get_slice(key) for key in sorted(file.keys())}
        return tuple(
            TensorInfo(key, tuple(part.get_shape()), str(part.get_dtype()))
            for key, part in slices.items()
        )


def _folder(folder: Path) -> Description:
    config_path = folder / "config.json"
    if not config_path.is_file():
        raise CheckpointError(f"{folder}: no config.json; it is not a folder of save_pretrained")
    try:
        config = json.loads(config_path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{config_path} is not valid JSON: {error}") from error
    tensors: tuple[TensorInfo, ...] = ()
    for file in weight_files(folder):
        check_whole(file)
        tensors += _headers(file)
    files = {
        path.relative_to(folder).as_posix(): f"{path.stat().st_size} bytes"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return Description(
        path=str(folder),
        format="zoo folder",
        bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        tensors=tuple(sorted(tensors, key=lambda tensor: tensor.name)),
        container=files,
        config=config,
    )


def _pickle(path: Path) -> Description:
    kind = pickle_kind(path)
    names = {name: _verdict(name) for name in sorted(names_in(path))}
    if any(is_refused(name) for name in names):
        return _description(path, kind, names=names, problem="it names what is refused")
    return _raw(path, names)


def _raw(path: Path, names: dict[str, str]) -> Description:
    try:
        raw = RawCheckpoint.open(path)
    except CheckpointError as error:
        return _description(path, "unread", names=names, problem=str(error))
    content = {str(key): _brief(value) for key, value in raw.container.items()}
    more: dict[str, Any] = {"container": content, "config": _shortened(raw.config)}
    try:
        found = raw.found
    except CheckpointError as error:
        return _description(path, raw.format, names=names, problem=str(error), **more)
    return _description(
        path,
        raw.format,
        names=names,
        tensors=tuple(
            TensorInfo(key, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
            for key, tensor in found.tensors.items()
        ),
        place=found.place,
        prefix=found.prefix,
        side_files=tuple(raw.side_files),
        **more,
    )


def _verdict(name: str) -> str:
    if name in CONTAINERS:
        return "container"
    if has_stand_in(name):
        return "inert stand-in"
    if _TORCH_OWN.fullmatch(name):
        return "torch"
    return "REFUSED" if is_refused(name) else "left to torch, which refuses what it does not know"


def _brief(value: Any) -> str:
    """A value in a few words."""
    if isinstance(value, Tensor):
        return f"tensor {tuple(value.shape)}"
    if isinstance(value, Mapping):
        tensors = sum(isinstance(item, Tensor) for item in value.values())
        return f"mapping of {len(value)} ({tensors} tensors)"
    if isinstance(value, list | tuple):
        return f"list of {len(value)}"
    if value is None or isinstance(value, str | int | float | bool):
        return repr(value)[:80]
    return repr(value)[:80]


def _shortened(value: Any) -> Any:
    """Plain data with long lists and arrays cut, for people to read."""
    value = plain(value)
    if isinstance(value, Mapping):
        return {str(key): _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        rest = [f"... {len(value) - _SHOWN} more"] if len(value) > _SHOWN else []
        return [_shortened(item) for item in value[:_SHOWN]] + rest
    if isinstance(value, Tensor | np.ndarray):
        return f"array {tuple(value.shape)}"
    return value if isinstance(value, str | int | float | bool | None) else str(value)[:80]
