"""The part of `zoo.data.inventory` that knows each dataset: what should be there, what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from zoo.data import coco, flickr8k, lrs2, lrs3, lrs_voxmm, mtedx
from zoo.data.inventory import Part, Problem
from zoo.data.lrs_files import Clip, find_folder, list_clips, read_id_list
from zoo.data.lrs_label import read_label
from zoo.data.manifest import ImageEntry
from zoo.data.utterances import CLEAN
from zoo.errors import DataError, MediaError

FLICKR8K_PICTURES: Final = {"train": 6_000, "dev": 1_000, "test": 1_000}
FLICKR8K_CAPTIONS: Final = 5
KARPATHY_PICTURES: Final = {"train": 113_287, "val": 5_000, "test": 5_000}  # train with restval
SIDES: Final = {lrs3.NAME: 224, lrs2.NAME: 160, lrs_voxmm.NAME: 224}
CROP_SIDE: Final = 96
FPS: Final = 25
MISMATCH_S: Final = 0.2
_OUTSIDE: Final = re.compile(r"[^A-Z0-9' ]")
_VIDEO: Final = {".mp4"}
_SOUND: Final = {".wav", ".flac"}
_PICTURE: Final = {".jpg", ".png"}


def lrs3_parts(root: Path) -> list[Part]:
    """The three folders of LRS3 that are there."""
    folders = [name for name in lrs3.FOLDERS if (root / name).is_dir()]
    return [
        _clips_part(root, name, list_clips(root, root / name), {"clips": lrs3.COUNTS[name]})
        for name in folders
    ]


def lrs2_parts(root: Path) -> list[Part]:
    """The four lists of LRS2; a clip that is listed and not there is a problem."""
    parts = []
    for split, count in lrs2.COUNTS.items():
        part = "pretrain" if split == "pretrain" else "main"
        try:
            folder = find_folder(root, [part, f"mvlrs_v1/{part}"], "LRS2")
            listing = lrs2.list_file(root, folder.parent, split)
        except DataError as error:
            problem = Problem(f"{split}.txt", str(error))
            parts.append(Part(split, {"clips": 0}, {"clips": count}, (), (problem,)))
            continue
        by_id = {clip.id: clip for clip in list_clips(root, folder)}
        wanted = list(dict.fromkeys(read_id_list(listing)))
        clips = [by_id.get(name, Clip(name, {})) for name in wanted]
        where = folder.relative_to(root).as_posix()
        parts.append(_clips_part(root, split, clips, {"clips": count}, where))
    return parts


def lrs_voxmm_parts(root: Path) -> list[Part]:
    """Development and test set, and the recordings of the distorted test sets that are there."""
    clean = lrs_voxmm.clean_folder(root)
    parts = []
    for name, folder in (("dev", "train"), ("test", "test")):
        if not (clean / folder).is_dir():
            continue
        clips = list_clips(root, clean / folder)
        expected = {"clips": lrs_voxmm.COUNTS[name]} if name in lrs_voxmm.COUNTS else {}
        parts.append(_clips_part(root, name, clips, expected))
        if name == "test":
            parts += _conditions(root, clean.parent, [clip.id for clip in clips])
    return [_apart(part, parts) for part in parts]


def _apart(part: Part, parts: Sequence[Part]) -> Part:
    """The test set with a problem for every source video that development has as well."""
    if part.name != "test":
        return part
    seen = {
        Path(path).parent.name for other in parts for path in other.files if other.name == "dev"
    }
    folders = {Path(path).parent for path in part.files}
    shared = sorted(folder.as_posix() for folder in folders if folder.name in seen)
    problems = (Problem(path, "is a video of the development set as well") for path in shared)
    return replace(part, problems=(*part.problems, *problems))


def mtedx_parts(root: Path) -> list[Part]:
    """Every language and split that is there."""
    parts = []
    for language in mtedx.mtedx_languages(root):
        for split in ("train", "valid", "test"):
            folder = root / f"{language}-{language}" / "data" / split / "txt"
            if folder.is_dir():
                parts.append(_mtedx_part(root, language, split, folder))
    return parts


def flickr8k_parts(root: Path) -> list[Part]:
    """The three splits of Flickr8k with their recordings."""
    speech = any((root / folder).is_dir() for folder in flickr8k.WAV_FOLDERS)

    def read(split: str) -> list[ImageEntry]:
        return flickr8k.read_flickr8k(root, split, speech=speech)

    return [
        _pictures_part(root, split, read, {"pictures": count}, captions=FLICKR8K_CAPTIONS)
        for split, count in FLICKR8K_PICTURES.items()
    ]


def coco_parts(root: Path) -> list[Part]:
    """The three splits of SpokenCOCO, train with restval."""

    def read(split: str) -> list[ImageEntry]:
        return coco.read_coco_karpathy(root, split, speech=coco.looks_like_spoken_coco(root))

    return [
        _pictures_part(root, split, read, {"pictures": count})
        for split, count in KARPATHY_PICTURES.items()
    ]


SURVEYS: Final[dict[str, Callable[[Path], list[Part]]]] = {
    lrs3.NAME: lrs3_parts,
    lrs2.NAME: lrs2_parts,
    lrs_voxmm.NAME: lrs_voxmm_parts,
    mtedx.NAME: mtedx_parts,
    flickr8k.NAME: flickr8k_parts,
    coco.NAME: coco_parts,
}


def check_file(root: Path, path: str, dataset: str) -> list[str]:
    """What is wrong with one media file; texts and lists are not opened."""
    ending = Path(path).suffix.lower()
    try:
        if ending in _VIDEO:
            return list(_check_clip(root / path, SIDES.get(dataset)))
        if ending in _SOUND:
            from zoo.audio.decode import probe_audio

            probe_audio(root / path)
        elif ending in _PICTURE:
            from zoo.video import load_image

            load_image(root / path)
    except (MediaError, OSError) as error:
        return [str(error).replace(f"{root}/", "")]
    return []


def _check_clip(path: Path, side: int | None) -> Iterator[str]:
    from zoo.audio.decode import probe_audio
    from zoo.video import probe_video

    info = probe_video(path)
    if info.fps != FPS:
        yield f"has {info.fps:g} frames a second, not {FPS}"
    if side is not None and {info.width, info.height} not in ({side}, {CROP_SIDE}):
        yield f"is {info.width} x {info.height} pixels, not {side} x {side}"
    wav = path.with_suffix(".wav")
    if not (info.has_audio or wav.is_file()):
        yield "has no sound, and there is no wav beside it"
        return
    seconds = probe_audio(wav if wav.is_file() else path).duration_s
    if info.duration_s and seconds and abs(info.duration_s - seconds) > MISMATCH_S:
        yield f"lasts {info.duration_s:.2f} s, its sound {seconds:.2f} s"


def _clips_part(
    root: Path, name: str, clips: Sequence[Clip], expected: dict[str, int], folder: str = ""
) -> Part:
    """A split of LRS; `folder` holds the clips that are listed and not there."""
    problems: list[Problem] = []
    remarks: list[Problem] = []
    whole = 0
    for clip in clips:
        stem = next(iter(clip.files.values()), f"{folder}/{clip.id}.").rpartition(".")[0]
        lacking = [ending for ending in (".mp4", ".txt") if ending not in clip.files]
        problems += [Problem(f"{stem}{ending}", "is missing") for ending in lacking]
        whole += not lacking
        if ".txt" in clip.files:
            _check_text(root, clip.files[".txt"], problems, remarks)
    files = sorted(path for clip in clips for path in clip.files.values())
    counts = {"clips": whole}
    return Part(name, counts, expected, tuple(files), tuple(problems), tuple(remarks))


def _check_text(root: Path, path: str, problems: list[Problem], remarks: list[Problem]) -> None:
    try:
        text = read_label(root / path).text
    except DataError as error:
        problems.append(Problem(path, str(error).removeprefix(f"{root / path}: ")))
        return
    if strange := "".join(sorted(set(_OUTSIDE.findall(text)))):
        remarks.append(Problem(path, f"has signs that LRS does not use: {strange!r}"))


def _conditions(root: Path, tree: Path, ids: list[str]) -> list[Part]:
    parts = []
    for condition, folder in lrs_voxmm.CONDITIONS.items():
        base = tree / folder
        if condition == CLEAN or not base.is_dir():
            continue
        base = base / "test" if (base / "test").is_dir() else base
        paths = {name: (base / f"{name}.wav") for name in ids}
        there = [path.relative_to(root).as_posix() for path in paths.values() if path.is_file()]
        missing = [path.relative_to(root).as_posix() for path in paths.values()]
        problems = tuple(Problem(path, "is missing") for path in sorted({*missing} - {*there}))
        expected = {"recordings": len(ids)}
        counts = {"recordings": len(there)}
        parts.append(Part(f"test, {condition}", counts, expected, tuple(sorted(there)), problems))
    return parts


def _mtedx_part(root: Path, language: str, split: str, folder: Path) -> Part:
    name = f"{language} {split}"
    lists = [
        path.relative_to(root).as_posix()
        for path in (folder / "segments", folder / f"{split}.{language}")
        if path.is_file()
    ]
    try:
        segments = mtedx.read_segments(folder / "segments")
        found = mtedx.read_mtedx(root, split, language, incomplete=True)
    except DataError as error:
        problem = Problem(folder.relative_to(root).as_posix(), str(error))
        return Part(name, {"segments": 0}, {}, tuple(lists), (problem,))
    have = {one.id for one in found}
    lacking = [s for s in segments if f"{language}/{s.id}" not in have]
    where = folder.parent.relative_to(root).as_posix()
    talks = dict.fromkeys(f"{where}/wav/{segment.talk}.flac" for segment in lacking)
    problems = tuple(Problem(path, "is missing") for path in talks)
    media = {path for one in found for path in (one.video, one.audio) if path is not None}
    clips = sum(one.video is not None for one in found)
    counts = {"segments": len(found), "clips": clips}
    expected = {"segments": len(segments)}
    return Part(name, counts, expected, tuple(sorted({*media, *lists})), problems)


def _pictures_part(
    root: Path,
    split: str,
    read: Callable[[str], list[ImageEntry]],
    expected: dict[str, int],
    captions: int | None = None,
) -> Part:
    try:
        entries = read(split)
    except DataError as error:
        nothing = {"pictures": 0, "recordings": 0}
        return Part(split, nothing, expected, (), (Problem(".", str(error)),))
    wavs = [caption.wav for entry in entries for caption in entry.captions if caption.wav]
    there, missing = _present(root, wavs)
    counts = {"pictures": len(entries), "recordings": len(there)}
    problems = [Problem(path, "is missing") for path in missing]
    if captions is not None:
        few = [entry for entry in entries if len(entry.captions) != captions]
        problems += [
            Problem(entry.image, f"has {len(entry.captions)} captions, not {captions}")
            for entry in few
        ]
    files = sorted({*(entry.image for entry in entries), *there})
    return Part(split, counts, expected, tuple(files), tuple(problems))


def _present(root: Path, paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """Paths that exist and paths that do not, folder by folder."""
    folders: dict[str, set[str]] = {}
    there: list[str] = []
    missing: list[str] = []
    for path in paths:
        folder, _, name = path.rpartition("/")
        if folder not in folders:
            place = root / folder
            folders[folder] = {p.name for p in place.iterdir()} if place.is_dir() else set()
        (there if name in folders[folder] else missing).append(path)
    return there, missing
