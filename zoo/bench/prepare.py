"""`zoo bench prepare`: is a user's copy of a dataset whole, and which bytes is it?

Counts what the readers find in every split, looks at each file, hashes it, and says what is
missing. Nothing is changed or downloaded. The list of files with their sha256 goes to one JSON
file, by which two copies can be compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from zoo.bench.progress import progress_bar
from zoo.bench.resume import write_atomically
from zoo.bench.samples import READERS, reader_of
from zoo.data import lrs2, lrs3, lrs_voxmm
from zoo.data.lrs_files import list_clips
from zoo.data.manifest import ImageEntry
from zoo.data.utterances import CLEAN
from zoo.errors import BenchError, DataError, MediaError

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA: Final = 1
_BLOCK: Final = 1 << 20
_SHOWN: Final = 10
_PICTURES: Final = (".jpg", ".jpeg", ".png")
_VIDEOS: Final = (".mp4", ".avi", ".mpg")


@dataclass(frozen=True)
class Layout:
    """What a whole copy has: splits with their sizes (None where it is not fixed), conditions."""

    counts: Mapping[str, int | None]
    conditions: tuple[str, ...] = (CLEAN,)
    required: tuple[str, ...] = ()
    """Splits without which a copy is not usable; others may be absent."""
    unit: str = "clips"


def layout_of(name: str) -> Layout:
    """The layout of a dataset.

    Raises:
        BenchError: it is not one of `READERS`.
    """
    if name not in READERS:
        raise BenchError(f"no dataset is called {name!r}; known: {', '.join(READERS)}")
    if name == "flickr8k":
        sizes = {"train": 6000, "dev": 1000, "test": 1000}
        return Layout(sizes, required=("test",), unit="pictures")
    if name == "coco":
        sizes = {"train": 113_287, "val": 5000, "test": 5000}
        return Layout(sizes, required=("test",), unit="pictures")
    if name == "lrs-voxmm":
        counts = {"dev": None, **lrs_voxmm.COUNTS}
        return Layout(counts, tuple(lrs_voxmm.CONDITIONS), required=("test",))
    return Layout(dict(lrs2.COUNTS if name == "lrs2" else lrs3.COUNTS), required=("test",))


def prepare_dataset(
    name: str,
    root: str | Path,
    out: str | Path,
    *,
    splits: Sequence[str] | None = None,
    decode: bool = False,
    workers: int = 8,
    progress: bool = True,
) -> dict[str, Any]:
    """Check a copy of a dataset and write its manifest.

    Args:
        name: lrs3, lrs2, lrs-voxmm, flickr8k or coco.
        root: its folder.
        out: the manifest (JSON).
        splits: look at these alone.
        decode: open every file as well; slow, and finds what a download cut off.
        workers: files in work at once.
        progress: show a progress bar.

    Returns:
        The manifest: `complete`, per split `found`, `expected` and `problems`, and `files` with
        `bytes` and `sha256`.

    Raises:
        BenchError: no such dataset or split.
        DataError: the folder is not one of this dataset at all.
    """
    base, layout = Path(root), layout_of(name)
    if not base.is_dir():
        raise DataError(f"{base}: no such folder; expected the root of {name}")
    wrong = [split for split in splits or () if split not in layout.counts]
    if wrong:
        raise BenchError(f"{name} has no split {wrong[0]!r}: {', '.join(layout.counts)}")
    parts = [
        _look(name, base, layout, split, condition)
        for split in splits or layout.counts
        for condition in (layout.conditions if split == "test" else (CLEAN,))
    ]
    files = _hash_all(
        base, sorted({f for part in parts for f in part.files}), decode, workers, progress
    )
    body = _manifest(name, layout, parts, files)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(Path(out), json.dumps(body, indent=1, ensure_ascii=False) + "\n")
    return body


@dataclass(frozen=True)
class _Part:
    """One split under one condition."""

    split: str
    condition: str
    expected: int | None
    required: bool
    found: int
    files: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def name(self) -> str:
        """`split`, or `split/condition`."""
        return self.split if self.condition == CLEAN else f"{self.split}/{self.condition}"


def _look(name: str, root: Path, layout: Layout, split: str, condition: str) -> _Part:
    """What a reader finds of a split, and what it complains about."""
    expected = layout.counts[split]
    reader = reader_of(name)
    if condition != CLEAN:
        reader = partial(reader, condition=condition)
    problems: list[str] = []
    entries = _read(reader, root, split, problems)
    if expected is not None and entries and len(entries) != expected:
        problems.append(f"{len(entries)} {layout.unit} instead of {expected}")
    files = sorted({file for entry in entries for file in files_of(entry)})
    required = split in layout.required and condition == CLEAN
    if split == "test" and (silent := _unspoken(entries)):
        problems.append(f"{silent} captions without a recording")
    if entries and layout.unit == "clips" and condition == CLEAN:
        problems += _incomplete(root, entries[0].video or "")
    return _Part(split, condition, expected, required, len(entries), tuple(files), tuple(problems))


def _read(
    reader: Callable[..., Sequence[Any]], root: Path, split: str, problems: list[str]
) -> Sequence[Any]:
    """Read strictly; where that fails note why, and take what is whole."""
    try:
        return reader(root, split)
    except DataError as error:
        problems.append(str(error).replace(f"{root}/", "").replace(str(root), "the folder"))
    try:
        return reader(root, split, incomplete=True)
    except (DataError, TypeError):  # there is nothing, or this reader takes all or nothing
        return []


def _unspoken(entries: Sequence[Any]) -> int:
    pictures = [entry for entry in entries if isinstance(entry, ImageEntry)]
    return sum(caption.wav is None for entry in pictures for caption in entry.captions)


def _incomplete(root: Path, video: str) -> list[str]:
    """Clips of a split's folder that lack a part, by name."""
    folder = (root / video).parent.parent
    lacking = {
        ending: [clip.id for clip in list_clips(root, folder) if ending not in clip.files]
        for ending in (".mp4", ".txt")
    }
    return [f"without {ending}: {_some(ids)}" for ending, ids in lacking.items() if ids]


def files_of(entry: Any) -> list[str]:
    """The media files of an entry of a reader, relative to the root."""
    if isinstance(entry, ImageEntry):
        return [entry.image, *(c.wav for c in entry.captions if c.wav)]
    return [path for path in (entry.video, entry.audio) if path]


def _hash_all(
    root: Path, files: Sequence[str], decode: bool, workers: int, progress: bool
) -> dict[str, dict[str, Any]]:
    with (
        progress_bar("hashing", len(files), shown=progress) as advance,
        ThreadPoolExecutor(max(1, workers)) as pool,
    ):
        found = {}
        for file, about in zip(
            files, pool.map(partial(_look_at, root, decode), files), strict=True
        ):
            found[file] = about
            advance()
    return found


def _look_at(root: Path, decode: bool, file: str) -> dict[str, Any]:
    """Size and sha256 of a file, or what is wrong with it."""
    path = root / file
    try:
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
                size += len(block)
        if not size:
            return {"error": "empty file"}
        if decode:
            _open(path)
    except OSError as error:
        return {"error": error.strerror or str(error)}
    except MediaError as error:
        return {"error": str(error).replace(f"{root}/", "")}
    return {"bytes": size, "sha256": digest.hexdigest()}


def _open(path: Path) -> None:
    """Decode a file to its end."""
    if path.suffix.lower() in _PICTURES:
        from zoo.video import load_image

        load_image(path)
    elif path.suffix.lower() in _VIDEOS:
        from zoo.video import stream_video

        for _ in stream_video(path):
            pass
    else:
        from zoo.audio import stream_audio

        for _ in stream_audio(path):
            pass


def _manifest(
    name: str,
    layout: Layout,
    parts: Sequence[_Part],
    files: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    good = {file: about for file, about in files.items() if "error" not in about}
    bad = {file: about["error"] for file, about in files.items() if "error" in about}
    splits = {
        part.name: {
            "found": part.found,
            "expected": part.expected,
            "problems": list(part.problems),
            "unreadable": {file: bad[file] for file in part.files if file in bad},
            "sha256": _digest((file, good[file]["sha256"]) for file in part.files if file in good),
        }
        for part in parts
    }
    required = [splits[part.name] for part in parts if part.required or part.found]
    complete = all(s["found"] and not s["problems"] and not s["unreadable"] for s in required)
    return {
        "schema": SCHEMA,
        "dataset": name,
        "unit": layout.unit,
        "complete": bool(required) and complete,
        "splits": splits,
        "files": good,
    }


def _digest(pairs: Iterable[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    for file, value in pairs:
        digest.update(f"{value}  {file}\n".encode())
    return digest.hexdigest()


def _some(ids: Sequence[str]) -> str:
    rest = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return ", ".join(ids[:_SHOWN]) + rest


def summary_of(manifest: Mapping[str, Any]) -> Table:
    """A line a split: how many there are, how many there should be, what is wrong."""
    from rich.table import Table

    table = Table(title=f"{manifest['dataset']}: {len(manifest['files'])} files")
    for heading in ("split", manifest["unit"], "whole copy", "what is missing"):
        table.add_column(heading, overflow="fold")
    for split, about in manifest["splits"].items():
        problems = list(about["problems"])
        if about["unreadable"]:
            problems.append(f"unreadable: {_some(list(about['unreadable']))}")
        expected = "" if about["expected"] is None else str(about["expected"])
        table.add_row(split, str(about["found"]), expected, "\n".join(problems) or "nothing")
    return table
