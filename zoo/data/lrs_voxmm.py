"""Reader of LRS-VoxMM, the in-the-wild benchmark (arXiv 2604.27866), under all its conditions.

    original/{train,test}/<video>/<segment>.{mp4,wav,txt}
    {noise_easy,noise_hard,3dist_easy,3dist_hard}/test/<video>/<segment>.wav

The benchmark is for evaluation. Its folder `train` is the development set, which is called `dev`
here; asking for `train` is an error. How the distorted archives unpack is not documented, so their
folders can be named.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from zoo.data.lrs_files import find_folder, list_clips, utterances
from zoo.data.utterances import CLEAN, Utterance, check_unique
from zoo.errors import DataError

logger = logging.getLogger(__name__)

NAME = "lrs-voxmm"
SPLITS = {"dev": "train", "val": "train", "valid": "train", "test": "test"}
CONDITIONS = {
    CLEAN: "original",
    "noise-easy": "noise_easy",
    "noise-hard": "noise_hard",
    "3dist-easy": "3dist_easy",
    "3dist-hard": "3dist_hard",
}
COUNTS = {"test": 2_146}
_TREES = ("", "lrs-voxmm", "LRS-VoxMM")


def read_lrs_voxmm(
    root: str | Path,
    split: str,
    condition: str = CLEAN,
    *,
    folders: Mapping[str, str] | None = None,
    incomplete: bool = False,
) -> list[Utterance]:
    """List the utterances of one split under one condition.

    Pictures and texts are always those of `original`; ids are the same under every condition.

    Args:
        root: folder that holds `original`, or the one above it.
        split: "dev" ("val", "valid") or "test".
        condition: a key of `CONDITIONS`.
        folders: condition to folder below the root, where it is not the one of `CONDITIONS`.
        incomplete: leave out clips of which a part is missing, with a warning.

    Raises:
        DataError: something is not there; the message says what.
    """
    base = Path(root)
    if split == "train":
        raise DataError(
            "LRS-VoxMM has no training split: what its archive calls train is the development set; "
            "ask for dev to tune on it, and train on another dataset"
        )
    if split not in SPLITS:
        raise DataError(f"LRS-VoxMM has no split {split!r}: dev or test")
    names = {**CONDITIONS, **(folders or {})}
    if condition not in names:
        raise DataError(f"LRS-VoxMM has no condition {condition!r}: {', '.join(names)}")
    clean = clean_folder(base, names[CLEAN])
    folder = find_folder(clean, [SPLITS[split]], "LRS-VoxMM")
    name = "dev" if SPLITS[split] == "train" else "test"
    found = utterances(base, list_clips(base, folder), NAME, name, incomplete=incomplete)
    check_unique(found, folder)
    if name in COUNTS and len(found) != COUNTS[name]:
        logger.warning(
            "%s: %d utterances instead of the %d of LRS-VoxMM %s; results of a part do not compare",
            folder,
            len(found),
            COUNTS[name],
            name,
        )
    if condition == CLEAN:
        return found
    return _distorted(base, clean.parent / names[condition], found, condition, incomplete)


def clean_folder(root: Path, name: str = CONDITIONS[CLEAN]) -> Path:
    """The folder of the undistorted clips.

    Raises:
        DataError: there is none.
    """
    return find_folder(root, [f"{tree}/{name}".lstrip("/") for tree in _TREES], "LRS-VoxMM")


def looks_like_lrs_voxmm(root: Path) -> bool:
    """Whether a folder holds `original` with a split in it."""
    return any((root / tree / CONDITIONS[CLEAN] / "test").is_dir() for tree in _TREES)


def _distorted(
    root: Path, folder: Path, clean: list[Utterance], condition: str, incomplete: bool
) -> list[Utterance]:
    """The same utterances with the sound of a distorted tree, which may lack the split's folder."""
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; expected the sound of the condition {condition} "
            f"(`zoo-{condition}` computes a stand-in from the clean sound)"
        )
    split = SPLITS[clean[0].split]
    tree = folder / split if (folder / split).is_dir() else folder
    present = [one for one in clean if (tree / f"{one.id}.wav").is_file()]
    if len(present) < len(clean):
        have = {one.id for one in present}
        first = next(one.id for one in clean if one.id not in have)
        message = f"{tree}: {len(clean) - len(present)} of {len(clean)} recordings are missing"
        if not incomplete or not present:
            raise DataError(f"{message}, the first is {first}.wav; unpack the archive again")
        logger.warning("%s; they are left out", message)
    return [
        replace(
            one,
            audio=(tree / f"{one.id}.wav").relative_to(root).as_posix(),
            condition=condition,
        )
        for one in present
    ]
