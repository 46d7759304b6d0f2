"""Clips in folders `<video>/<segment>.{mp4,txt,wav}`, as LRS2, LRS3 and LRS-VoxMM have them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.data.lrs_label import read_label
from zoo.data.utterances import Utterance
from zoo.errors import DataError

logger = logging.getLogger(__name__)

# five digits; what public tools put beside a clip (`00003_lip.mp4`) is none
_SEGMENT = re.compile(r"\d{5}")
PARTS = (".mp4", ".txt", ".wav")


@dataclass(frozen=True)
class Clip:
    """The files of one clip that are there."""

    id: str
    files: dict[str, str]
    """Ending to path relative to the dataset's root."""


def list_clips(root: Path, folder: Path) -> list[Clip]:
    """Clips below a split's folder, sorted by id; folders may be links.

    Args:
        root: what paths are relative to.
        folder: holds one folder for each source video.
    """
    found: dict[str, dict[str, str]] = {}
    for video in sorted(path for path in folder.iterdir() if path.is_dir()):
        for path in video.iterdir():
            if path.suffix in PARTS and _SEGMENT.fullmatch(path.stem):
                files = found.setdefault(f"{video.name}/{path.stem}", {})
                files[path.suffix] = path.relative_to(root).as_posix()
    return [Clip(name, files) for name, files in sorted(found.items())]


def find_folder(root: Path, names: Sequence[str], dataset: str) -> Path:
    """The first of some folders below `root` that exists.

    Raises:
        DataError: none does.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; expected the root of {dataset}")
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise DataError(f"{root} is not {dataset}: it lacks the folder {' or '.join(names)}")


def read_id_list(path: Path) -> list[str]:
    """Ids `<video>/<segment>` of a list, one a line.

    Line ends may be bare carriage returns (AV-RelScore's `val.txt`), lines may carry a folder in
    front, an ending, and further columns (`NF`, `MV` of LRS2).
    """
    ids = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if cells := line.split():
            name = cells[0]
            for ending in PARTS:
                name = name.removesuffix(ending)
            ids.append("/".join(name.split("/")[-2:]))
    if not ids:
        raise DataError(f"{path}: an empty list; expected one <video>/<segment> a line")
    return ids


def pick(clips: Iterable[Clip], ids: Iterable[str], where: str | Path) -> list[Clip]:
    """The clips of a list, in its order.

    Raises:
        DataError: a clip of the list is not there.
    """
    by_id = {clip.id: clip for clip in clips}
    wanted = list(dict.fromkeys(ids))
    missing = [name for name in wanted if name not in by_id]
    if missing:
        raise DataError(
            f"{where}: {len(missing)} of the {len(wanted)} clips of the list are not there, the "
            f"first is {missing[0]}"
        )
    return [by_id[name] for name in wanted]


def utterances(
    root: Path, clips: Iterable[Clip], dataset: str, split: str, *, incomplete: bool = False
) -> list[Utterance]:
    """Read the texts of clips.

    Args:
        root: what paths are relative to.
        clips: their files.
        dataset: name of the dataset.
        split: name of the split.
        incomplete: leave out clips without text or video, with a warning.

    Raises:
        DataError: there is no clip, a clip lacks its text or video, or a text is broken.
    """
    clips = list(clips)
    if not clips:
        raise DataError(
            f"{root}: no clip of {dataset} {split}; expected <video>/<5 digits>.mp4 and .txt"
        )
    for ending, what in ((".txt", "text"), (".mp4", "video")):
        lacking = [clip.id for clip in clips if ending not in clip.files]
        if lacking:
            message = (
                f"{root}: {len(lacking)} of the {len(clips)} clips of {dataset} {split} have no "
                f"{what}, the first is {lacking[0]}{ending}"
            )
            if not incomplete or len(lacking) == len(clips):
                raise DataError(f"{message}; unpack the archive again")
            logger.warning("%s; they are left out", message)
            clips = [clip for clip in clips if ending in clip.files]
    return [_utterance(root, clip, dataset, split) for clip in clips]


def _utterance(root: Path, clip: Clip, dataset: str, split: str) -> Utterance:
    label = read_label(root / clip.files[".txt"])
    return Utterance(
        id=clip.id,
        dataset=dataset,
        split=split,
        video=clip.files[".mp4"],
        audio=clip.files.get(".wav"),
        text=label.text,
        text_raw=label.text_raw,
        # the id of a video may contain "_" and "-", so only the "/" divides
        source=clip.id.rpartition("/")[0],
        words=label.words,
        conf=label.conf,
    )
