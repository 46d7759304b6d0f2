"""What a metric compares of a sample, by name, and where it lies.

| kind | what |
|---|---|
| text, speech, video | what was predicted; the video of generated speech is the filmed one with it |
| reference_text, reference_speech, reference_video | the original |
| other_speech | another recording of the same person |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from zoo.bench.media import check_media
from zoo.bench.records import Record
from zoo.bench.samples import Sample
from zoo.bench.task import Task
from zoo.errors import BenchError, MediaError
from zoo.metrics.base import Metric
from zoo.tasks import Speech, Video

FPS: Final = 25.0
SAMPLE_RATE: Final = 16_000
_PICTURES: Final = (".png", ".jpg", ".jpeg")
# protocol -> kinds that its outputs give
_GIVEN: Final = {
    "Recognizer": ("text",),
    "VideoToSpeech": ("speech", "video"),
    "TextToSpeech": ("speech",),
    "Dubber": ("speech", "video"),
    "TalkingFace": ("video",),
    "SpeechTranslator": ("speech", "video"),
    "SpeechCaptioner": ("speech", "text"),
}
_OF_PICTURES: Final = ("reference_text",)
_OF_CLIPS: Final = ("reference_text", "reference_speech", "reference_video", "other_speech")


@dataclass(frozen=True)
class Source:
    """A file, or the part of one between two times in seconds; `sha256` where it is known."""

    path: Path
    start_s: float | None = None
    end_s: float | None = None
    sha256: str = ""

    def describe(self) -> list[Any]:
        """What tells this content from another."""
        if self.sha256:
            return [self.sha256, self.start_s, self.end_s]
        found = self.path.stat() if self.path.is_file() else None
        state = (found.st_size, found.st_mtime_ns) if found else None
        return [str(self.path), state, self.start_s, self.end_s]


@dataclass(frozen=True)
class Dub:
    """The pictures of one file with the sound of another."""

    pictures: Source
    speech: Source

    def describe(self) -> list[Any]:
        """What tells this content from another."""
        return [self.pictures.describe(), self.speech.describe()]


@dataclass(frozen=True)
class Item:
    """One sample for metrics; `values` maps a kind to a text, several texts, or a `Source`."""

    id: str
    cluster: str
    values: Mapping[str, Any] = field(default_factory=dict)


def needs_of(task: Task, metric: Metric) -> tuple[str, ...]:
    """The kinds that a metric compares in a task."""
    return tuple(task.needs.get(metric.name, metric.needs))


def lacking_kinds(task: Task, needs: Sequence[str]) -> str | None:
    """Why a task cannot give what a metric needs, None where it can."""
    of_clips = task.protocol != "SpeechCaptioner"
    known = (*_GIVEN[task.protocol], *(_OF_CLIPS if of_clips else _OF_PICTURES))
    wanting = [kind for kind in needs if kind not in known]
    return f"{task.protocol} gives no {' and no '.join(wanting)}" if wanting else None


def build_items(
    task: Task,
    samples: Sequence[Sample],
    records: Mapping[str, Record],
    folder: Path,
    root: Path | None,
    kinds: Sequence[str],
) -> list[Item]:
    """The samples of a run with what its metrics compare.

    Args:
        task: whose protocol made the outputs.
        samples: in the order of the task.
        records: id -> prediction.
        folder: of the run.
        root: folder of the dataset, for originals.
        kinds: the ones that are needed.

    Raises:
        BenchError: originals are needed and `root` is None, or a generated file has changed.
    """
    if root is None and any(_needs_root(task, kind) for kind in kinds):
        raise BenchError(
            f"{folder}: the metrics of {task.key} compare with the originals; name the folder of "
            "the dataset (--data DIR)"
        )
    return [_item(task, sample, records[sample.id], folder, root, kinds) for sample in samples]


def _needs_root(task: Task, kind: str) -> bool:
    original = kind in ("reference_speech", "reference_video", "other_speech")
    return original or (kind == "video" and task.protocol in ("VideoToSpeech", "Dubber"))


def _item(
    task: Task,
    sample: Sample,
    record: Record,
    folder: Path,
    root: Path | None,
    kinds: Sequence[str],
) -> Item:
    output: Mapping[str, Any] = record.get("output") or {}
    found: dict[str, Any] = {}
    for kind in ("text", "speech", "video"):
        if kind in kinds and kind in output:
            stored = output[kind]
            found[kind] = (
                stored
                if kind == "text"
                else Source(check_media(folder, stored), sha256=stored["sha256"])
            )
    if root is not None:
        found |= _originals(sample, root, kinds)
        if "video" in kinds and "video" not in found and "speech" in output:
            speech = output["speech"]
            voice = Source(check_media(folder, speech), sha256=speech["sha256"])
            found["video"] = Dub(_part(root / sample.media, sample), voice)
    if "reference_text" in kinds:
        texts = sample.text.split("\n")
        found["reference_text"] = tuple(texts) if sample.kind == "image" else sample.text
    return Item(sample.id, sample.cluster, found)


def _originals(sample: Sample, root: Path, kinds: Sequence[str]) -> dict[str, Source]:
    found = {}
    if "reference_speech" in kinds:
        found["reference_speech"] = _part(root / sample.sound, sample)
    if "reference_video" in kinds:
        found["reference_video"] = _part(root / sample.media, sample)
    if "other_speech" in kinds and sample.other:
        found["other_speech"] = Source(root / sample.other)
    return found


def _part(path: Path, sample: Sample) -> Source:
    return Source(path, sample.start_s, sample.end_s)


def decode(kind: str, value: Any) -> Any:
    """What a metric is given: text as it is, a `Speech` at 16 kHz, a `Video` with its sound.

    Raises:
        MediaError: the file cannot be read.
    """
    if kind.endswith("text"):
        return value
    if isinstance(value, Dub):
        return Video(_video(value.pictures).frames, FPS, _speech(value.speech))
    if kind.endswith("speech"):
        return _speech(value)
    return value.path if value.path.suffix.lower() in _PICTURES else _video(value)


def _speech(source: Source) -> Speech:
    from zoo.audio import load_audio

    waveform = load_audio(source.path, SAMPLE_RATE)
    stop = None if source.end_s is None else round(source.end_s * SAMPLE_RATE)
    return Speech(waveform[round((source.start_s or 0.0) * SAMPLE_RATE) : stop], SAMPLE_RATE)


def _video(source: Source) -> Video:
    """Pictures at 25 frames a second, with the file's sound where it has some."""
    from zoo.video import load_video

    frames = load_video(source.path, FPS).frames
    stop = None if source.end_s is None else int(source.end_s * FPS)
    try:
        speech: Speech | None = _speech(source)
    except MediaError:  # a metric that needs it says so
        speech = None
    return Video(frames[int((source.start_s or 0.0) * FPS) : stop], FPS, speech)
