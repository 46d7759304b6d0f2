"""Files of Hub repositories: huggingface_hub fetches and caches, we check what came."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock
from huggingface_hub import HfApi, constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub import errors as hub_errors

from zoo._version import __version__
from zoo.errors import CheckpointError, IntegrityError
from zoo.hub import hashes
from zoo.hub.paths import safe_join
from zoo.hub.weights import INDEX, SINGLE, shard_names

_LOG: Final = logging.getLogger(__name__)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Access:
    """How files may be reached: which cache, with or without network, with which token."""

    cache_dir: str | None = None
    offline: bool = False
    token: str | bool | None = None

    @classmethod
    def of(
        cls,
        cache_dir: object = None,
        local_files_only: bool | None = None,
        token: str | bool | None = None,
    ) -> Access:
        """From the arguments of `from_pretrained`; `HF_HUB_OFFLINE` wins over False."""
        offline = bool(local_files_only) or constants.HF_HUB_OFFLINE
        folder = None if cache_dir is None else str(Path(str(cache_dir)).expanduser())
        return cls(cache_dir=folder, offline=bool(offline), token=token)

    @property
    def hub_cache(self) -> str:
        """The folder huggingface_hub caches in."""
        return self.cache_dir or constants.HF_HUB_CACHE


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit, as far as its files are needed, on this machine."""

    folder: Path
    commit: str


def snapshot(repo: str, revision: str | None, access: Access, name: str) -> Snapshot:
    """Bring every file of a repository written by `save_pretrained` onto this machine.

    config.json comes first: it fixes the commit, and its list of files says what else to fetch
    and which hashes they must have. With a full commit as `revision` a cached repository needs
    no request at all.

    Args:
        repo: `organisation/repository`.
        revision: branch, tag or commit; None is the main branch.
        access: cache, network and token.
        name: how errors call the checkpoint.

    Raises:
        CheckpointError: something cannot be had; the message says what to do.
        IntegrityError: a file is not the one the repository describes.
    """
    config = hub_file(repo, "config.json", revision, access, name)
    folder = config.parent
    commit = folder.name
    for file, expected in _needed(repo, folder, commit, access, name).items():
        path = safe_join(folder, file)
        hub_file(repo, file, commit, access, name)
        if expected is not None:
            hashes.verify(path, expected, what=name, cache_dir=access.cache_dir)
    return Snapshot(folder, commit)


def _needed(
    repo: str, folder: Path, commit: str, access: Access, name: str
) -> dict[str, str | None]:
    try:
        listed = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("files")
    except (ValueError, AttributeError) as error:
        raise CheckpointError(f"{name}: config.json of {repo} is not valid: {error}") from error
    if isinstance(listed, dict) and listed:
        return {str(file): None if sha is None else str(sha) for file, sha in listed.items()}
    return dict.fromkeys(_unlisted(repo, folder, commit, access, name))


def _unlisted(repo: str, folder: Path, commit: str, access: Access, name: str) -> list[str]:
    """Weights of a repository whose config.json lists no files: one file, else an index."""
    try:
        hub_file(repo, SINGLE, commit, access, name)
        return [SINGLE]
    except CheckpointError as error:
        if not isinstance(error.__cause__, hub_errors.EntryNotFoundError):
            raise
    hub_file(repo, INDEX, commit, access, name)
    return [INDEX, *shard_names(folder / INDEX)]


def hub_file(repo: str, file: str, revision: str | None, access: Access, name: str) -> Path:
    """One file of a repository, from the cache or the network, its content checked.

    Returns:
        Its path `.../snapshots/<commit>/<file>` in huggingface_hub's cache.
    """
    safe_join(".", file)
    with _explained(repo, file, revision, access, name):
        try:
            path = _download(repo, file, revision, access)
        except FileNotFoundError as error:
            if isinstance(error, hub_errors.LocalEntryNotFoundError) or access.offline:
                raise
            # another process that shares the cache finished first and tidied up
            path = _download(repo, file, revision, access)
    _check_etag(path, name, access)
    _tidy(path, access)
    return path


def repo_files(repo: str, revision: str | None, access: Access, name: str) -> list[str]:
    """Names of all files of a repository, as its server lists them (each checked for safety)."""
    if access.offline:
        raise CheckpointError(f"{name}: the files of {repo} cannot be listed without network")
    with _explained(repo, "the list of files", revision, access, name):
        api = HfApi(token=access.token, library_name="zoo", library_version=__version__)
        names = api.list_repo_files(repo, revision=revision)
    for file in names:
        safe_join(".", file)
    return list(names)


def _download(repo: str, file: str, revision: str | None, access: Access) -> Path:
    if revision is not None and _COMMIT.fullmatch(revision):
        # asked first: building the headers of a download may already make a request (telemetry)
        cached = try_to_load_from_cache(repo, file, cache_dir=access.cache_dir, revision=revision)
        if isinstance(cached, str):
            return Path(cached)
    return Path(
        hf_hub_download(
            repo,
            file,
            revision=revision,
            cache_dir=access.cache_dir,
            local_files_only=access.offline,
            token=access.token,
            library_name="zoo",
            library_version=__version__,
        )
    )


def _blob(path: Path) -> Path | None:
    """The file behind a snapshot's link, named after its etag; None without links."""
    blob = path.resolve()
    return blob if blob.parent.name == "blobs" and blob != path else None


def _check_etag(path: Path, name: str, access: Access) -> None:
    """huggingface_hub checks lengths only; the etag of the file says what it must contain."""
    blob = _blob(path)
    if blob is None:
        return
    if _SHA256.fullmatch(blob.name):
        found = hashes.sha256(blob, cache_dir=access.cache_dir)
    elif _COMMIT.fullmatch(blob.name):
        found = hashes.git_blob_sha1(blob)
    else:
        return
    if found != blob.name:
        size = blob.stat().st_size
        path.unlink(missing_ok=True)
        blob.unlink(missing_ok=True)
        raise IntegrityError(
            f"{name}: {path.name} ({size} bytes) has hash {found}, the Hub announced {blob.name}; "
            "the download was damaged on its way and has been deleted: load again to fetch it"
        )


def _tidy(path: Path, access: Access) -> None:
    """Remove what a killed download of the same file has left behind."""
    blob = _blob(path)
    leftovers = list(blob.parent.glob(f"{blob.name}.*incomplete")) if blob else []
    if not blob or not leftovers:
        return
    lock = Path(access.hub_cache) / ".locks" / blob.parent.parent.name / f"{blob.name}.lock"
    try:
        with FileLock(lock, timeout=1):
            for leftover in leftovers:
                leftover.unlink(missing_ok=True)
    except (OSError, TimeoutError) as error:
        _LOG.debug("left %s in place: %r", leftovers, error)


@contextmanager
def _explained(
    repo: str, file: str, revision: str | None, access: Access, name: str
) -> Iterator[None]:
    """Turn the client's exceptions into what happened and what to do."""
    where = f"{repo}@{revision or 'main'}"
    try:
        yield
    except hub_errors.GatedRepoError as error:
        raise CheckpointError(_gated(repo, name)) from error
    except hub_errors.RepositoryNotFoundError as error:
        raise CheckpointError(
            f"{name}: there is no repository {repo} on {constants.ENDPOINT}, or it is private and "
            "the token cannot see it; check the spelling, or log in with `hf auth login`"
        ) from error
    except hub_errors.RevisionNotFoundError as error:
        raise CheckpointError(
            f"{name}: {repo} has no branch, tag or commit called {revision!r}"
        ) from error
    except hub_errors.LocalEntryNotFoundError as error:
        raise CheckpointError(_not_cached(where, file, access, name)) from error
    except hub_errors.EntryNotFoundError as error:
        raise CheckpointError(
            f"{name}: {where} has no file {file}; the zoo loads repositories written by "
            "save_pretrained or push_to_hub, and official files by their name in `zoo list`"
        ) from error
    except hub_errors.HfHubHTTPError as error:
        raise CheckpointError(f"{name}: {constants.ENDPOINT} refused {where}: {error}") from error
    except OSError as error:
        if "onsistency check" not in str(error):
            raise CheckpointError(f"{name}: {file} of {where}: {error}") from error
        raise IntegrityError(
            f"{name}: {file} of {where} arrived truncated; nothing was kept, load again ({error})"
        ) from error


def _gated(repo: str, name: str) -> str:
    return (
        f"{name}: {repo} is gated. Three steps: 1. open {constants.ENDPOINT}/{repo} and accept its "
        f"conditions; 2. make a read token at {constants.ENDPOINT}/settings/tokens; "
        "3. run `hf auth login`, set HF_TOKEN, or pass token=..."
    )


def _not_cached(where: str, file: str, access: Access, name: str) -> str:
    fetch = f"`zoo fetch {name} --to DIR`"
    if access.offline:
        return (
            f"{name}: {file} of {where} is not in {access.hub_cache}, and no network may be used "
            f"(HF_HUB_OFFLINE=1 or local_files_only=True); run {fetch} on a machine with network "
            "and set ZOO_MODELS=DIR here"
        )
    return (
        f"{name}: {constants.ENDPOINT} cannot be reached and {file} of {where} is not in "
        f"{access.hub_cache}; check the network, or run {fetch} elsewhere and set ZOO_MODELS=DIR"
    )
