"""safetensors files: which ones a folder has, whether they are whole, and writing them."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from zoo.errors import CheckpointError, IntegrityError
from zoo.hub.paths import safe_join

SINGLE: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
HEADER_LIMIT: Final = 25_000_000
_UNITS: Final = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def weight_files(folder: Path) -> list[Path]:
    """The weights of a folder: one file, or the shards its index lists.

    Raises:
        CheckpointError: there are none, or a shard is missing.
        UnsafeFileError: the index names a file outside the folder.
    """
    index = folder / INDEX
    if not index.is_file():
        if (folder / SINGLE).is_file():
            return [folder / SINGLE]
        raise CheckpointError(f"{folder} has neither {SINGLE} nor {INDEX}: no weights to load")
    shards = [safe_join(folder, name) for name in shard_names(index)]
    for shard in shards:
        if not shard.is_file():
            raise CheckpointError(f"{index} lists {shard.name}, which is not in the folder")
    return shards


def shard_names(index: Path) -> list[str]:
    """File names that an index lists, sorted."""
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{index} is not a safetensors index: {error!r}") from error
    if not all(isinstance(name, str) for name in names):
        raise CheckpointError(f"{index}: the names of the shards are not all strings")
    return sorted(names)


def check_whole(path: Path) -> None:
    """Compare a file's length with what its header promises, before anything maps it.

    Raises:
        IntegrityError: the file is cut short, too long, or its header is damaged or too big.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
        if length > HEADER_LIMIT:
            raise IntegrityError(
                f"{path}: the header claims {length} bytes (limit {HEADER_LIMIT}); "
                "this is not a safetensors file or a hostile one"
            )
        header = file.read(length)
    promised = 8 + length + _body_length(path, header, size)
    if size != promised:
        raise IntegrityError(
            f"{path} has {size} bytes, its header promises {promised}: "
            "the file is truncated or damaged; delete it and fetch it again"
        )


def _body_length(path: Path, header: bytes, size: int) -> int:
    try:
        entries: dict[str, Any] = json.loads(header)
        entries.pop("__metadata__", None)
        return max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise IntegrityError(
            f"{path} ({size} bytes): the safetensors header cannot be read; the file is "
            "truncated or damaged: delete it and fetch it again"
        ) from error


def aliases(module: nn.Module) -> dict[str, str]:
    """Names of tied tensors -> the first name of the same tensor."""
    first: dict[int, str] = {}
    tied: dict[str, str] = {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        if isinstance(tensor, Tensor) and id(tensor) in first:
            tied[name] = first[id(tensor)]
        elif isinstance(tensor, Tensor):
            first[id(tensor)] = name
    return tied


def storable(
    module: nn.Module,
    dtype: torch.dtype | None,
    float32_keys: Iterable[str],
    left_out: Iterable[str] = (),
) -> dict[str, Tensor]:
    """The tensors to write: tied ones once, contiguous, on the CPU, cast to `dtype`.

    Args:
        module: whose state is written.
        dtype: type of the floating tensors; None keeps each as it is.
        float32_keys: regexes of tensors that `dtype` does not touch.
        left_out: regexes of tensors that are not written.

    Raises:
        CheckpointError: a value does not fit into `dtype`.
    """
    tied = aliases(module)
    keep = [re.compile(pattern) for pattern in float32_keys]
    skip = [re.compile(pattern) for pattern in left_out]
    tensors = {}
    for name, tensor in module.state_dict().items():
        if name in tied or any(pattern.search(name) for pattern in skip):
            continue
        kept = dtype is None or any(pattern.search(name) for pattern in keep)
        tensors[name] = _packed(name, tensor, None if kept else dtype)
    return tensors


def _packed(name: str, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    tensor = tensor.detach().to("cpu")
    if dtype is None or not tensor.is_floating_point():
        return tensor.contiguous()
    packed = tensor.to(dtype)
    if not torch.equal(torch.isfinite(packed), torch.isfinite(tensor)):
        raise CheckpointError(
            f"{name} reaches {tensor.abs().max().item():.3g}, which {dtype} cannot hold; "
            "list it in float32_keys or save with another dtype"
        )
    return packed.contiguous()


def write_weights(tensors: Mapping[str, Tensor], folder: Path, max_shard_size: str | int) -> None:
    """Write one safetensors file, or shards of at most `max_shard_size` with their index."""
    shards = _shards(tensors, parse_size(max_shard_size))
    if len(shards) == 1:
        _write(tensors, folder / SINGLE)
        return
    weight_map = {}
    for number, names in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        _write({name: tensors[name] for name in names}, folder / file)
        weight_map.update(dict.fromkeys(names, file))
    total = sum(_bytes(tensor) for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _write(tensors: Mapping[str, Tensor], path: Path) -> None:
    save_file(dict(tensors), path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors makes it private, the files beside it are not


def _shards(tensors: Mapping[str, Tensor], limit: int) -> list[list[str]]:
    shards: list[list[str]] = [[]]
    filled = 0
    for name, tensor in tensors.items():
        if shards[-1] and filled + _bytes(tensor) > limit:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += _bytes(tensor)
    return shards


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def parse_size(size: str | int) -> int:
    """`"5GB"`, `"200MB"`, `"1KB"` or a number of bytes, in bytes (decimal units)."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?B?)\s*", str(size), re.IGNORECASE)
    unit = match.group(2).upper() if match else ""
    unit = "" if unit == "B" else unit if unit.endswith("B") or not unit else unit + "B"
    value = int(float(match.group(1)) * _UNITS[unit]) if match else 0
    if value < 1:
        raise ValueError(f"max_shard_size={size!r}: give something like '5GB' or '200MB'")
    return value
