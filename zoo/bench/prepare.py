"""`zoo bench prepare`: is a user's copy of a dataset whole, and which bytes is it?

What a copy holds and lacks is `zoo.data.inventory`; here every file is hashed as well and the list
goes to a manifest, by which two copies can be compared. Nothing is changed or downloaded.
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
    from rich.table import Table

SCHEMA: Final = 1
_SHOWN: Final = 10


def prepare_dataset(
    name: str,
    root: str | Path,
    out: str | Path,
    *,
    media: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Check a copy of a dataset and write its manifest.

    Args:
        name: lrs3, lrs2, lrs-voxmm, mtedx, flickr8k, coco, or auto.
        root: its folder.
        out: the manifest (JSON).
        media: open every file as well; slow, and finds what a download cut off.
        progress: show a progress bar.

    Returns:
        The manifest: `complete`; for each split what was found and expected, what is wrong, and
        one sha256; and `files` with `bytes` and `sha256`.

    Raises:
        DataError: no such dataset, or the folder is not one of it at all.
    """
    found = take_inventory(name, root)
    broken = _open_all(found, progress) if media else []
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
            path: {"bytes": (found.root / path).stat().st_size, "sha256": hashes[path]}
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
        "sha256": digest({path: hashes[path] for path in part.files}),
    }


def _words(root: Path, problem: Problem) -> str:
    return f"{problem.path}: {problem.what}".replace(f"{root}/", "")


def summary_of(manifest: Mapping[str, Any]) -> Table:
    """A line a split: how many there are, how many there should be, what is wrong."""
    from rich.table import Table

    table = Table(title=f"{manifest['dataset']}: {len(manifest['files'])} files")
    for heading in ("split", "found", "whole copy", "what is missing"):
        table.add_column(heading, overflow="fold")
    for split, about in manifest["splits"].items():
        problems = list(about["problems"])
        lines = problems[:_SHOWN]
        if len(problems) > _SHOWN:
            lines.append(f"and {len(problems) - _SHOWN} more")
        wanting = "nothing" if about["complete"] else "clips, see the counts"
        table.add_row(
            split, _counts(about["found"]), _counts(about["expected"]), "\n".join(lines) or wanting
        )
    return table


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {what}" for what, number in counts.items()) or "?"
