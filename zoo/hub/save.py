"""Writing a model as a zoo folder: config.json, safetensors, side files and the model card."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from zoo._version import __version__
from zoo.errors import CheckpointError
from zoo.hub import hashes
from zoo.hub.fill import parse_dtype
from zoo.hub.paths import PathLike, safe_join
from zoo.hub.weights import storable, write_weights

if TYPE_CHECKING:
    from zoo.hub.module import ZooModule

CONFIG: Final = "config.json"
CARD: Final = "README.md"
_OWN_KEYS: Final = ("zoo_version", "model", "config", "files")


def save(
    model: ZooModule,
    folder: PathLike,
    *,
    dtype: str | torch.dtype | None = None,
    max_shard_size: str | int = "5GB",
    card: Any = None,
    overwrite: bool = False,
) -> Path:
    """Write `model` into `folder`; see `ZooModule.save_pretrained`.

    Everything is written beside the target first and renamed into place, config.json last, so
    that a reader never meets half a checkpoint.
    """
    folder = Path(folder)
    _check_target(folder, overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        _write(model, work, parse_dtype(dtype), max_shard_size)
        _write_card(model, work, card)
        _publish(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for name, digest in json.loads((folder / CONFIG).read_text("utf-8"))["files"].items():
        hashes.remember(folder / name, digest)
    return folder


def _check_target(folder: Path, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder} is a file; save_pretrained wants a folder")
    if (folder / CONFIG).exists() and not overwrite:
        raise CheckpointError(
            f"{folder} holds a checkpoint already; pass overwrite=True or another folder"
        )


def _write(model: ZooModule, work: Path, dtype: Any, max_shard_size: str | int) -> None:
    keep = dtype is None or dtype == "auto"
    tensors = storable(model, None if keep else dtype, model.float32_keys, model.training_only)
    write_weights(tensors, work, max_shard_size)
    for name, content in model.side_files.items():
        path = safe_join(work, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    files = {_relative(path, work): hashes.digest(path) for path in _files(work)}
    (work / CONFIG).write_text(_config_text(model, files), encoding="utf-8")


def _config_text(model: ZooModule, files: dict[str, str]) -> str:
    extra = {key: value for key, value in model.provenance.items() if key not in _OWN_KEYS}
    document = {
        "zoo_version": __version__,
        "model": model.slug,
        **extra,
        "config": model.config.to_dict(),
        "files": files,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _write_card(model: ZooModule, work: Path, card: Any) -> None:
    from zoo.hub.card import write_card

    write_card(work, model, card)


def _publish(work: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    stale = _listed(folder)
    order = sorted(_files(work), key=lambda path: path.name == CONFIG)
    for path in order:
        target = folder / path.relative_to(work)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)
        stale.discard(_relative(target, folder))
    for name in stale:
        (folder / name).unlink(missing_ok=True)


def _listed(folder: Path) -> set[str]:
    """Files of an earlier checkpoint in the same folder: more shards than ours, its results."""
    results = {_relative(path, folder) for path in folder.glob(".eval_results/*.yaml")}
    try:
        names = json.loads((folder / CONFIG).read_text("utf-8"))["files"]
        return results | {name for name in names if safe_join(folder, name).is_file()}
    except (OSError, ValueError, KeyError, TypeError, CheckpointError):
        return results


def _files(work: Path) -> list[Path]:
    return sorted(path for path in work.rglob("*") if path.is_file())


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
