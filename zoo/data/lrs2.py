"""Reader of LRS2-BBC as its archive unpacks: `mvlrs_v1/{main,pretrain}` and four lists of clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from zoo.data.lrs_files import find_folder, list_clips, pick, read_id_list, utterances
from zoo.data.utterances import Utterance, check_unique
from zoo.errors import DataError

NAME = "lrs2"
SPLITS = {
    **{name: name for name in ("pretrain", "train", "train+pretrain", "val", "test")},
    "dev": "val",
    "valid": "val",
}
COUNTS = {"pretrain": 96_318, "train": 45_839, "val": 1_082, "test": 1_243}
_TREE = "mvlrs_v1"


def read_lrs2(root: str | Path, split: str, *, incomplete: bool = False) -> list[Utterance]:
    """List the utterances of one split, in the order of its list.

    Args:
        root: `mvlrs_v1`, or the folder above it; `train.txt`, `val.txt`, `test.txt` and
            `pretrain.txt` lie in either.
        split: "pretrain", "train" (main only), "train+pretrain", "val" ("dev", "valid") or "test".
        incomplete: leave out clips whose text or video is missing, with a warning.

    Raises:
        DataError: something is not there; the message says what.
    """
    base = Path(root)
    if split not in SPLITS:
        raise DataError(f"LRS2 has no split {split!r}: {', '.join(SPLITS)}")
    split = SPLITS[split]
    if split == "train+pretrain":
        main, pretrain = (read_lrs2(base, name, incomplete=incomplete) for name in split.split("+"))
        # a video may give both a pretrain and a main clip of one number
        return main + [replace(one, id=f"pretrain/{one.id}") for one in pretrain]
    part = "pretrain" if split == "pretrain" else "main"
    folder = find_folder(base, [part, f"{_TREE}/{part}"], "LRS2")
    listing = list_file(base, folder.parent, split)
    clips = pick(list_clips(base, folder), read_id_list(listing), folder)
    found = utterances(base, clips, NAME, split, incomplete=incomplete)
    check_unique(found, base)
    return found


def looks_like_lrs2(root: Path) -> bool:
    """Whether a folder holds LRS2's `main` or `pretrain` folder and its lists."""
    return any((place / "main").is_dir() for place in (root, root / _TREE)) and any(
        (place / "test.txt").is_file() for place in (root, root / _TREE, root.parent)
    )


def list_file(root: Path, tree: Path, split: str) -> Path:
    """The list of a split; `tree` is the folder that holds `main`.

    Raises:
        DataError: there is none.
    """
    for place in (root, tree, root.parent):
        if (place / f"{split}.txt").is_file():
            return place / f"{split}.txt"
    raise DataError(
        f"{root} lacks {split}.txt, which lists the clips of the split and comes with LRS2: put it "
        f"into {tree}"
    )
