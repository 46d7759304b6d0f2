"""From an official checkpoint to a zoo folder, and back: the pipeline around `official.py`.

    file -> RawCheckpoint -> config_from_official / preset -> to_ours -> meta model -> save_pretrained

The converter of a model is the module `official` beside its class: `config_from_official(raw)`,
`to_ours(state, config)`, `to_official(state, config)`, `VERSION`; optionally `CONTAINER` (the key
under which the official code expects the state dict) and `side_files(raw)`. Nothing that depends
on time, place or order enters the output: the same bytes in give the same bytes out.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from zoo.errors import ConfigError, ConversionError, SourceError
from zoo.hub import archive
from zoo.hub.config import ZooConfig
from zoo.hub.entry import Entry
from zoo.hub.fill import assign
from zoo.hub.keymap import Converted, compare
from zoo.hub.load import from_pretrained, model_class
from zoo.hub.module import ZooModule
from zoo.hub.paths import PathLike
from zoo.hub.raw import RawCheckpoint
from zoo.models import MODEL_CLASSES

_VOCABULARY_ROLES: Final = ("tokenizer", "dictionary", "vocabulary", "codebook", "speaker")


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What a conversion did."""

    folder: Path
    model: str
    version: int
    mapped: int
    dropped: dict[str, str]
    config_from: str
    checked: int = 0
    """Official tensors that came back bit for bit, where the conversion was checked."""
    ignored: tuple[str, ...] = field(default=())
    """Entries of the state dict that are not tensors."""


def convert(
    source: PathLike,
    model: str,
    out: PathLike,
    *,
    preset: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    config_file: PathLike | None = None,
    place: str | None = None,
    member: str | None = None,
    side_files: Mapping[str, bytes] | None = None,
    check: bool = False,
    overwrite: bool = False,
) -> Conversion:
    """Write a zoo folder from an official checkpoint.

    Args:
        source: the official file, or an archive that holds it.
        model: `slug` or `slug.tag`.
        out: the folder to write.
        preset: configuration to use instead of what the file says.
        overrides: values (by dotted path) changed in it.
        config_file: json or yaml with the official hyper-parameters, where they lie beside.
        place: dotted key of the state dict, where it is not found by itself.
        member: which file of an archive.
        side_files: vocabularies to save besides those found in the file.
        check: load the folder again and demand every official tensor back, bit for bit.
        overwrite: replace a checkpoint that is there.

    Raises:
        UnsafeFileError: the file asks for something that is never done.
        ConversionError: its tensors do not match the converter or the model.
        CheckpointError: the file cannot be read, or the folder is taken.
        ConfigError: there is no configuration for it.
    """
    slug, _, tag = model.partition(".")
    official = official_module(slug)
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        path = _unpacked(Path(source), Path(folder), member)
        raw = RawCheckpoint.open(path, place=place)
        config, origin = _config(raw, slug, official, preset, config_file)
        config = config.replace(**dict(overrides)) if overrides else config
        converted: Converted = official.to_ours(raw.tensors, config)
        network = _filled(slug, config, converted, raw)
        network.side_files = {**_side_files(official, raw), **(side_files or {})}
        network.provenance = _provenance(slug, tag, official, raw, converted)
        network.save_pretrained(out, overwrite=overwrite)
        checked = _check_folder(Path(out), official, raw, converted) if check else 0
    return Conversion(
        folder=Path(out),
        model=slug,
        version=official.VERSION,
        mapped=len(converted.state),
        dropped=converted.dropped,
        config_from=origin,
        checked=checked,
        ignored=raw.found.ignored,
    )


def convert_entry(entry: Entry, files: Sequence[Path], folder: PathLike) -> Conversion:
    """Convert the downloaded files of a catalogue entry; `files` is in the catalogue's order.

    Raises:
        ConversionError: the entry has not exactly one file of weights, and see `convert`.
    """
    by_role = list(zip((file.role for file in entry.source.files), files, strict=True))
    weights = [path for role, path in by_role if role == "weights"]
    configs = [path for role, path in by_role if role == "config"]
    if len(weights) != 1:
        raise ConversionError(f"{entry.name}: {len(weights)} files of weights, expected one")
    return convert(
        weights[0],
        f"{entry.model}.{entry.tag}",
        folder,
        preset=entry.config.preset,
        overrides=entry.config.overrides,
        config_file=configs[0] if configs else None,
        side_files={p.name: p.read_bytes() for role, p in by_role if role in _VOCABULARY_ROLES},
        overwrite=True,
    )


def converter_version(entry: Entry) -> str:
    """What distinguishes conversions of the same file: the entry and its converter's version."""
    return f"{entry.name}-v{official_module(entry.model).VERSION}"


def to_official(source: PathLike, out: PathLike, *, check: bool = False) -> dict[str, Tensor]:
    """Write the official state dict of a zoo checkpoint.

    Args:
        source: what `zoo.from_pretrained` takes.
        out: a `.safetensors` file (flat) or a `.pt`/`.pth`/`.ckpt` file (under the key the
            official code expects).
        check: convert the result again and demand our tensors back, bit for bit.

    Returns:
        The official state dict.

    Raises:
        ConversionError: the model has no converter, or the check failed.
    """
    out = Path(out)
    write = _writer(out)
    model = from_pretrained(source, dtype="auto")
    official = official_module(model.slug)
    ours = {key: tensor.detach() for key, tensor in model.state_dict().items()}
    state: dict[str, Tensor] = official.to_official(ours, model.config)
    if check:
        back: Converted = official.to_ours(state, model.config)
        _demand_equal(back.state, {k: v for k, v in ours.items() if k in back.state}, str(source))
    out.parent.mkdir(parents=True, exist_ok=True)
    write(state, out, getattr(official, "CONTAINER", None))
    return state


def official_module(slug: str) -> ModuleType:
    """The converter of a registered model.

    Raises:
        ConversionError: the model is not registered or has no converter.
    """
    if slug not in MODEL_CLASSES:
        raise ConversionError(
            f"no model is called {slug!r} (known: {', '.join(sorted(MODEL_CLASSES))})"
        )
    name = f"{MODEL_CLASSES[slug][0].rpartition('.')[0]}.official"
    if find_spec(name) is None:
        raise ConversionError(f"{slug} has no converter: it was never released in another format")
    return import_module(name)


def _unpacked(source: Path, folder: Path, member: str | None) -> Path:
    if not archive.is_archive(source):
        return source
    return archive.pick_checkpoint(source, archive.unpack(source, folder), member)


def _config(
    raw: RawCheckpoint,
    slug: str,
    official: ModuleType,
    preset: str | None,
    config_file: PathLike | None,
) -> tuple[ZooConfig, str]:
    if preset is not None:
        # the catalogue and shells write dashes, presets are Python names
        name = preset.replace("-", "_")
        return model_class(slug).Config.preset(name), f"preset {name}"
    if config_file is not None:
        origin, found = str(config_file), read_config_file(config_file)
    elif raw.config is not None:
        origin, found = "the checkpoint", raw.config
    else:
        raise ConfigError(
            f"{raw.path} says nothing of its hyper-parameters; pass --preset "
            f"({', '.join(model_class(slug).Config.presets())}) or --config FILE"
        )
    try:
        return official.config_from_official(found), origin
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{origin}: the hyper-parameters of {raw.path} are not those of {slug} "
            f"({type(error).__name__}: {error}); pass --preset"
        ) from error


def read_config_file(path: PathLike) -> dict[str, Any]:
    """Hyper-parameters from a json or yaml file.

    Raises:
        ConfigError: it is neither, or not a mapping.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: not a readable json or yaml file ({error})") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping of hyper-parameters")
    return content


def _filled(slug: str, config: ZooConfig, converted: Converted, raw: RawCheckpoint) -> ZooModule:
    with torch.device("meta"):
        model = model_class(slug)(config)
    report = compare(converted, model)
    if not report.ok:
        raise ConversionError(
            f"{raw.path} does not fit {slug} with this configuration\n{report}\n"
            "another --preset may be the right one"
        )
    assign(model, {key: _storable(tensor) for key, tensor in converted.state.items()})
    return model


def _storable(tensor: Tensor) -> Tensor:
    """Half precision is kept as it is; double precision is what nobody trained in."""
    tensor = tensor.float() if tensor.dtype == torch.float64 else tensor
    return tensor.contiguous()


def _side_files(official: ModuleType, raw: RawCheckpoint) -> dict[str, bytes]:
    own: Callable[[RawCheckpoint], dict[str, bytes]] | None = getattr(official, "side_files", None)
    return own(raw) if own is not None else raw.side_files


def _provenance(
    slug: str, tag: str, official: ModuleType, raw: RawCheckpoint, converted: Converted
) -> dict[str, Any]:
    source = {"sha256": raw.sha256, "format": raw.format, "place": raw.found.place}
    converter = {
        "name": slug,
        "version": official.VERSION,
        "source": source,
        "dropped": dict(sorted(converted.dropped.items())),
    }
    return {**({"tag": tag} if tag else {}), "converter": converter}


def _check_folder(
    folder: Path, official: ModuleType, raw: RawCheckpoint, converted: Converted
) -> int:
    """Load what was written, go back to official names and compare with the file."""
    model = from_pretrained(folder, dtype="auto")
    ours = {key: tensor.detach() for key, tensor in model.state_dict().items()}
    back: dict[str, Tensor] = official.to_official(ours, model.config)
    wanted = {k: _storable(v) for k, v in raw.tensors.items() if k not in converted.dropped}
    return _demand_equal(back, wanted, str(folder))


def _demand_equal(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], what: str) -> int:
    """Raises ConversionError unless every wanted tensor is found with the same bits."""
    wrong = [key for key, tensor in wanted.items() if not _same(found.get(key), tensor)]
    if wrong:
        raise ConversionError(
            f"{what}: {len(wrong)} of {len(wanted)} tensors do not survive the way there and "
            f"back: {', '.join(wrong[:20])}"
        )
    return len(wanted)


def _same(one: Tensor | None, two: Tensor) -> bool:
    if one is None or one.shape != two.shape or one.dtype != two.dtype:
        return False
    # a NaN in the file must come back as a NaN
    return torch.equal(one.nan_to_num(), two.nan_to_num()) and torch.equal(
        one.isfinite(), two.isfinite()
    )


def _writer(out: Path) -> Callable[[dict[str, Tensor], Path, str | None], None]:
    if out.suffix == ".safetensors":
        return _write_safetensors
    if out.suffix in (".pt", ".pth", ".ckpt"):
        return _write_pickle
    raise SourceError(f"{out}: name a .safetensors, .pt, .pth or .ckpt file")


def _write_safetensors(state: dict[str, Tensor], out: Path, _: str | None) -> None:
    # a tensor that appears under two names is written twice, as the official file has it
    save_file({key: tensor.clone().contiguous() for key, tensor in state.items()}, out)


def _write_pickle(state: dict[str, Tensor], out: Path, container: str | None) -> None:
    content: Any = {key: tensor.clone() for key, tensor in state.items()}
    for key in reversed(container.split(".")) if container else ():
        content = {key: content}
    torch.save(content, out)
