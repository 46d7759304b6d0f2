"""Filling a model that was built on the meta device from memory-mapped safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from zoo.errors import CheckpointError, IntegrityError
from zoo.hub.weights import aliases, check_whole

DType = torch.dtype | Literal["auto"] | None
_AUTO: Final = "auto"


def parse_dtype(dtype: str | torch.dtype | None) -> DType:
    """`"float16"`, `torch.float16`, `"auto"` or None, as what `read_tensors` takes.

    Raises:
        ValueError: not a floating type.
    """
    if dtype is None or dtype == _AUTO:
        return cast(DType, dtype)
    found = dtype if isinstance(dtype, torch.dtype) else getattr(torch, dtype, None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ValueError(f"dtype={dtype!r}: give a floating type such as 'float16', or 'auto'")
    return found


@dataclass
class Filling:
    """Tensors read so far and the keys that did not fit."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)


def read_tensors(
    model: nn.Module, files: list[Path], *, device: torch.device, dtype: DType
) -> Filling:
    """Read what the model wants out of safetensors files.

    Nothing is copied for a CPU model whose storage type is the wanted one: the tensors are views
    of the mapped file. Others are converted one at a time, so that the peak is one copy.

    Args:
        model: on the meta device; says which names, shapes and types are wanted.
        files: all weight files of the checkpoint.
        device: where the tensors go.
        dtype: floating type; None takes what the model declares, `"auto"` what the file has.
    """
    wanted = model.state_dict()
    found = Filling()
    for path in files:
        _read_file(path, wanted, found, device, dtype)
    tied = aliases(model)
    present = set(found.tensors)
    for name in wanted:
        group = {other for other, first in tied.items() if first == tied.get(name, name)}
        if not present & (group | {tied.get(name, name)}):
            found.missing.append(name)
    clash = {line.partition(":")[0] for line in found.mismatched}
    found.missing = [name for name in found.missing if name not in clash]
    return found


def _read_file(
    path: Path, wanted: Mapping[str, Tensor], found: Filling, device: torch.device, dtype: DType
) -> None:
    check_whole(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            for name in file.keys():  # noqa: SIM118 - not a dict
                target = wanted.get(name)
                if target is None:
                    found.unexpected.append(name)
                    continue
                shape = tuple(file.get_slice(name).get_shape())
                if shape != tuple(target.shape):
                    found.mismatched.append(
                        f"{name}: {shape} in the file, {tuple(target.shape)} in the model"
                    )
                    continue
                tensor = file.get_tensor(name)
                found.tensors[name] = tensor.to(device, _target_dtype(tensor, target, dtype))
    except SafetensorError as error:
        raise IntegrityError(
            f"{path} cannot be read as safetensors ({error}); delete it and fetch it again"
        ) from error


def _target_dtype(stored: Tensor, declared: Tensor, dtype: DType) -> torch.dtype:
    if dtype == "auto" or not stored.is_floating_point():
        return stored.dtype
    return declared.dtype if dtype is None else dtype


def assign(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put tensors into a meta model without copying, and tie again what was tied."""
    tied = aliases(model)
    complete = dict(tensors)
    for name, first in tied.items():
        if first not in complete and name in complete:
            complete[first] = complete[name]
    for name, first in tied.items():
        complete[name] = complete[first]
    model.load_state_dict(complete, strict=False, assign=True)
    for name, first in tied.items():
        _tie(model, name, first)


def _tie(model: nn.Module, name: str, first: str) -> None:
    owner, _, leaf = name.rpartition(".")
    source, _, source_leaf = first.rpartition(".")
    tensor = getattr(model.get_submodule(source), source_leaf)
    setattr(model.get_submodule(owner), leaf, tensor)


def reset_buffers(model: nn.Module, device: torch.device) -> None:
    """Recompute on `device` every buffer that no file holds, then check nothing was forgotten.

    Raises:
        CheckpointError: a tensor is still on the meta device; a defect of the model's code.
    """
    with torch.device(device), torch.no_grad():
        getattr(model, "reset_buffers", lambda: None)()
    left = meta_tensors(model)
    if left:
        raise CheckpointError(
            f"{type(model).__name__}: {len(left)} tensors are neither in the checkpoint nor set "
            f"by reset_buffers(): {', '.join(left[:20])}"
        )


def meta_tensors(model: nn.Module) -> list[str]:
    """Names of parameters, buffers and plain tensor attributes that have no storage."""
    named: list[tuple[str, Any]] = [*model.named_parameters(), *model.named_buffers()]
    for prefix, module in model.named_modules():
        plain = ((k, v) for k, v in vars(module).items() if isinstance(v, Tensor))
        named += [(f"{prefix}.{key}" if prefix else key, value) for key, value in plain]
    return [name for name, tensor in named if tensor.is_meta]
