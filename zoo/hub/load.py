"""`zoo.from_pretrained`: from a source to a model with its weights, in evaluation mode."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import torch

from zoo._version import __version__
from zoo.errors import CheckpointError, ConfigError
from zoo.hub import hashes
from zoo.hub.download import Resolved, resolve
from zoo.hub.fill import DType, Filling, assign, parse_dtype, read_tensors, reset_buffers
from zoo.hub.module import ZooModule
from zoo.hub.paths import PathLike, safe_join
from zoo.hub.report import LoadReport
from zoo.hub.save import CARD, CONFIG
from zoo.hub.weights import INDEX, weight_files
from zoo.models import MODEL_CLASSES

_LOG: Final = logging.getLogger(__name__)
_PROVENANCE: Final = ("tag", "training", "converter", "preprocess")
M = TypeVar("M", bound=ZooModule)


def from_pretrained(
    source: PathLike,
    *,
    revision: str | None = None,
    cache_dir: PathLike | None = None,
    local_files_only: bool | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    strict: bool = True,
    token: str | bool | None = None,
) -> ZooModule:
    """Load a pretrained model, ready for inference.

    Args:
        source: a catalogue name `slug.tag` (see `zoo list`), a Hub repository `org/repo[@revision]`
            or `hf://org/repo[@revision]` written by `save_pretrained`, or a folder.
        revision: branch, tag or commit of a Hub repository; a full commit that is cached needs no
            network.
        cache_dir: instead of the Hub's cache and `$HF_HOME/zoo`.
        local_files_only: True opens no socket; None follows `HF_HUB_OFFLINE`.
        device: where the weights go; the CPU by default.
        dtype: floating type of the weights; None gives what the model declares (float32, also
            when the file holds float16), `"auto"` keeps the storage type.
        strict: False loads what fits, leaves the rest at its initial value and logs the report.
        token: for private and gated repositories; by default the one of `hf auth login`.

    Returns:
        The model of the class its config.json names, in `eval()` mode; `model.load_report` says
        what was loaded.

    Raises:
        SourceError: the source is not understood; nearest names are listed.
        CheckpointError: the checkpoint cannot be had, is damaged, or does not fit its model.
    """
    return load_as(
        ZooModule,
        source,
        revision=revision,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
        device=device,
        dtype=dtype,
        strict=strict,
        token=token,
    )


def load_as(
    cls: type[M],
    source: PathLike,
    *,
    revision: str | None = None,
    cache_dir: PathLike | None = None,
    local_files_only: bool | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    strict: bool = True,
    token: str | bool | None = None,
) -> M:
    """`from_pretrained` for a caller who knows the class; `ZooModule` stands for any."""
    wanted = parse_dtype(dtype)
    resolved = resolve(
        source,
        revision=revision,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
        token=token,
    )
    return load_folder(
        cls, resolved, device=device, dtype=wanted, strict=strict, cache_dir=cache_dir
    )


def load_folder(
    cls: type[M],
    resolved: Resolved,
    *,
    device: str | torch.device | None = None,
    dtype: DType = None,
    strict: bool = True,
    cache_dir: PathLike | None = None,
) -> M:
    """Build the model of a zoo folder on the meta device and fill it by memory map."""
    raw = read_config(resolved.folder)
    cls = _class_for(cls, raw, resolved)
    config = _config_for(cls, raw, resolved)
    files = weight_files(resolved.folder)
    digest = _verify(resolved, raw, files, cache_dir)
    with torch.device("meta"):
        model = cls(config)
    target = torch.device(device or "cpu")
    filling = read_tensors(model, files, device=target, dtype=dtype)
    report = _report(resolved, raw, filling, digest)
    _judge(report, strict)
    if filling.missing or filling.mismatched:
        _add_initial(cls, config, filling, target, dtype)
    _finish(model, resolved, raw, filling, target, dtype)
    model.load_report = report
    return model


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a zoo folder.

    Raises:
        CheckpointError: it is absent, not JSON, or not written by `save_pretrained`.
    """
    path = folder / CONFIG
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{folder} has no {CONFIG}: it is not a folder written by save_pretrained"
        ) from None
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("config"), dict) or "model" not in raw:
        raise CheckpointError(
            f"{path} lacks 'model' and 'config': it was not written by save_pretrained; an "
            "official checkpoint goes through `zoo convert` first"
        )
    return raw


def model_class(slug: str) -> type[ZooModule]:
    """The class registered for a slug; only names of `zoo.models.MODEL_CLASSES` are imported.

    Raises:
        CheckpointError: no such model.
    """
    if slug not in MODEL_CLASSES:
        known = ", ".join(sorted(MODEL_CLASSES))
        raise CheckpointError(f"no model is called {slug!r} in zoo {__version__} (known: {known})")
    module, name = MODEL_CLASSES[slug]
    return cast(type[ZooModule], getattr(import_module(module), name))


def _class_for(cls: type[M], raw: Mapping[str, Any], resolved: Resolved) -> type[M]:
    slug = raw["model"]
    if getattr(cls, "slug", None) == slug:
        return cls
    try:
        found = model_class(str(slug))
    except CheckpointError as error:
        raise CheckpointError(f"{resolved.name}: {error}{_upgrade(raw)}") from None
    if not issubclass(found, cls):
        raise CheckpointError(
            f"{resolved.name} holds a {found.__name__}, not a {cls.__name__}; load it with "
            f"zoo.from_pretrained or {found.__name__}.from_pretrained"
        )
    return found


def _config_for(cls: type[ZooModule], raw: Mapping[str, Any], resolved: Resolved) -> Any:
    try:
        return cls.Config.from_dict(raw["config"])
    except ConfigError as error:
        where = resolved.folder / CONFIG
        raise CheckpointError(
            f"{resolved.name}: {where} does not fit {cls.__name__}: {error}{_upgrade(raw)}"
        ) from error


def _upgrade(raw: Mapping[str, Any]) -> str:
    written = str(raw.get("zoo_version", ""))
    if _release(written) <= _release(__version__):
        return ""
    return (
        f"; it was written by zoo {written}, which is newer than this one ({__version__}): "
        "pip install -U avspeech-zoo"
    )


def _release(version: str) -> tuple[int, ...]:
    numbers = []
    for part in version.split(".")[:3]:
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _verify(
    resolved: Resolved, raw: Mapping[str, Any], weights: list[Path], cache_dir: PathLike | None
) -> str:
    """Check every listed file; the hash of the weights."""
    listed = dict(raw.get("files") or {})
    for name, expected in listed.items():
        path = safe_join(resolved.folder, name)
        if not path.is_file():
            raise CheckpointError(f"{resolved.name}: {path} is listed in {CONFIG} but missing")
        hashes.verify(path, expected, what=resolved.name, cache_dir=cache_dir)
    found = [hashes.sha256(path, cache_dir=cache_dir) for path in weights]
    if len(found) == 1:
        return found[0]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def _report(
    resolved: Resolved, raw: Mapping[str, Any], filling: Filling, digest: str
) -> LoadReport:
    converter = raw.get("converter") or None
    return LoadReport(
        source=resolved.name,
        folder=str(resolved.folder),
        loaded=tuple(filling.tensors),
        missing=tuple(filling.missing),
        unexpected=tuple(filling.unexpected),
        mismatched=tuple(filling.mismatched),
        dropped=dict((converter or {}).get("dropped") or {}),
        converted_from=converter,
        sha256=digest,
        commit=resolved.commit,
    )


def _judge(report: LoadReport, strict: bool) -> None:
    if report.clean:
        return
    if strict:
        raise CheckpointError(
            f"the checkpoint does not fit its model\n{report.describe()}\n"
            "  strict=False loads what fits and leaves the rest at its initial value"
        )
    _LOG.warning("%s", report.describe())


def _add_initial(
    cls: type[ZooModule], config: Any, filling: Filling, device: torch.device, dtype: DType
) -> None:
    """Initial values, from an ordinary build, for what a partial checkpoint does not have."""
    initial = cls(config).state_dict()
    mismatched = [line.partition(":")[0] for line in filling.mismatched]
    for name in [*filling.missing, *mismatched]:
        tensor = initial[name]
        floating = tensor.is_floating_point() and isinstance(dtype, torch.dtype)
        filling.tensors[name] = tensor.to(device, dtype if floating else tensor.dtype)


def _finish(
    model: ZooModule,
    resolved: Resolved,
    raw: Mapping[str, Any],
    filling: Filling,
    device: torch.device,
    dtype: DType,
) -> None:
    assign(model, filling.tensors)
    model.side_files = _side_files(resolved.folder, raw)
    model.provenance = {key: raw[key] for key in _PROVENANCE if key in raw}
    reset_buffers(model, device)
    if isinstance(dtype, torch.dtype):
        model.to(dtype)
    model.to(device)
    model.eval()


def _side_files(folder: Path, raw: Mapping[str, Any]) -> dict[str, bytes]:
    names = [
        name
        for name in raw.get("files") or {}
        if not name.endswith(".safetensors") and name not in (INDEX, CARD)
    ]
    return {name: safe_join(folder, name).read_bytes() for name in names}
