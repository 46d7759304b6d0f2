"""The grammar of `from_pretrained` sources: what a string means, before anything is fetched."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zoo.errors import SourceError
from zoo.hub.catalogue import find
from zoo.hub.entry import Entry
from zoo.hub.paths import PathLike, checkout_folder

_PART: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_REPO: Final = re.compile(rf"(?P<repo>{_PART}/{_PART})(?:@(?P<revision>[^\s@]+))?")
_EXPLICIT: Final = ("/", "./", "../", "~", ".\\", "..\\")
_FILES: Final = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".pkl", ".tar", ".zip", ".nemo")


@dataclass(frozen=True)
class FolderSource:
    """A folder on this machine."""

    path: Path


@dataclass(frozen=True)
class EntrySource:
    """A checkpoint of the catalogue."""

    entry: Entry
    revision: str | None = None


@dataclass(frozen=True)
class HubSource:
    """A Hub repository written by `save_pretrained`."""

    repo: str
    revision: str | None = None


AnySource = FolderSource | EntrySource | HubSource


def parse_source(source: PathLike, revision: str | None = None) -> AnySource:
    """Decide what `source` is: `slug.tag`, `org/repo[@revision]`, `hf://...` or a folder.

    A `Path` is always a folder; so is a string that starts like a path or names a folder with a
    config.json in it.

    Raises:
        SourceError: the string is unknown or could mean two things; nearest names are listed.
    """
    if not isinstance(source, str):
        return _folder(os.fspath(source), revision)
    if source.startswith("hf://"):
        return _hub(source.removeprefix("hf://"), revision)
    if "://" in source:
        raise SourceError(
            f"{source}: addresses are not loaded directly; download the file and run `zoo convert`"
        )
    if source.startswith(_EXPLICIT) or Path(source).is_absolute():
        return _folder(source, revision)
    if "/" not in source:
        return _name(source, revision)
    return _path_or_repo(source, revision)


def _folder(text: str, revision: str | None) -> FolderSource:
    path = Path(text).expanduser()
    if revision is not None:
        raise SourceError(f"{text} is a folder; revision={revision!r} only fits a Hub repository")
    if path.is_file():
        raise SourceError(
            f"{text} is a file; from_pretrained takes the folder it lies in. An official "
            f"checkpoint goes through `zoo convert {text} --model SLUG.TAG --out DIR` first"
        )
    if not path.is_dir():
        raise SourceError(f"there is no folder {text} (looked in {Path.cwd()})")
    return FolderSource(path)


def _hub(text: str, revision: str | None) -> HubSource:
    match = _REPO.fullmatch(text)
    if match is None:
        raise SourceError(f"hf://{text}: expected hf://organisation/repository[@revision]")
    written = match["revision"]
    if written and revision and written != revision:
        raise SourceError(f"{text} and revision={revision!r} ask for two different revisions")
    return HubSource(match["repo"], written or revision)


def _name(text: str, revision: str | None) -> AnySource:
    is_folder = bool(text) and Path(text).is_dir()
    try:
        entry = find(text)
    except SourceError as error:
        if is_folder:
            return _folder(text, revision)
        raise _unknown(text, error) from None
    own = (checkout_folder() / entry.name).resolve()
    if is_folder and Path(text).resolve() != own:
        raise SourceError(
            f"'{text}' is ambiguous: a checkpoint of the catalogue and a folder in {Path.cwd()}; "
            f"write './{text}' for the folder, or go elsewhere for the catalogue's"
        )
    return EntrySource(entry, revision)


def _unknown(text: str, error: SourceError) -> SourceError:
    if text.endswith(_FILES):
        kind = "a file" if Path(text).is_file() else "a file name"
        return SourceError(
            f"'{text}' is {kind}; an official checkpoint goes through `zoo convert {text} "
            "--model SLUG.TAG --out DIR` first, and the folder is then loaded"
        )
    return SourceError(f"{error} (nor is '{text}' a folder in {Path.cwd()})")


def _path_or_repo(text: str, revision: str | None) -> AnySource:
    is_repo = _REPO.fullmatch(text) is not None
    path = Path(text)
    if path.exists() and not (is_repo and path.is_dir() and not (path / "config.json").exists()):
        return _folder(text, revision)
    if path.is_dir():
        raise SourceError(
            f"'{text}' is ambiguous: there is such a folder, without a config.json in it; "
            f"write './{text}' for the folder or 'hf://{text}' for the Hub repository"
        )
    if is_repo:
        return _hub(text, revision)
    raise SourceError(
        f"'{text}' is neither a folder (looked in {Path.cwd()}), nor a Hub repository "
        "(organisation/repository[@revision]), nor a name of the catalogue (slug.tag)"
    )
