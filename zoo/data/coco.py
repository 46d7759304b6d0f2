"""Reader of COCO 2014 with the Karpathy split, and of SpokenCOCO, as the archives unpack.

Below one root lie `train2014/` and `val2014/` (or both below `images/`), `dataset_coco.json` (the
Karpathy split) and `SpokenCOCO/` with its jsons and `wavs/`. SpeechCLIP's own re-split
(`SpokenCOCO_ksplit_*.json`) is used where present and makes `dataset_coco.json` unnecessary.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zoo.data.manifest import CaptionEntry, ImageEntry
from zoo.errors import DataError

NAME = "spokencoco"
SPLITS = {"train": "train", "dev": "val", "val": "val", "test": "test"}
TRAIN_PARTS = {"train": ("train",), "train+restval": ("train", "restval")}
KARPATHY_FILES = ("dataset_coco.json", "annotations/dataset_coco.json")
SPOKEN_FOLDERS = ("SpokenCOCO", ".")
IMAGE_FOLDERS = (".", "images")
Row = dict[str, Any]


def read_coco_karpathy(
    root: str | Path, split: str, *, train: str = "train+restval", speech: bool = True
) -> list[ImageEntry]:
    """List the pictures of one Karpathy split with their captions and recordings.

    Captions with speech are SpokenCOCO's transcripts in lower case, and `image_id` is the COCO
    number, or `reassign_id` with SpeechCLIP's re-split; without speech they are COCO's own texts.

    Args:
        root: Folder as described above.
        split: "train", "val" (or "dev") or "test".
        train: "train" (82 783 pictures) or "train+restval" (113 287); it moves results by several
            points, so every report must say which.
        speech: Whether recordings are needed; without, `SpokenCOCO/` may be absent.

    Raises:
        DataError: Something is not there; the message says what, and where it belongs.
    """
    base = Path(root)
    if split not in SPLITS:
        raise DataError(f"COCO's Karpathy split has no {split!r}: train, val or test")
    if train not in TRAIN_PARTS:
        raise DataError(f"train must be one of {', '.join(TRAIN_PARTS)}, not {train!r}")
    split = SPLITS[split]
    parts = TRAIN_PARTS[train] if split == "train" else (split,)
    if not speech:
        entries = _from_texts(base, split, parts)
    elif (spoken := _spoken_folder(base)) is not None and (
        resplit := spoken / f"SpokenCOCO_ksplit_{split}.json"
    ).is_file():
        entries = _from_resplit(base, resplit, split, parts)
    else:
        entries = _from_original(base, spoken, split, parts)
    return _with_pictures(base, split, entries)


def looks_like_spoken_coco(root: Path) -> bool:
    """Whether a folder holds SpokenCOCO's jsons where the reader looks for them."""
    return _spoken_folder(root) is not None


def coco_number(name: str) -> int:
    """The COCO number of a picture's file name: the integer after the last underscore."""
    return int(Path(name).stem.rpartition("_")[2])


def _spoken_folder(root: Path) -> Path | None:
    for candidate in SPOKEN_FOLDERS:
        if any((root / candidate).glob("SpokenCOCO_*.json")):
            return root / candidate
    return None


def _from_texts(root: Path, split: str, parts: tuple[str, ...]) -> list[ImageEntry]:
    entries = []
    for row in _karpathy(root, parts):
        captions = tuple(
            CaptionEntry(k, sentence["raw"].strip()) for k, sentence in enumerate(row["sentences"])
        )
        image = f"{row['filepath']}/{row['filename']}"
        entries.append(ImageEntry("coco", split, row["cocoid"], image, captions))
    return entries


def _from_resplit(root: Path, path: Path, split: str, parts: tuple[str, ...]) -> list[ImageEntry]:
    rows = _load(path)["data"]
    if split == "train" and "restval" not in parts:
        # every picture of Karpathy's train lies in train2014, every one of restval in val2014
        rows = [row for row in rows if row["image"].startswith("train2014/")]
    return [_entry(root, path.parent, split, row["reassign_id"], row) for row in rows]


def _from_original(
    root: Path, spoken: Path | None, split: str, parts: tuple[str, ...]
) -> list[ImageEntry]:
    needed = [f"SpokenCOCO_{name}.json" for name in ("train", "val")]
    if spoken is None or not all((spoken / name).is_file() for name in needed):
        raise DataError(
            f"{root} lacks {' and '.join(needed)} of SpokenCOCO.tar.gz: put them, with wavs/, at "
            f"{root / SPOKEN_FOLDERS[0]}"
        )
    rows = {row["image"]: row for name in needed for row in _load(spoken / name)["data"]}
    wanted = [f"{r['filepath']}/{r['filename']}" for r in _karpathy(root, parts)]
    return [
        _entry(root, spoken, split, coco_number(image), rows[image])
        for image in wanted
        if image in rows
    ]


def _entry(root: Path, spoken: Path, split: str, number: int, row: Row) -> ImageEntry:
    folder = spoken.relative_to(root)
    captions = tuple(
        CaptionEntry(
            k,
            caption["text"].strip().lower(),
            (folder / caption["wav"]).as_posix(),
            str(caption["speaker"]) if caption.get("speaker") is not None else None,
        )
        for k, caption in enumerate(row["captions"])
    )
    return ImageEntry(NAME, split, number, row["image"], captions)


def _karpathy(root: Path, parts: tuple[str, ...]) -> list[Row]:
    for candidate in KARPATHY_FILES:
        if (root / candidate).is_file():
            rows = _load(root / candidate)["images"]
            return [row for row in rows if row["split"] in parts]
    raise DataError(
        f"{root} lacks dataset_coco.json (of caption_datasets.zip), which holds the Karpathy "
        f"split: put it at {root / KARPATHY_FILES[0]}"
    )


def _with_pictures(root: Path, split: str, entries: list[ImageEntry]) -> list[ImageEntry]:
    """Checks that the pictures are there and completes their paths."""
    if not entries:
        raise DataError(f"{root} has no picture of the split {split}: its jsons do not name any")
    folders = sorted({entry.image.split("/")[0] for entry in entries})
    for prefix in IMAGE_FOLDERS:
        if all((root / prefix / folder).is_dir() for folder in folders):
            break
    else:
        raise DataError(f"{root} lacks the picture folders {', '.join(folders)}: unpack them there")
    base = root / prefix
    present = {f"{f}/{path.name}" for f in folders for path in (base / f).iterdir()}
    missing = [entry.image for entry in entries if entry.image not in present]
    if missing:
        raise DataError(
            f"{len(missing)} of the {len(entries)} pictures of {split} are not below {base}, "
            f"the first is {missing[0]}: unpack the zip of {missing[0].split('/')[0]} there again"
        )
    lead = "" if prefix == "." else f"{prefix}/"
    return [
        ImageEntry(e.dataset, e.split, e.image_id, f"{lead}{e.image}", e.captions) for e in entries
    ]


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is not a complete json file ({error}): fetch it again") from error
