"""`zoo data check` and `zoo bench prepare`: is a user's copy whole, and which bytes is it?

What a copy holds and lacks is `zoo.data.inventory`; a manifest also has the hash of every file, by
which two copies can be compared. Nothing is changed or downloaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from zoo.bench.progress import progress_bar
from zoo.bench.resume import write_atomically
from zoo.data.inventory import (
    Inventory,
    Part,
    Problem,
    check_media,
    digest,
    hash_files,
    take_inventory,
)

if TYPE_CHECKING:
    from rich.console import Group

SCHEMA: Final = 1
_SHOWN: Final = 20
_KINDS: Final = ("problems", "remarks")


def prepare_dataset(
    name: str,
    root: str | Path,
    out: str | Path | None = None,
    *,
    media: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Check a copy of a dataset, and hash it where its manifest is wanted.

    Args:
        name: lrs3, lrs2, lrs-voxmm, mtedx, flickr8k, coco, or auto.
        root: its folder.
        out: where to write the manifest (JSON); None hashes and writes nothing.
        media: open every file as well; slow, and finds what a download cut off.
        progress: show a progress bar.

    Returns:
        The manifest: `complete`; for each split what was found and expected, what is wrong, and
        one sha256; and `files` with `bytes` and `sha256` (None where nothing was hashed).

    Raises:
        DataError: no such dataset, or the folder is not one of it at all.
    """
    found = take_inventory(name, root)
    broken = _open_all(found, progress) if media else []
    if out is None:
        return _manifest(found, broken, {})
    with progress_bar("hashing", len(found.files), shown=progress) as advance:
        hashes = hash_files(found.root, found.files, _each(advance))
    body = _manifest(found, broken, hashes)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(Path(out), json.dumps(body, indent=1, ensure_ascii=False) + "\n")
    return body


def _open_all(found: Inventory, progress: bool) -> list[Problem]:
    with progress_bar("opening", len(found.files), shown=progress) as advance:
        return check_media(found, _each(advance))


def _each(advance: Callable[[], object]) -> Callable[[str], None]:
    """The bar's step as what is told each path."""

    def told(path: str) -> None:
        advance()

    return told


def _manifest(
    found: Inventory, broken: Sequence[Problem], hashes: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "dataset": found.dataset,
        "complete": found.complete and not broken,
        "splits": {part.name: _part(found, part, broken, hashes) for part in found.parts},
        "files": {
            path: {"bytes": (found.root / path).stat().st_size, "sha256": hashes.get(path)}
            for path in found.files
        },
    }


def _part(
    found: Inventory, part: Part, broken: Sequence[Problem], hashes: Mapping[str, str]
) -> dict[str, Any]:
    own = set(part.files)
    problems = [*part.problems, *(one for one in broken if one.path in own)]
    return {
        "found": dict(part.counts),
        "expected": dict(part.expected),
        "complete": part.complete and len(problems) == len(part.problems),
        "problems": [_words(found.root, one) for one in problems],
        "remarks": [_words(found.root, one) for one in part.remarks],
        "sha256": digest({path: hashes[path] for path in part.files}) if hashes else None,
    }


def _words(root: Path, problem: Problem) -> str:
    return f"{problem.path}: {problem.what}".replace(f"{root}/", "")


def summary_of(manifest: Mapping[str, Any]) -> Group:
    """A line a split with what there is and what there should be; then what is wrong or odd."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    splits: Mapping[str, Any] = manifest["splits"]
    table = Table("split", "found", "whole copy", "", title=f"{manifest['dataset']}")
    for split, about in splits.items():
        state = "ok" if about["complete"] else "incomplete"
        table.add_row(split, _counts(about["found"]), _counts(about["expected"]), state)
    said = [text for kind in _KINDS for about in splits.values() for text in about[kind]]
    lines = list(dict.fromkeys(said))
    more = [f"... and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return Group(table, *(Text(line) for line in (*lines[:_SHOWN], *more)))


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {what}" for what, number in counts.items()) or "?"
