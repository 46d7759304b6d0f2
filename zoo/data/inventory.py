"""What a copy of a dataset holds: counts beside the published ones, what is missing, what to hash.

For `zoo bench prepare` and `zoo data check`:

    found = take_inventory("lrs3", root)   # or "auto"; lists files and reads texts, decodes nothing
    found.parts                            # a Part a split: counts, expected counts, problems
    found.problems                         # all of them: Problem(path, what)
    found.remarks                          # what is odd and no fault, e.g. signs in a transcript
    found.complete                         # nothing missing and every published count is met
    found.files                            # paths below the root that readers use, sorted
    hashes = hash_files(root, found.files)           # path -> sha256
    digest(hashes)                                   # one sha256 over all of them
    for problem in check_media(found): ...           # opens every clip, recording and picture

Names are those of the readers: "lrs3", "lrs2", "lrs-voxmm", "mtedx", "flickr8k", "spokencoco"; with
"tiny-" in front they are the same, and "coco" is "spokencoco". Counts of a tiny corpus are compared
with the numbers it was made with.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from zoo.data.coco import NAME as COCO
from zoo.data.coco import looks_like_spoken_coco
from zoo.data.corpora.about import ABOUT
from zoo.data.flickr8k import NAME as FLICKR8K
from zoo.data.flickr8k import TEXT_FILES
from zoo.data.lrs2 import NAME as LRS2
from zoo.data.lrs2 import looks_like_lrs2
from zoo.data.lrs3 import NAME as LRS3
from zoo.data.lrs3 import looks_like_lrs3
from zoo.data.lrs_voxmm import NAME as LRS_VOXMM
from zoo.data.lrs_voxmm import looks_like_lrs_voxmm
from zoo.data.mtedx import NAME as MTEDX
from zoo.data.mtedx import looks_like_mtedx
from zoo.errors import DataError

_LOOKS: Final[dict[str, Callable[[Path], bool]]] = {
    LRS_VOXMM: looks_like_lrs_voxmm,
    LRS2: looks_like_lrs2,
    LRS3: looks_like_lrs3,
    MTEDX: looks_like_mtedx,
    FLICKR8K: lambda root: any((root / name).is_file() for name in TEXT_FILES),
    COCO: looks_like_spoken_coco,
}
DATASETS: Final = tuple(_LOOKS)


@dataclass(frozen=True)
class Problem:
    """Something wrong with one file (its path below the root), in words."""

    path: str
    what: str


@dataclass(frozen=True)
class Part:
    """One split (and condition) of a copy.

    Attributes:
        name: e.g. "test", "test, noise-easy", "es train".
        counts: what there is, e.g. {"clips": 1321} or {"pictures": 1000, "recordings": 5000}.
        expected: the same as published (or as a tiny corpus was made); a name it lacks is unknown.
        files: paths below the root that the reader uses.
        problems: missing and broken files.
        remarks: what is odd and may be so in the original, too (signs in a transcript).
    """

    name: str
    counts: Mapping[str, int]
    expected: Mapping[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    remarks: tuple[Problem, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is missing and the known counts are met."""
        met = all(self.counts.get(name) == count for name, count in self.expected.items())
        return met and not self.problems


@dataclass(frozen=True)
class Inventory:
    """A copy of a dataset."""

    dataset: str
    root: Path
    parts: tuple[Part, ...]

    @property
    def files(self) -> list[str]:
        """Every file that readers use, sorted, once."""
        return sorted({path for part in self.parts for path in part.files})

    @property
    def problems(self) -> list[Problem]:
        """What is wrong, part by part."""
        return list(dict.fromkeys(problem for part in self.parts for problem in part.problems))

    @property
    def remarks(self) -> list[Problem]:
        """What is odd, part by part."""
        return list(dict.fromkeys(remark for part in self.parts for remark in part.remarks))

    @property
    def complete(self) -> bool:
        """Whether every part is."""
        return all(part.complete for part in self.parts)


def take_inventory(dataset: str, root: str | Path) -> Inventory:
    """List what a copy has and what it lacks, without decoding anything.

    Raises:
        DataError: unknown dataset, no such folder, or a folder without any part of it.
    """
    from zoo.data import surveys

    base = Path(root)
    name = dataset_name(dataset, base)
    parts = surveys.SURVEYS[name](base)
    if not parts:
        raise DataError(f"{base} holds no part of {name}: name the folder its archives unpack into")
    return Inventory(name, base, tuple(_with_made_counts(part, name, base) for part in parts))


def dataset_name(dataset: str, root: Path) -> str:
    """The reader's name of a dataset; "auto" looks at the folder.

    Raises:
        DataError: unknown name, or a folder that holds none of them.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; expected the root of {dataset}")
    if dataset == "auto":
        found = next((name for name, looks_like in _LOOKS.items() if looks_like(root)), None)
        if found is None:
            raise DataError(f"{root} holds none of {', '.join(DATASETS)}: name its folder")
        return found
    name = dataset.removeprefix("tiny-")
    name = COCO if name == "coco" else name
    if name not in _LOOKS:
        raise DataError(f"there is no reader of {dataset!r}; there are: {', '.join(DATASETS)}")
    return name


def hash_files(
    root: str | Path, files: Iterable[str], done: Callable[[str], None] | None = None
) -> dict[str, str]:
    """sha256 of files below a root, several at a time; `done` is told each path.

    Raises:
        DataError: a file cannot be read.
    """
    base = Path(root)

    def one(path: str) -> tuple[str, str]:
        try:
            with (base / path).open("rb") as stream:
                value = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"{base / path} cannot be read: {error.strerror or error}") from error
        if done is not None:
            done(path)
        return path, value

    with ThreadPoolExecutor(_threads()) as pool:
        return dict(pool.map(one, files))


def digest(hashes: Mapping[str, str]) -> str:
    """One sha256 over paths and hashes, whatever their order."""
    lines = (f"{path}\0{value}\n" for path, value in sorted(hashes.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_media(found: Inventory, done: Callable[[str], None] | None = None) -> list[Problem]:
    """Open every file of a copy and say what is wrong, in the order of the files.

    Clips must be readable, have 25 frames a second and the size of the dataset (or 96 x 96, ready
    cropped), and last as long as their sound (within 0.2 s); recordings and pictures must open.
    """
    from zoo.data.surveys import check_file

    def one(path: str) -> list[Problem]:
        problems = [Problem(path, what) for what in check_file(found.root, path, found.dataset)]
        if done is not None:
            done(path)
        return problems

    with ThreadPoolExecutor(_threads()) as pool:
        return [problem for problems in pool.map(one, found.files) for problem in problems]


def _threads() -> int:
    return min(8, os.cpu_count() or 1)


def _with_made_counts(part: Part, dataset: str, root: Path) -> Part:
    """A tiny corpus is compared with what it was made with, not with the real one."""
    about = root / ABOUT
    if not about.is_file() or dataset == MTEDX:
        return part
    sizes: dict[str, Any] = json.loads(about.read_text(encoding="utf-8"))["sizes"]
    made = {
        LRS3: {"trainval": sizes["train"] + sizes["dev"], "test": sizes["test"]},
        LRS_VOXMM: {"dev": sizes["train"] + sizes["dev"], "test": sizes["test"]},
    }.get(dataset, {**sizes, "val": sizes["dev"]})
    count = made.get(part.name.partition(",")[0])
    expected = {} if count is None else {next(iter(part.counts)): count}
    return replace(part, expected=expected)
