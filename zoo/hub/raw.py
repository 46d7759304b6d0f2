"""`RawCheckpoint`: an official file as it is, opened without running anything in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from zoo.errors import CheckpointError
from zoo.hub import archive, hashes
from zoo.hub.paths import PathLike, safe_join
from zoo.hub.pickle_safe import read_pickle
from zoo.hub.plain import plain, walk
from zoo.hub.state_dicts import Found, find_state
from zoo.hub.weights import HEADER_LIMIT, check_whole, shard_names

_CONFIG_KEYS: Final = (
    *("cfg", "args", "hyper_parameters", "config", "hparams", "xp.cfg", "model_args", "opt"),
)
_SENTENCEPIECE: Final = "sentencepiece.SentencePieceProcessor"
_DICTIONARY: Final = "fairseq.data.dictionary.Dictionary"
_DISTRIBUTED: Final = ("zero_pp_rank_*", "mp_rank_*", "*/mp_rank_*", "*/zero_pp_rank_*")


@dataclass(frozen=True)
class RawCheckpoint:
    """An official checkpoint file.

    `tensors` is the flat state dict that was found in it and `container` its top level, in which
    unknown objects are inert; `plain` gives those as ordinary Python data. Where the file holds a
    single object that is not a mapping (a fitted k-means, a module), that is `container["object"]`.
    """

    path: Path
    format: str
    """`safetensors`, `torch`, `torch-legacy`, `pickle` (joblib included) or `numpy`."""
    container: Mapping[str, Any]
    stand_ins: tuple[str, ...] = ()
    """Full names of the classes that were stood in for."""
    place: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, path: PathLike, *, place: str | None = None) -> RawCheckpoint:
        """Open a checkpoint file of any official layout.

        Args:
            path: the file, or a folder with a sharded safetensors checkpoint.
            place: dotted key of the state dict, where it is not found by itself.

        Raises:
            UnsafeFileError: the file asks for something that is never done.
            CheckpointError: the file is missing, damaged or of an unsupported kind.
        """
        path = Path(path)
        if path.is_dir():
            return cls(path, "safetensors", _read_shards(path), place=place)
        if not path.is_file():
            raise CheckpointError(f"{path}: there is no such file")
        if is_safetensors(path):
            check_whole(path)
            return cls(path, "safetensors", load_file(path), place=place)
        if _starts_with(path, b"\x93NUMPY"):
            return cls(path, "numpy", {"array": _read_numpy(path)}, place=place)
        _refuse_archive(path)
        read = read_pickle(path)
        content = read.content
        container = content if isinstance(content, Mapping) else {"object": content}
        return cls(path, read.kind, container, read.stand_ins, place=place)

    @cached_property
    def found(self) -> Found:
        """The state dict and where it lay."""
        try:
            return find_state(self.container, self.place)
        except CheckpointError as error:
            raise type(error)(f"{self.path}: {error}") from None

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The flat state dict; prefixes of training wrappers are taken off."""
        return self.found.tensors

    @cached_property
    def sha256(self) -> str:
        """The hash of the file."""
        return hashes.sha256(self.path)

    def plain(self, key: str) -> Any:
        """Plain Python view of a dotted key of the container.

        Raises:
            CheckpointError: there is no such key.
        """
        node: Any = plain({k: v for k, v in self.container.items() if k == key.partition(".")[0]})
        for step in key.split("."):
            if not isinstance(node, Mapping) or step not in node:
                known = ", ".join(map(str, self.container))
                raise CheckpointError(f"{self.path} has no {key!r} (top level: {known})")
            node = node[step]
        return node

    @cached_property
    def config(self) -> dict[str, Any] | None:
        """Hyper-parameters found in the file as plain data, or None."""
        for key in _CONFIG_KEYS:
            if key.partition(".")[0] not in self.container:
                continue
            try:
                value = self.plain(key)
            except CheckpointError:
                continue
            if isinstance(value, dict):
                return value
        return None

    @cached_property
    def side_files(self) -> dict[str, bytes]:
        """Vocabularies that travel inside the file, as files of their own kind.

        `<dotted path>.model` is a sentencepiece model, `<dotted path>.dict.txt` a fairseq
        dictionary (a line a symbol: the symbol and its count; the specials are left out, as
        fairseq does).
        """
        files: dict[str, bytes] = {}
        for path, item in walk(self.container):
            if item.name == _SENTENCEPIECE or item.name.endswith(f".{_SENTENCEPIECE}"):
                # older releases pickle the bare bytes, newer ones a mapping that has them
                proto = plain(item)
                proto = proto.get("model_proto") if isinstance(proto, dict) else proto
                if isinstance(proto, bytes | bytearray):
                    files[f"{_file_name(path)}.model"] = bytes(proto)
            elif item.name == _DICTIONARY and isinstance(item.state, Mapping):
                files[f"{_file_name(path)}.dict.txt"] = _dictionary_text(plain(item))
        return files


def is_safetensors(path: Path) -> bool:
    """Whether a file is in safetensors format, by its name or by its first bytes."""
    if path.suffix == ".safetensors":
        return True
    with path.open("rb") as file:
        start = file.read(9)
    length = int.from_bytes(start[:8], "little")
    return len(start) == 9 and start[8:] == b"{" and length <= HEADER_LIMIT


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _read_numpy(path: Path) -> Tensor:
    try:
        return torch.from_numpy(np.load(path, allow_pickle=False))
    except (ValueError, EOFError, TypeError) as error:
        raise CheckpointError(f"{path}: not a plain numpy array ({error})") from error


def _refuse_archive(path: Path) -> None:
    if not archive.is_archive(path):
        return
    names = ", ".join(archive.members(path)[:20])
    raise CheckpointError(
        f"{path}: an archive, not a checkpoint; it holds {names}. "
        "`zoo convert` unpacks it (choose with --member), or unpack it and give the file"
    )


def _read_shards(folder: Path) -> dict[str, Tensor]:
    if any(any(folder.glob(pattern)) for pattern in _DISTRIBUTED):
        raise CheckpointError(
            f"{folder}: a folder of partitioned training state (DeepSpeed), which is not read; "
            "merge it with the zero_to_fp32.py it comes with and give the resulting file"
        )
    indexes = sorted(folder.glob("*.safetensors.index.json"))
    if len(indexes) != 1:
        raise CheckpointError(
            f"{folder}: a folder, but one checkpoint file is needed (sharded safetensors with one "
            "index are read as well; ColossalAI and DeepSpeed folders are not)"
        )
    tensors: dict[str, Tensor] = {}
    for name in shard_names(indexes[0]):
        shard = safe_join(folder, name)
        if not shard.is_file():
            raise CheckpointError(f"{indexes[0]} lists {name}, which is not in the folder")
        check_whole(shard)
        tensors |= load_file(shard)
    return tensors


def _file_name(path: str) -> str:
    """A side file's name from a dotted path; the pickled names are not trusted as paths."""
    steps = [step for step in path.split(".") if step not in ("task_state", "sp")]
    kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in ".".join(steps)[:80])
    return kept.strip(".") or "vocabulary"


def _dictionary_text(view: Mapping[str, Any]) -> bytes:
    symbols = list(view.get("symbols") or [])
    counts = list(view.get("count") or []) or [1] * len(symbols)
    special = view.get("nspecial")
    start = special if isinstance(special, int) else _leading_specials(symbols)
    pairs = list(zip(symbols, counts, strict=False))[start:]
    return "".join(f"{symbol} {count}\n" for symbol, count in pairs).encode("utf-8")


def _leading_specials(symbols: list[Any]) -> int:
    usual = {"<s>", "<pad>", "</s>", "<unk>"}
    return next((i for i, symbol in enumerate(symbols) if symbol not in usual), len(symbols))
