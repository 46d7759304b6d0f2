"""The one form every audio-visual speech dataset is brought into: an entry an utterance."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from zoo.errors import DataError

CLEAN = "clean"


@dataclass(frozen=True)
class WordTime:
    """A word and when it is said, seconds from the start of its file; `score` as the file has it
    (LRS: confidence of the active-speaker detector, higher is surer)."""

    text: str
    start_s: float
    end_s: float
    score: float | None = None


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One utterance; paths are relative to the dataset's root, with "/"."""

    id: str
    """Unique in the split, the same under every condition, e.g. `<video>/<segment>`."""
    dataset: str
    """Name of the dataset."""
    split: str
    """As the dataset calls it."""
    video: str | None
    """Its pictures, None where there are none."""
    audio: str | None
    """Its sound, None where it is the sound of the video."""
    text: str
    """What is said, as models learn it: without mark-up."""
    text_raw: str = ""
    """The transcript as the file has it."""
    source: str = ""
    """The recording it was cut from, which mostly has one speaker; splits never share one."""
    speaker: str | None = None
    """Who speaks, where the dataset says it."""
    language: str | None = None
    """What is spoken ("es"), where the dataset has several."""
    condition: str = CLEAN
    """`clean`, or how the sound was distorted."""
    words: tuple[WordTime, ...] | None = None
    """Times of the words, None where the file has none."""
    conf: float | None = None
    """The dataset's confidence in the transcript."""
    start_s: float | None = None
    """Where it begins in its files; None is the start."""
    end_s: float | None = None
    """Where it ends; None is the end."""
    duration_s: float | None = None
    """Length in seconds where it is known without decoding."""

    @property
    def sound(self) -> str:
        """The file its sound is in.

        Raises:
            DataError: it has neither sound nor pictures.
        """
        path = self.audio or self.video
        if path is None:
            raise DataError(f"{self.id} of {self.dataset}: neither a video nor a recording")
        return path


def write_utterances(utterances: Iterable[Utterance], path: str | Path) -> Path:
    """Write utterances as JSON lines."""
    lines = (json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in utterances)
    target = Path(path)
    target.write_text("".join(lines), encoding="utf-8")
    return target


def read_utterances(path: str | Path) -> list[Utterance]:
    """Read what `write_utterances` wrote.

    Raises:
        DataError: a line is no utterance; the message names file and line.
    """
    found = []
    with Path(path).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                if row.get("words") is not None:
                    row["words"] = tuple(WordTime(**word) for word in row["words"])
                found.append(Utterance(**row))
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(f"{path}:{number} is not an utterance: {error}") from error
    return found


def check_unique(utterances: Sequence[Utterance], where: str | Path) -> None:
    """Raise `DataError` when two utterances have the same id."""
    seen: set[str] = set()
    for one in utterances:
        if one.id in seen:
            raise DataError(f"{where}: two utterances are called {one.id}")
        seen.add(one.id)


def spread(utterances: Sequence[Utterance], count: int) -> list[Utterance]:
    """At most `count` of them, evenly through the list, which readers sort by recording."""
    step = max(1.0, len(utterances) / count)
    return [utterances[int(k * step)] for k in range(min(count, len(utterances)))]
