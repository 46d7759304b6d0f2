"""Reader of LRS3-TED as its archives unpack: `{pretrain,trainval,test}/<video>/<segment>.{mp4,txt}`.

The dataset can no longer be downloaded; the zoo reads copies that users have. It has no official
validation part; papers take it from `trainval`, each by a list of its own.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from zoo.data.lrs_files import Clip, find_folder, list_clips, pick, read_id_list, utterances
from zoo.data.utterances import Utterance, check_unique
from zoo.errors import DataError

logger = logging.getLogger(__name__)

NAME = "lrs3"
FOLDERS = ("pretrain", "trainval", "test")
SPLITS = {
    **{name: name for name in (*FOLDERS, "train", "train30", "valid")},
    "dev": "valid",
    "val": "valid",
}
# lists of validation ids that papers hand out: AV-HuBERT (1,200 ids), AV-RelScore (1,000)
VALID_LISTS = ("lrs3-valid.id", "val.txt", "valid.txt")
COUNTS = {"pretrain": 118_516, "trainval": 31_982, "test": 1_321}  # version 0.4
_VALID_CLIPS = 1_200
_VALID_SHARE = 0.04


def read_lrs3(
    root: str | Path,
    split: str,
    *,
    valid_ids: str | Path | Sequence[str] | None = None,
    incomplete: bool = False,
) -> list[Utterance]:
    """List the utterances of one split.

    Args:
        root: folder that holds `pretrain`, `trainval` and `test` (not all need to be there).
        split: a folder, or "train" (pretrain and trainval without validation, "433 h"), "train30"
            (trainval without validation), "valid" ("dev", "val").
        valid_ids: the validation utterances of trainval, or a file that lists them. None takes a
            list of `VALID_LISTS` below the root, else whole videos chosen by a hash of their id
            (about 1,200 clips, 4 % of a smaller copy).
        incomplete: leave out clips whose text or video is missing, with a warning.

    Raises:
        DataError: something is not there; the message says what.
    """
    base = Path(root)
    if split not in SPLITS:
        raise DataError(f"LRS3 has no split {split!r}: {', '.join(SPLITS)}")
    split = SPLITS[split]
    if split in FOLDERS:
        clips = _clips(base, split)
    else:
        trainval = _clips(base, "trainval")
        held_out = set(_valid_ids(base, trainval, valid_ids))
        if split == "valid":
            clips = pick(trainval, sorted(held_out), base / "trainval")
        else:
            kept = [clip for clip in trainval if clip.id not in held_out]
            has_pretrain = split == "train" and (base / "pretrain").is_dir()
            clips = (_clips(base, "pretrain") if has_pretrain else []) + kept
    found = utterances(base, clips, NAME, split, incomplete=incomplete)
    check_unique(found, base)
    return found


def read_cross_pairs(path: str | Path) -> list[tuple[str, str]]:
    """Read AlignDiT's LRS3-cross list: ids (reference, target) of two clips of one video.

    Its lines are `<video>_<reference>_<target>`; the id of a video may hold "_", so lines are taken
    apart from the right.

    Raises:
        DataError: a line is something else; the message names file and line.
    """
    pairs = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        parts = line.strip().rsplit("_", 2)
        if line.strip() and not (len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit()):
            raise DataError(f"{path}:{number} is not `<video>_<reference>_<target>`")
        if line.strip():
            video, reference, target = parts
            pairs.append((f"{video}/{reference}", f"{video}/{target}"))
    return pairs


def looks_like_lrs3(root: Path) -> bool:
    """Whether a folder holds LRS3's split folders with numbered clips."""
    return any(next((root / name).glob("*/[0-9]*.txt"), None) for name in FOLDERS)


def _clips(root: Path, folder: str) -> list[Clip]:
    return list_clips(root, find_folder(root, [folder], "LRS3"))


def _valid_ids(
    root: Path, trainval: Sequence[Clip], given: str | Path | Sequence[str] | None
) -> list[str]:
    if isinstance(given, (str, Path)):
        if not Path(given).is_file():
            raise DataError(f"{given}: no such file; expected a list of validation ids")
        return read_id_list(Path(given))
    if given is not None:
        return list(given)
    for name in VALID_LISTS:
        if (root / name).is_file():
            return read_id_list(root / name)
    return _chosen_by_hash(trainval)


def _chosen_by_hash(trainval: Sequence[Clip]) -> list[str]:
    """Whole videos, so that no speaker is in both parts, in the order of a hash of their id.

    At least one video, and of a copy with a single video one clip, stays for training.
    """
    ids = [clip.id for clip in trainval]
    groups: dict[str, list[str]] = {}
    for name in ids:
        groups.setdefault(name.rpartition("/")[0], []).append(name)
    if len(groups) == 1:
        logger.warning("trainval has a single video, so validation has its speaker as well")
        groups = {name: [name] for name in ids}
    wanted = min(_VALID_CLIPS, max(1, round(_VALID_SHARE * len(ids))))
    chosen: list[str] = []
    for key in sorted(groups, key=lambda name: hashlib.sha256(name.encode()).digest())[:-1]:
        if len(chosen) >= wanted:
            break
        chosen += groups[key]
    return chosen
