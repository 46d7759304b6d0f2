"""Files of official checkpoints: found or fetched once, checked, and their hashes recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from zoo.errors import CheckpointError, IntegrityError
from zoo.hub import hashes
from zoo.hub.entry import Entry, RemoteFile
from zoo.hub.hubrepo import Access, hub_file
from zoo.hub.paths import cache_root, model_folders, safe_join
from zoo.hub.transfer import download_drive, download_url

LOCK_FILE: Final = "zoo.lock.json"


def official_files(entry: Entry, access: Access) -> list[Path]:
    """Every file of an entry on this machine, in the order of the catalogue, each checked.

    `ZOO_MODELS` is searched first (`DIR/<name>/<path>`), then the caches, then the network.

    Raises:
        CheckpointError: a file cannot be had; the message says what to do.
        IntegrityError: a file differs from its published or recorded hash.
    """
    if not entry.source.files:
        raise CheckpointError(f"{entry.name}: no files are known\n{entry.explain()}")
    return [_official_file(entry, file, access) for file in entry.source.files]


def _official_file(entry: Entry, file: RemoteFile, access: Access) -> Path:
    for folder in model_folders():
        mirrored = safe_join(folder / entry.name, file.path)
        if mirrored.is_file():
            verify_official(folder / LOCK_FILE, entry, file, mirrored, access)
            return mirrored
    root = cache_root(access.cache_dir) / "downloads"
    known = replace(file, sha256=file.sha256 or recorded(root / LOCK_FILE, entry, file))
    path = obtain(entry, known, safe_join(root / entry.name, file.path), access)
    verify_official(root / LOCK_FILE, entry, file, path, access)
    return path


def obtain(entry: Entry, file: RemoteFile, path: Path, access: Access) -> Path:
    """Fetch one file: from a Hub repository into the Hub's cache, from elsewhere to `path`.

    Returns:
        Where it is.

    Raises:
        CheckpointError: it cannot be fetched; the message says what to do.
    """
    source = entry.source
    if source.repo and not (file.url or file.drive_id):
        return hub_file(source.repo, file.path, source.revision, access, entry.name)
    if path.is_file():
        return path
    if not source.fetchable:
        raise CheckpointError(f"{_by_hand(entry, file)}\n{entry.explain()}")
    if access.offline:
        raise CheckpointError(
            f"{entry.name}: {path} is not there, and no network may be used (HF_HUB_OFFLINE=1 or "
            f"local_files_only=True); run `zoo fetch {entry.name} --to DIR` on a machine with "
            "network and set ZOO_MODELS=DIR here"
        )
    whole_drive = None if source.drive_folder else source.drive_id
    url = file.url or (None if file.drive_id else source.url)
    if url:
        return download_url(url, path, file=file, name=entry.name, cache_dir=access.cache_dir)
    drive_id = file.drive_id or whole_drive
    if drive_id:
        return download_drive(
            drive_id, path, file=file, name=entry.name, cache_dir=access.cache_dir
        )
    raise CheckpointError(_by_hand(entry, file))


def _by_hand(entry: Entry, file: RemoteFile) -> str:
    places = "; ".join(entry.source.where()) or "no place is known"
    return (
        f"{entry.name}: {file.path} cannot be fetched by a program ({places}); download it "
        f"in a browser, save it as DIR/{entry.name}/{file.path} and set ZOO_MODELS=DIR"
    )


def verify_official(lock: Path, entry: Entry, file: RemoteFile, path: Path, access: Access) -> None:
    """Check a file against the catalogue's hash, else against the one of the first download.

    Raises:
        IntegrityError: length or hash differ.
    """
    size = path.stat().st_size
    if file.bytes is not None and size != file.bytes:
        raise IntegrityError(
            f"{entry.name}: {path} has {size} bytes, expected {file.bytes}; the file is truncated "
            "or is another one: delete it and fetch it again"
        )
    if file.sha256 is not None:
        hashes.verify(path, file.sha256, what=entry.name, cache_dir=access.cache_dir)
        return
    found = hashes.sha256(path, cache_dir=access.cache_dir)
    expected = recorded(lock, entry, file)
    if expected is None:
        record(lock, {_key(entry, file): {"sha256": found, "bytes": size}})
    elif expected != found:
        raise IntegrityError(
            f"{entry.name}: {path} has sha256 {found}, the first download had {expected} "
            f"(recorded in {lock}); if the authors replaced the file on purpose, remove its line "
            "there, otherwise delete the file and fetch it again"
        )


def recorded(lock: Path, entry: Entry, file: RemoteFile) -> str | None:
    """The hash a lock file has for a file, if any."""
    found = read_lock(lock).get(_key(entry, file))
    return str(found["sha256"]) if isinstance(found, dict) and "sha256" in found else None


def record(lock: Path, lines: Mapping[str, Mapping[str, Any]]) -> None:
    """Add lines to a lock file; processes that do so at once wait for each other."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock.with_suffix(".lock")):
            files = {**read_lock(lock), **lines}
            hashes.write_json(lock, {"schema": 1, "files": dict(sorted(files.items()))})
    except PermissionError:
        return  # a read-only mirror: the hash cannot be noted, and the file cannot change either


def read_lock(lock: Path) -> dict[str, Any]:
    """The lines of a lock file, `<entry>/<path>` -> sha256 and bytes."""
    try:
        files = json.loads(lock.read_text(encoding="utf-8"))["files"]
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{lock} is damaged ({error!r}); repair or remove it") from error
    return dict(files)


def _key(entry: Entry, file: RemoteFile) -> str:
    return f"{entry.name}/{file.path}"
