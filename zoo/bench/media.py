"""Sound and pictures that models make: files of the run folder, with their hashes in the record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from zoo.errors import BenchError
from zoo.tasks import Speech, Video

MEDIA: Final = "media"


def store_media(output: Mapping[str, Any], folder: Path, id_: str) -> dict[str, Any]:
    """Replace every `Speech` and `Video` of an output by the file it is written to.

    A file appears whole or not at all, and before the record that names it.
    """
    return {
        name: _stored(value, folder, id_) if isinstance(value, Speech | Video) else value
        for name, value in output.items()
    }


def _stored(value: Speech | Video, folder: Path, id_: str) -> dict[str, Any]:
    name = f"{MEDIA}/{media_name(id_)}{'.wav' if isinstance(value, Speech) else '.mp4'}"
    value.save(folder / name)
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return {"path": name, "sha256": digest, "seconds": value.duration_s}


def media_name(id_: str) -> str:
    """The id of a sample as a path below `media`; what is no plain name is replaced."""
    parts = ["".join(c if c.isalnum() or c in "-_+." else "_" for c in p) for p in id_.split("/")]
    return "/".join(part.strip(".") or "_" for part in parts)


def check_media(folder: Path, stored: Mapping[str, Any]) -> Path:
    """The file of a stored output.

    Raises:
        BenchError: it is not there, or is not the one that was predicted.
    """
    path: Path = folder / stored["path"]
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}; a run is scored with its media") from None
    if digest != stored["sha256"]:
        raise BenchError(f"{path} is not the file that was predicted; run it again")
    return path
