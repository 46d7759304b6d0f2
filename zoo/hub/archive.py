"""Archives (tar, zip, .nemo) that checkpoints are sometimes shipped in, unpacked with suspicion."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Final

from zoo.errors import CheckpointError, UnsafeFileError
from zoo.hub.paths import PathLike, safe_join

CHECKPOINT_SUFFIXES: Final = (".pt", ".pth", ".ckpt", ".safetensors", ".bin", ".th", ".pkl")


def is_archive(path: PathLike) -> bool:
    """Whether a file is a tar, or a zip that is not itself a torch file."""
    path = Path(path)
    if not path.is_file():
        return False
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        return not any(n.rpartition("/")[2] in ("data.pkl", "constants.pkl") for n in names)
    return tarfile.is_tarfile(path)


def members(path: PathLike) -> list[str]:
    """The files of an archive, after checking that none of them points outside.

    Raises:
        UnsafeFileError: a member is absolute, climbs out with `..`, or is a link or a device.
    """
    path = Path(path)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return [i.filename for i in archive.infolist() if _checked_zip(path, i)]
    with tarfile.open(path) as archive:
        return [member.name for member in archive if _checked_tar(path, member)]


def unpack(path: PathLike, folder: PathLike) -> list[Path]:
    """Write the files of an archive below `folder`; nothing is written if one member is refused.

    Raises:
        UnsafeFileError: see `members`.
    """
    path = Path(path)
    names = members(path)
    written = []
    for name in names:
        target = safe_join(folder, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        written.append(target)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in names:
                archive.extract(name, folder)
    else:
        with tarfile.open(path) as archive:
            for name in names:
                archive.extract(name, folder, filter="data")
    return written


def pick_checkpoint(path: PathLike, files: list[Path], member: str | None = None) -> Path:
    """The checkpoint among the files of an archive.

    Raises:
        CheckpointError: there is none, or several and none was chosen.
    """
    wanted = [file for file in files if file.suffix in CHECKPOINT_SUFFIXES]
    if member is not None:
        wanted = [file for file in files if file.as_posix().endswith(f"/{member}")]
    if len(wanted) == 1:
        return wanted[0]
    listed = ", ".join(sorted(file.name for file in (wanted or files))[:20])
    raise CheckpointError(
        f"{path}: {len(wanted)} of its {len(files)} files could be the checkpoint ({listed}); "
        "name one with --member"
    )


def _checked_zip(path: Path, info: zipfile.ZipInfo) -> bool:
    _check_name(path, info.filename)
    if stat.S_ISLNK(info.external_attr >> 16):
        raise UnsafeFileError(f"{path}: refused, its member {info.filename!r} is a link")
    return not info.is_dir()


def _checked_tar(path: Path, member: tarfile.TarInfo) -> bool:
    _check_name(path, member.name)
    if not (member.isfile() or member.isdir()):
        raise UnsafeFileError(f"{path}: refused, its member {member.name!r} is a link or a device")
    return member.isfile()


def _check_name(path: Path, name: str) -> None:
    if name in (".", "./"):
        return
    try:
        safe_join(path.parent, name)
    except UnsafeFileError:
        raise UnsafeFileError(
            f"{path}: refused, its member {name!r} points outside the folder; nothing was unpacked"
        ) from None
