"""sha256 of files, computed once and remembered by size and modification time."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import IntegrityError
from zoo.hub.paths import PathLike, cache_root


def sha256(path: PathLike, *, cache_dir: PathLike | None = None) -> str:
    """The sha256 of a file in hexadecimal, read from the cache while size and mtime agree."""
    path = Path(path).resolve()
    note = _note(path, cache_dir)
    known = _read(note)
    if known is not None and known.get("stamp") == _stamp(path):
        return str(known["sha256"])
    stamp = _stamp(path)
    found = digest(path)
    _write(note, {"path": str(path), "stamp": stamp, "sha256": found})
    return found


def remember(path: PathLike, found: str, *, cache_dir: PathLike | None = None) -> None:
    """Note a hash that was computed while the file was written or downloaded."""
    path = Path(path).resolve()
    record = {"path": str(path), "stamp": _stamp(path), "sha256": found}
    _write(_note(path, cache_dir), record)


def verify(
    path: PathLike,
    expected: str,
    *,
    what: str,
    cache_dir: PathLike | None = None,
) -> None:
    """Check a file against its published sha256.

    Args:
        path: the file.
        expected: 64 hexadecimal digits.
        what: how the error calls it, such as `"speechclip.base: model.safetensors"`.
        cache_dir: where the hash is remembered.

    Raises:
        IntegrityError: the content is another one.
    """
    found = sha256(path, cache_dir=cache_dir)
    if found != expected.lower():
        size = Path(path).stat().st_size
        raise IntegrityError(
            f"{what}: {path} ({size} bytes) has sha256 {found}, expected {expected}; "
            "the file is damaged or is not the published one: delete it and fetch it again"
        )


def git_blob_sha1(path: PathLike) -> str:
    """The name git gives a file's content, which is the Hub's etag of a small file."""
    content = Path(path).read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON under a temporary name, then rename: readers see the old or the new file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2, ensure_ascii=False)
            file.write("\n")
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def digest(path: Path) -> str:
    """The sha256 of a file, always read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _note(path: Path, cache_dir: PathLike | None) -> Path:
    key = hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
    return cache_root(cache_dir) / "verified" / f"{key}.json"


def _read(note: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _write(note: Path, content: Mapping[str, Any]) -> None:
    try:
        write_json(note, content)
    except OSError:
        # a read-only cache is allowed: the hash is then computed again next time
        return
