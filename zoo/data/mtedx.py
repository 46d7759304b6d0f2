"""Reader of Multilingual TEDx (OpenSLR 100) as its archives unpack.

    <src>-<src>/data/{train,valid,test}/wav/<talk>.flac         whole talks
    <src>-<src>/data/<split>/txt/segments                       <segment> <talk> <start> <end>
    <src>-<src>/data/<split>/txt/<split>.<src>                  a line a segment, in that order
    <src>-<tgt>/data/<split>/txt/<split>.<tgt>                  translations

The corpus has no pictures. Who fetched the talks and cut them has a clip a segment,
`<talk>/<segment>.mp4`, in a folder of their own (MuAViC: `<lang>/video/<split>`), or beside `wav`
as `video`, where the tiny corpus has them; a segment with a clip takes its sound from there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zoo.data.utterances import Utterance, check_unique
from zoo.errors import DataError
from zoo.text import get_normalizer

logger = logging.getLogger(__name__)

NAME: Final = "mtedx"
SPLITS: Final = {"train": "train", "valid": "valid", "dev": "valid", "val": "valid", "test": "test"}
SOUND_ENDINGS: Final = (".flac", ".wav")


@dataclass(frozen=True)
class Segment:
    """One line of `segments`: a part of a talk, in seconds from its start."""

    id: str
    talk: str
    start_s: float
    end_s: float


def read_mtedx(
    root: str | Path,
    split: str,
    languages: str | Sequence[str] | None = None,
    *,
    videos: str | Mapping[str, str] | None = None,
    incomplete: bool = False,
) -> list[Utterance]:
    """List the utterances of one split, by language and in the order of their lists.

    `text` is in lower case without punctuation, as recognisers of mTEDx learn and are scored;
    `text_raw` is the line of the file. A segment without a clip lies in its talk (`start_s`).

    Args:
        root: folder that holds `<src>-<src>` folders.
        split: "train", "valid" ("dev", "val") or "test".
        languages: a source language ("es") or some; None is all that are there.
        videos: folder below the root with `<talk>/<segment>.mp4`, "{language}" and "{split}" in it
            are replaced; None looks beside `wav`.
        incomplete: leave out segments without sound, with a warning.

    Raises:
        DataError: something is not there, or the lists do not fit together.
    """
    base = Path(root)
    if split not in SPLITS:
        raise DataError(f"mTEDx has no split {split!r}: train, valid or test")
    split = SPLITS[split]
    found = []
    for language in _wanted(base, languages):
        folder = base / f"{language}-{language}" / "data" / split
        pattern = videos if isinstance(videos, str) else (videos or {}).get(language)
        clips = folder / "video"
        if pattern is not None:
            clips = base / pattern.format(language=language, split=split)
        found += _language(base, folder, clips, language, split, incomplete)
    check_unique(found, base)
    return found


def mtedx_languages(root: str | Path) -> list[str]:
    """The source languages that are there, sorted."""
    folders = (path.name.partition("-") for path in Path(root).glob("*-*") if path.is_dir())
    there = [source for source, dash, target in folders if dash and source == target]
    return sorted(source for source in there if _has_lists(Path(root) / f"{source}-{source}"))


def looks_like_mtedx(root: Path) -> bool:
    """Whether a folder holds transcripts of mTEDx."""
    return bool(mtedx_languages(root))


def read_translations(root: str | Path, split: str, source: str, target: str) -> dict[str, str]:
    """Segment id to translation, where the archive `<src>-<tgt>` is there.

    Raises:
        DataError: it is not, or its lists do not fit together.
    """
    split = SPLITS.get(split, split)
    folder = Path(root) / f"{source}-{target}" / "data" / split
    segments = read_segments(folder / "txt" / "segments")
    lines = _lines(folder, split, target, len(segments))
    return {segment.id: line for segment, line in zip(segments, lines)}


def read_segments(path: Path) -> list[Segment]:
    """Read a `segments` file.

    Raises:
        DataError: it is missing, or a line is malformed; the message names file and line.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; it comes with mtedx_<src>.tgz: unpack it again")
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        cells = line.split()
        try:
            segment = Segment(cells[0], cells[1], float(cells[2]), float(cells[3]))
        except (IndexError, ValueError) as error:
            raise DataError(f"{path}:{number} is not `<segment> <talk> <start> <end>`") from error
        if segment.end_s <= segment.start_s:
            raise DataError(f"{path}:{number} ends before it starts")
        found.append(segment)
    return found


def plain_text(line: str) -> str:
    """Lower case without punctuation; letters with accents and inner apostrophes stay."""
    return get_normalizer("letters@1")(line)


def _wanted(root: Path, languages: str | Sequence[str] | None) -> list[str]:
    there = mtedx_languages(root)
    wanted = [languages] if isinstance(languages, str) else list(languages or there)
    missing = [language for language in wanted if language not in there]
    if missing or not wanted:
        name = missing[0] if missing else "es"
        raise DataError(
            f"{root} lacks {name}-{name}/data/<split>/txt/segments of mtedx_{name}.tgz; there is: "
            f"{', '.join(there) or 'nothing of mTEDx'}"
        )
    return wanted


def _has_lists(folder: Path) -> bool:
    return any((folder / "data" / split / "txt" / "segments").is_file() for split in SPLITS)


def _language(
    root: Path, folder: Path, clips: Path, language: str, split: str, incomplete: bool
) -> list[Utterance]:
    segments = read_segments(folder / "txt" / "segments")
    lines = _lines(folder, split, language, len(segments))
    talks = {segment.talk: _talk(root, folder, segment.talk) for segment in segments}
    found, lacking = [], []
    for segment, line in zip(segments, lines):
        clip = clips / segment.talk / f"{segment.id}.mp4"
        video = clip.relative_to(root).as_posix() if clip.is_file() else None
        audio = talks[segment.talk]
        if video is None and audio is None:
            lacking.append(segment.id)
            continue
        found.append(_utterance(segment, line, language, split, video, audio))
    if lacking:
        message = (
            f"{folder}: {len(lacking)} of {len(segments)} segments have neither a talk in wav nor a "
            f"clip, the first is {lacking[0]}"
        )
        if not incomplete or not found:
            raise DataError(f"{message}; unpack mtedx_{language}.tgz again")
        logger.warning("%s; they are left out", message)
    return found


def _talk(root: Path, folder: Path, talk: str) -> str | None:
    for ending in SOUND_ENDINGS:
        path = folder / "wav" / f"{talk}{ending}"
        if path.is_file():
            return path.relative_to(root).as_posix()
    return None


def _lines(folder: Path, split: str, language: str, count: int) -> list[str]:
    path = folder / "txt" / f"{split}.{language}"
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected a line a segment")
    # only line feeds divide: a transcript may hold other signs that Python takes for line ends
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    if len(lines) != count:
        raise DataError(f"{path} has {len(lines)} lines for {count} segments; unpack it again")
    return [line.strip() for line in lines]


def _utterance(
    segment: Segment, line: str, language: str, split: str, video: str | None, audio: str | None
) -> Utterance:
    whole = video is not None  # a clip is the segment, a talk has many
    return Utterance(
        id=f"{language}/{segment.id}",
        dataset=NAME,
        split=split,
        video=video,
        audio=None if whole else audio,
        text=plain_text(line),
        text_raw=line,
        source=segment.talk,
        language=language,
        start_s=None if whole else segment.start_s,
        end_s=None if whole else segment.end_s,
        duration_s=segment.end_s - segment.start_s,
    )
