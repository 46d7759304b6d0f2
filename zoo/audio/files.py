"""What every media reader and writer asks of a file before and after it touches it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer

from zoo.errors import MediaError

# writers that cannot seek back (pipes) leave one of the sizes above this in a RIFF header
_RIFF_SIZE_UNKNOWN = 0x7FFFF000
_OGG_LAST_PAGE = 4  # header-type bit of the page that ends a logical stream
_OGG_PAGE_MAX = 65307  # bytes, RFC 3533


def check_file(path: object, kind: str) -> Path:
    """Return `path` as a `Path` to a readable file that is not empty.

    Args:
        path: what the caller gave.
        kind: what the file should be, for the message ("a recording", "a video").

    Raises:
        MediaError: wrong type, missing, a folder, not readable, or of zero length.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise MediaError(f"expected a path to {kind}, got {type(path).__name__}; pass str or Path")
    path = Path(os.fspath(path))
    if path.is_dir():
        raise MediaError(f"{path}: is a folder; expected {kind}, pass one file of it")
    if not path.exists():
        raise MediaError(f"{path}: no such file; expected {kind}, check the path")
    if not os.access(path, os.R_OK):
        raise MediaError(f"{path}: not readable; expected {kind}, check the file's permissions")
    if path.stat().st_size == 0:
        raise MediaError(f"{path}: empty file (0 bytes); expected {kind}, copy or record it again")
    return path


def open_container(path: Path, kind: str) -> InputContainer:
    """Open a media file with PyAV.

    Raises:
        MediaError: the file is none that FFmpeg can read, or it is cut off before its index.
    """
    check_complete(path)
    try:
        container = av.open(str(path), mode="r")
    except (av.FFmpegError, OSError) as error:
        raise MediaError(
            f"{path}: cannot be read as {kind} ({_reason(error)}); it is damaged, truncated or of "
            "an unknown format. Copy it again or convert it to wav or mp4"
        ) from error
    _check_index(path, container)
    return container


def _check_index(path: Path, container: InputContainer) -> None:
    """An mp4 with its index in front still opens when the end is missing."""
    size = path.stat().st_size
    for stream in container.streams:
        entries = stream.index_entries
        if "mp4" in container.format.name and len(entries):
            want = entries[-1].pos + entries[-1].size
            if want > size:
                raise truncated(path, f"{size} bytes", f"at least {want}")


def damaged(path: Path, kind: str, error: Exception) -> MediaError:
    """The error for a file whose contents stop making sense halfway."""
    return MediaError(
        f"{path}: damaged or truncated, {kind} cannot be decoded to the end ({_reason(error)}); "
        "copy the file again"
    )


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def truncated(path: Path, have: str, want: str) -> MediaError:
    """The error for a file that ends before the end its own header announces."""
    return MediaError(f"{path}: truncated, holds {have} of {want}; copy the file again")


def check_complete(path: Path) -> None:
    """Compare the size that a wav, avi or ogg file announces with the size it has.

    Raises:
        MediaError: the file ends too early. FFmpeg and libsndfile would silently give what is left.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF" and len(head) >= 8:
            want = struct.unpack("<I", head[4:8])[0] + 8
            if size < want < _RIFF_SIZE_UNKNOWN:
                raise truncated(path, f"{size} bytes", f"{want}")
        if head[:4] == b"OggS":
            file.seek(max(0, size - 2 * _OGG_PAGE_MAX))
            _check_ogg_end(path, file.read())


def _check_ogg_end(path: Path, tail: bytes) -> None:
    """An ogg stream ends with a whole page that carries the end-of-stream flag."""
    at = tail.rfind(b"OggS")
    page = tail[at:] if at >= 0 else b""
    segments = page[27 : 27 + page[26]] if len(page) > 27 else b""
    whole = len(page) > 27 and len(page) >= 27 + page[26] + sum(segments)
    if not (whole and page[5] & _OGG_LAST_PAGE):
        raise MediaError(f"{path}: truncated, the stream has no closing page; copy the file again")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, and move it there if the block succeeds.

    An interrupted write so leaves the old file, or none, and never half a file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
