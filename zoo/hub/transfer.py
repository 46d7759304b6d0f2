"""Downloads from plain addresses and from Google Drive: resumed, locked, renamed when whole."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from filelock import FileLock

from zoo._version import __version__
from zoo.errors import CheckpointError, IntegrityError
from zoo.hub import hashes
from zoo.hub.entry import RemoteFile
from zoo.hub.paths import PathLike

_LOG: Final = logging.getLogger(__name__)
_CHUNK: Final = 1 << 16
_ATTEMPTS: Final = 5
_FIRST_PAUSE = 1.0  # seconds; doubles with each attempt
_TIMEOUT: Final = (10.0, 60.0)
_RETRY_STATUS: Final = (408, 429, 500, 502, 503, 504)
Fetch = Callable[[Path], None]


def download_url(
    url: str, path: Path, *, file: RemoteFile, name: str, cache_dir: PathLike | None = None
) -> Path:
    """Download `url` to `path`, continuing what an earlier, interrupted call has left.

    Args:
        url: http or https.
        path: final name; bytes arrive in `<path>.part` and are renamed when whole and checked.
        file: what is known of the file (length, sha256).
        name: how errors call the checkpoint.
        cache_dir: where hashes are remembered.

    Raises:
        CheckpointError: the server cannot be reached or refuses.
        IntegrityError: the file is truncated, another one, or a web page.
    """
    return _guarded(path, file, name, cache_dir, lambda part: _get(url, part, file, name))


def download_drive(
    drive_id: str, path: Path, *, file: RemoteFile, name: str, cache_dir: PathLike | None = None
) -> Path:
    """Download a Google Drive file through gdown; otherwise like `download_url`."""
    return _guarded(path, file, name, cache_dir, lambda part: _gdown(drive_id, part, file, name))


def _guarded(
    path: Path, file: RemoteFile, name: str, cache_dir: PathLike | None, fetch: Fetch
) -> Path:
    """Run `fetch` under a lock; only a whole, checked file gets its final name."""
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with FileLock(path.with_name(f"{path.name}.lock")):
        if path.is_file():  # another process was faster
            return path
        fetch(part)
        digest = _check(part, file, name)
        os.replace(part, path)
        _validator(part).unlink(missing_ok=True)
    hashes.remember(path, digest, cache_dir=cache_dir)
    return path


def _check(part: Path, file: RemoteFile, name: str) -> str:
    size = part.stat().st_size
    digest = hashes.digest(part)
    problem = _problem(part, size, digest, file)
    if problem:
        part.unlink()
        _validator(part).unlink(missing_ok=True)
        raise IntegrityError(f"{name}: {file.path}: {problem}; what arrived was deleted")
    return digest


def _problem(part: Path, size: int, digest: str, file: RemoteFile) -> str | None:
    if _is_web_page(part):
        return "the server sent a web page instead of the file (a login or an expired link)"
    if file.bytes is not None and size != file.bytes:
        return f"{size} bytes arrived, expected {file.bytes}"
    if file.sha256 is not None and digest != file.sha256.lower():
        return f"sha256 is {digest}, expected {file.sha256} ({size} bytes)"
    return None


def _is_web_page(part: Path) -> bool:
    with part.open("rb") as stream:
        head = stream.read(512).lstrip().lower()
    return head.startswith((b"<!doctype html", b"<html"))


def _get(url: str, part: Path, file: RemoteFile, name: str) -> None:
    import requests

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _get_once(url, part, file)
            return
        except (requests.RequestException, _Interrupted) as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            final = status is not None and status not in _RETRY_STATUS
            if final or attempt == _ATTEMPTS:
                raise CheckpointError(
                    f"{name}: {url} could not be downloaded ({error}); what has arrived is kept, "
                    "and the next call continues from there"
                ) from error
            _LOG.warning("%s: %s; trying again", url, error)
            time.sleep(_FIRST_PAUSE * 2 ** (attempt - 1))


class _Interrupted(Exception):
    """The connection ended before the file was whole."""


def _get_once(url: str, part: Path, file: RemoteFile) -> None:
    """One request: the whole file, or what is missing of it."""
    import requests

    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": f"zoo/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if _validator(part).exists():
            headers["If-Range"] = _validator(part).read_text(encoding="utf-8")
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        _refuse_downgrade(url, response.url)
        if response.status_code == 416:
            if _range_total(response.headers.get("Content-Range", "")) == have:
                return
            part.unlink()
            raise _Interrupted("the partial file does not fit the server's any more")
        response.raise_for_status()
        start = have if _continues(response, have) else 0
        _keep_validator(part, response)
        _receive(response, part, start, file)


def _continues(response: Any, have: int) -> bool:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return response.status_code == 206 and match is not None and int(match[1]) == have


def _range_total(header: str) -> int | None:
    match = re.search(r"/(\d+)$", header)
    return int(match[1]) if match else None


def _receive(response: Any, part: Path, start: int, file: RemoteFile) -> None:
    from huggingface_hub.utils.tqdm import tqdm

    length = response.headers.get("Content-Length")
    total = start + int(length) if length is not None else file.bytes
    with (
        part.open("ab" if start else "wb") as stream,
        tqdm(  # type: ignore[no-untyped-call]
            total=total, initial=start, unit="B", unit_scale=True, desc=file.path
        ) as bar,
    ):
        for chunk in response.iter_content(_CHUNK):
            stream.write(chunk)
            bar.update(len(chunk))
    size = part.stat().st_size
    if total is not None and size < total:
        raise _Interrupted(f"the connection ended after {size} of {total} bytes")


def _validator(part: Path) -> Path:
    return part.with_name(f"{part.name}.validator")


def _keep_validator(part: Path, response: Any) -> None:
    """Note which version of the file is arriving, so that a later call can ask for its rest."""
    etag = response.headers.get("ETag", "")
    value = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
    if value:
        _validator(part).write_text(value, encoding="utf-8")
    else:
        _validator(part).unlink(missing_ok=True)


def _refuse_downgrade(asked: str, answered: str) -> None:
    if urlsplit(asked).scheme == "https" and urlsplit(answered).scheme != "https":
        raise CheckpointError(f"{asked} redirects to {answered}, which is not encrypted; refused")


def _gdown(drive_id: str, part: Path, file: RemoteFile, name: str) -> None:
    import gdown
    import requests

    try:
        gdown.download(
            id=drive_id,
            output=str(part),
            resume=True,
            retries=_ATTEMPTS,
            timeout=_TIMEOUT,
            use_cookies=False,
        )
    except (gdown.exceptions.DownloadError, requests.RequestException, OSError) as error:
        raise CheckpointError(
            f"{name}: Google Drive did not hand out {file.path} (id {drive_id}): {error}. Drive "
            "limits how often a file is fetched: try tomorrow, or download "
            f"https://drive.google.com/file/d/{drive_id}/view in a browser, save it as "
            f"DIR/{name}/{file.path} and set ZOO_MODELS=DIR"
        ) from error
