"""From a source to a zoo folder on this machine, fetched, verified and converted if need be."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from zoo.errors import CheckpointError, SourceError
from zoo.hub import hashes
from zoo.hub.entry import Entry
from zoo.hub.hubrepo import Access, snapshot
from zoo.hub.official import official_files
from zoo.hub.paths import PathLike, cache_root, checkout_folder, model_folders
from zoo.hub.source import EntrySource, FolderSource, HubSource, parse_source


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A folder written by `save_pretrained` that is complete on this machine."""

    name: str
    """What the user asked for, as errors and reports call it."""
    folder: Path
    commit: str | None = None


def resolve(
    source: PathLike,
    *,
    revision: str | None = None,
    cache_dir: PathLike | None = None,
    local_files_only: bool | None = None,
    token: str | bool | None = None,
) -> Resolved:
    """Bring the files of a source onto this machine; arguments as in `zoo.from_pretrained`.

    Raises:
        SourceError: the source is not understood.
        CheckpointError: the files cannot be had; the message says what to do.
        IntegrityError: a file is not what its hash says.
    """
    access = Access.of(cache_dir, local_files_only, token)
    parsed = parse_source(source, revision)
    if isinstance(parsed, FolderSource):
        return Resolved(name=str(source), folder=parsed.path)
    if isinstance(parsed, HubSource):
        return _from_hub(parsed, access)
    return _from_catalogue(parsed, access)


def _from_hub(source: HubSource, access: Access, name: str | None = None) -> Resolved:
    name = name or source.repo
    if source.revision is None and (mirrored := _mirrored(source.repo)):
        return Resolved(name=name, folder=mirrored)
    found = snapshot(source.repo, source.revision, access, name)
    return Resolved(name=name, folder=found.folder, commit=found.commit)


def _from_catalogue(source: EntrySource, access: Access) -> Resolved:
    entry = source.entry
    if not entry.loadable:
        raise CheckpointError(f"{entry.name} cannot be loaded\n{entry.explain()}")
    if source.revision is not None and entry.source.kind != "ours":
        raise SourceError(
            f"{entry.name} is pinned by the catalogue; revision={source.revision!r} does not apply"
        )
    if source.revision is None and (mirrored := _mirrored(entry.name)):
        return Resolved(name=entry.name, folder=mirrored)
    if entry.source.kind == "ours":
        return _ours(entry, source.revision, access)
    return Resolved(name=entry.name, folder=converted(entry, access))


def _mirrored(name: str) -> Path | None:
    """The zoo folder of that name in `ZOO_MODELS`; official files there are not one."""
    for root in model_folders():
        if is_zoo_folder(root / name):
            return root / name
    return None


def is_zoo_folder(folder: Path) -> bool:
    """Whether `folder` was written by `save_pretrained`."""
    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(raw, dict) and "zoo_version" in raw and "model" in raw


def _ours(entry: Entry, revision: str | None, access: Access) -> Resolved:
    shipped = checkout_folder() / entry.name
    if revision is None and is_zoo_folder(shipped):
        return Resolved(name=entry.name, folder=shipped)
    if entry.source.repo is None:
        searched = [str(root / entry.name) for root in model_folders()] + [str(shipped)]
        raise CheckpointError(
            f"{entry.name} is not published on the Hub yet and is not in {', '.join(searched)}; "
            "it comes with a checkout of the repository: pass the folder, "
            f"zoo.from_pretrained('path/to/checkpoints/{entry.name}'), or set "
            "ZOO_MODELS=path/to/checkpoints"
        )
    repo = HubSource(entry.source.repo, revision or entry.source.revision)
    return _from_hub(repo, access, entry.name)


def converted(entry: Entry, access: Access) -> Path:
    """The zoo folder made from an official checkpoint, converted at the first call.

    Its place in the cache is named after the source's sha256 and the converter's version.
    """
    from zoo.hub.convert import convert_entry, converter_version

    files = official_files(entry, access)
    key = f"{_source_digest(files, access)}-{converter_version(entry)}"
    folder = cache_root(access.cache_dir) / "converted" / key
    if is_zoo_folder(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{key}.lock")):
        if not is_zoo_folder(folder):
            convert_entry(entry, files, folder)
    return folder


def _source_digest(files: list[Path], access: Access) -> str:
    found = [hashes.sha256(path, cache_dir=access.cache_dir) for path in files]
    return found[0] if len(found) == 1 else hashlib.sha256("\n".join(found).encode()).hexdigest()
