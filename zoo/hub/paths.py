"""Where files may lie: names that come out of a file or a server, and the zoo's own cache."""

from __future__ import annotations

import logging
import os
import re
import stat
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

from zoo.errors import UnsafeFileError

_LOG: Final = logging.getLogger(__name__)
_DRIVE: Final = re.compile(r"^[A-Za-z]:")
PathLike = str | os.PathLike[str]


def safe_join(folder: PathLike, name: str) -> Path:
    """`folder / name` for a name that somebody else wrote (an index, a manifest, a server).

    Raises:
        UnsafeFileError: the name is absolute, climbs with `..`, or has a drive or a backslash.
    """
    parts = PurePosixPath(name).parts
    bad = not parts or name.startswith("/") or ".." in parts or _DRIVE.match(name)
    if bad or "\\" in name or "\0" in name:
        raise UnsafeFileError(
            f"{folder}: the file name {name!r} would leave the folder; refused, nothing was read"
        )
    return Path(folder).joinpath(*parts)


def cache_root(cache_dir: PathLike | None = None) -> Path:
    """The zoo's own cache: `cache_dir/zoo`, else `$ZOO_CACHE`, else `$HF_HOME/zoo`."""
    if cache_dir is not None:
        root = Path(cache_dir).expanduser() / "zoo"
    elif os.environ.get("ZOO_CACHE"):
        root = Path(os.environ["ZOO_CACHE"]).expanduser()
    else:
        from huggingface_hub.constants import HF_HOME

        root = Path(HF_HOME) / "zoo"
    _warn_if_open(root)
    return root


@cache
def _warn_if_open(root: Path) -> None:
    try:
        mode = root.stat().st_mode
    except OSError:
        return
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        _LOG.warning("%s can be written by every user of this machine: chmod o-w %s", root, root)


def model_folders() -> list[Path]:
    """Folders named by `ZOO_MODELS` (separated like `PATH`), searched before anything else."""
    value = os.environ.get("ZOO_MODELS", "")
    return [Path(part).expanduser() for part in value.split(os.pathsep) if part]


def checkout_folder() -> Path:
    """`checkpoints/` of the checkout this package runs from; absent in an installed wheel."""
    return Path(__file__).resolve().parents[2] / "checkpoints"
