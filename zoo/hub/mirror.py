"""Copies of checkpoints for machines without network: what `zoo fetch` writes."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from zoo.errors import CheckpointError
from zoo.hub import hashes
from zoo.hub.catalogue import find
from zoo.hub.download import resolve
from zoo.hub.entry import Entry, RemoteFile
from zoo.hub.hubrepo import Access, repo_files
from zoo.hub.official import LOCK_FILE, obtain, record, verify_official
from zoo.hub.paths import PathLike, safe_join
from zoo.hub.source import EntrySource, FolderSource, HubSource, parse_source


def mirror(
    source: str,
    folder: PathLike,
    *,
    revision: str | None = None,
    access: Access | None = None,
) -> list[Path]:
    """Bring every file of a checkpoint, and of all it requires, into `folder`.

    The files lie in `folder/<name>/`; `zoo.lock.json` there notes their hashes. Files that are
    there and whole are not fetched again. With `ZOO_MODELS=folder` they are found first.

    Args:
        source: a name of the catalogue, or `org/repo[@revision]`.
        folder: made if absent.
        revision: of a Hub repository.
        access: cache, network and token.

    Returns:
        All files, the required checkpoints' first.

    Raises:
        CheckpointError: a file cannot be had.
        SourceError: the source is not understood.
    """
    access = access or Access.of()
    root = Path(folder).expanduser()
    parsed = parse_source(source, revision)
    if isinstance(parsed, FolderSource):
        raise CheckpointError(f"{source} is a folder on this machine already; copy it")
    if isinstance(parsed, HubSource):
        return _mirror_saved(source, parsed.repo, root, parsed.revision, access)
    return [path for entry in closure(parsed) for path in _mirror_entry(entry, root, access)]


def closure(source: EntrySource) -> list[Entry]:
    """An entry and everything it requires, each once, requirements first."""
    ordered: dict[str, Entry] = {}

    def visit(entry: Entry, above: tuple[str, ...]) -> None:
        if entry.name in above:
            raise CheckpointError(f"{entry.name} requires itself: {' -> '.join(above)}")
        for name in entry.requires:
            if name not in ordered:
                visit(find(name), (*above, entry.name))
        ordered[entry.name] = entry

    visit(source.entry, ())
    return list(ordered.values())


def _mirror_entry(entry: Entry, root: Path, access: Access) -> list[Path]:
    if entry.source.kind == "ours":
        return _mirror_saved(entry.name, entry.name, root, None, access)
    if not entry.source.fetchable:
        raise CheckpointError(f"{entry.name} cannot be fetched\n{entry.explain()}")
    files = entry.source.files or _whole_repository(entry, access)
    return [_mirror_file(entry, file, root, access) for file in files]


def _whole_repository(entry: Entry, access: Access) -> tuple[RemoteFile, ...]:
    source = entry.source
    if source.repo is None:
        raise CheckpointError(f"{entry.name}: its files are not listed\n{entry.explain()}")
    names = repo_files(source.repo, source.revision, access, entry.name)
    return tuple(RemoteFile(path=name) for name in names)


def _mirror_file(entry: Entry, file: RemoteFile, root: Path, access: Access) -> Path:
    target = safe_join(root / entry.name, file.path)
    if not target.is_file():
        found = obtain(entry, file, target, access)
        if found != target:
            copy_file(found, target)
    verify_official(root / LOCK_FILE, entry, file, target, access)
    return target


def _mirror_saved(
    source: str, name: str, root: Path, revision: str | None, access: Access
) -> list[Path]:
    """A folder written by `save_pretrained`; config.json goes last, as in `save_pretrained`."""
    found = resolve(
        source,
        revision=revision if "@" not in source else None,
        cache_dir=access.cache_dir,
        local_files_only=access.offline,
        token=access.token,
    )
    target = safe_join(root, name)
    names = [p.relative_to(found.folder) for p in found.folder.rglob("*") if p.is_file()]
    written = []
    for relative in sorted(names, key=lambda path: path.name == "config.json"):
        path = target / relative
        if path.resolve() != (found.folder / relative).resolve():
            copy_file(found.folder / relative, path)
        written.append(path)
    record(root / LOCK_FILE, {p.relative_to(root).as_posix(): _line(p) for p in written})
    return written


def _line(path: Path) -> dict[str, str | int]:
    return {"sha256": hashes.sha256(path), "bytes": path.stat().st_size}


def copy_file(source: Path, target: Path) -> None:
    """Copy what `source` points at; the target's name appears when the copy is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    try:
        shutil.copyfile(source, temporary)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
