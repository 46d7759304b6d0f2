"""The samples of a task: what is predicted, and what the predictions are scored against."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from zoo.bench.task import Task
from zoo.data.manifest import CaptionEntry, ImageEntry
from zoo.data.utterances import CLEAN, Utterance
from zoo.errors import BenchError

log = logging.getLogger(__name__)

# dataset of a task file -> (module, function(root, split) -> entries); the entries are those of
# `zoo.data.manifest` or of `zoo.data.utterances`
READERS: Final[dict[str, tuple[str, str]]] = {
    "flickr8k": ("zoo.data.flickr8k", "read_flickr8k"),
    "coco": ("zoo.data.coco", "read_coco_karpathy"),
    "lrs3": ("zoo.data.lrs3", "read_lrs3"),
    "lrs2": ("zoo.data.lrs2", "read_lrs2"),
    "lrs-voxmm": ("zoo.data.lrs_voxmm", "read_lrs_voxmm"),
    "mtedx": ("zoo.data.mtedx", "read_mtedx"),
}
_OF_MANY_LANGUAGES: Final = ("mtedx",)
PICTURES: Final = ("video", "face_clip", "face_picture")
"""The inputs of a task that are taken from a video."""
REFERENCES = "references.jsonl"
COMPUTED: Final = "zoo-"
"""How the names of conditions begin that are computed from the clean sound."""


@dataclass(frozen=True)
class Sample:
    """One prediction of a task.

    Attributes:
        id: unique in the task: `image:<name>`, `speech:<name of its image>#<k>`, or of a clip
            `<video>/<segment>`, behind `<condition>/` where the task has several.
        kind: `image`, `speech` or `clip`.
        media: file, relative to the data root.
        cluster: unit of resampling (the image's name, the source video).
        text: what is said ("" for an image).
        speaker: who says it ("" for an image or where it is not known).
        audio: the sound of a clip where that is a file of its own, as it was recorded.
        distorted: the same under another condition, where that is a file.
        other: another recording of the same person, "" where there is none.
        condition: of a clip.
        start_s: where a clip begins in its files, seconds; likewise `end_s`.
    """

    id: str
    kind: str
    media: str
    cluster: str
    text: str = ""
    speaker: str = ""
    audio: str = ""
    distorted: str = ""
    other: str = ""
    condition: str = ""
    start_s: float | None = None
    end_s: float | None = None

    @property
    def clip(self) -> str:
        """The id of a clip without its condition: what distortions are drawn by."""
        return self.id.removeprefix(f"{self.condition}/")

    @property
    def sound(self) -> str:
        """The file with the sound of a clip as it was recorded."""
        return self.audio or self.media


def read_samples(task: Task, root: str | Path, limit: int | None = None) -> list[Sample]:
    """The samples of a task: images, then their captions, or the clips under each condition.

    Args:
        task: what to read.
        root: folder of the dataset in its own layout.
        limit: take only the first `limit` images with all their captions, or clips.

    Raises:
        DataError: the folder is not laid out as the reader expects.
        BenchError: the counts are not those of the task, or the split is empty.
    """
    make, entries = _entries(task, Path(root))
    everything = make(entries)
    if not everything:
        raise BenchError(f"{root}: the {task.split} split of {task.dataset} holds no sample")
    _check_counts(task, root, everything)
    if limit is None:
        return everything
    if limit < 1:
        raise BenchError(f"--limit must be at least 1, got {limit}")
    return make(entries[:limit])


def _entries(
    task: Task, root: Path
) -> tuple[Callable[[Sequence[Any]], list[Sample]], Sequence[Any]]:
    """How entries become samples, and the entries of a split."""
    module, function = READERS[task.dataset]
    reader: Callable[..., Sequence[Any]] = getattr(import_module(module), function)
    if task.dataset in _OF_MANY_LANGUAGES:
        reader = partial(reader, languages=task.language)
    entries = reader(root, task.split)
    if task.protocol == "SpeechImageRetriever":
        return retrieval_samples, entries
    if entries and isinstance(entries[0], ImageEntry):
        return picture_samples, entries
    entries = _with_pictures(task, entries) if set(PICTURES) & set(task.inputs) else entries
    recorded = [name for name in task.conditions if name != CLEAN and not _is_computed(name)]
    sounds = {
        name: {one.id: one.sound for one in reader(root, task.split, name)} for name in recorded
    }
    others = other_recordings(entries)
    return lambda chosen: clip_samples(chosen, task.conditions, sounds, others), entries


def _with_pictures(task: Task, utterances: Sequence[Utterance]) -> list[Utterance]:
    """Those that were filmed: not every recording of mTEDx was, nor are all films still there."""
    filmed = [one for one in utterances if one.video is not None]
    if len(filmed) < len(utterances):
        lacking = len(utterances) - len(filmed)
        log.warning("%s: %d of %d have no video", task.key, lacking, len(utterances))
    return filmed


def _is_computed(condition: str) -> bool:
    return condition.startswith(COMPUTED)


def picture_samples(entries: Iterable[ImageEntry]) -> list[Sample]:
    """Every picture with its captions, one a line, as what a description is compared with."""
    found: dict[str, Sample] = {}
    for entry in entries:
        name, text = Path(entry.image).stem, "\n".join(c.text for c in entry.captions)
        found.setdefault(name, Sample(f"image:{name}", "image", entry.image, name, text))
    return list(found.values())


def other_recordings(utterances: Sequence[Utterance]) -> dict[str, str]:
    """Id -> the sound of the next utterance of the same source, which has the same voice."""
    by_source: dict[str, list[Utterance]] = {}
    for one in utterances:
        by_source.setdefault(one.source or one.id, []).append(one)
    return {
        one.id: after.sound
        for own in by_source.values()
        if len(own) > 1
        for one, after in zip(own, own[1:] + own[:1], strict=True)
    }


def clip_samples(
    utterances: Iterable[Utterance],
    conditions: Sequence[str] = (CLEAN,),
    sounds: Mapping[str, Mapping[str, str]] | None = None,
    others: Mapping[str, str] | None = None,
) -> list[Sample]:
    """Utterances as samples, all of one condition before those of the next.

    Args:
        utterances: as they were recorded.
        conditions: of the recordings.
        sounds: condition -> id -> file, for the conditions that are files.
        others: id -> another recording of the same person.
    """
    utterances = list(utterances)
    several = len(conditions) > 1
    return [
        Sample(
            f"{condition}/{one.id}" if several else one.id,
            "clip",
            one.video or one.sound,
            one.source or one.id,
            one.text,
            one.speaker or "",
            audio=one.audio or "",
            distorted=(sounds or {}).get(condition, {}).get(one.id, ""),
            other=(others or {}).get(one.id, ""),
            condition=condition,
            start_s=one.start_s,
            end_s=one.end_s,
        )
        for condition in conditions
        for one in utterances
    ]


def retrieval_samples(entries: Iterable[ImageEntry]) -> list[Sample]:
    """Unique images and their spoken captions as samples; an unspoken caption is none."""
    images: dict[str, Sample] = {}
    speech: list[Sample] = []
    for entry in entries:
        # the file's name, which is the same in every copy of the data, unlike numbers and folders
        name = Path(entry.image).stem
        images.setdefault(name, Sample(f"image:{name}", "image", entry.image, name))
        speech += [_spoken(name, caption) for caption in entry.captions if caption.wav]
    return [*images.values(), *speech]


def _spoken(image: str, caption: CaptionEntry) -> Sample:
    return Sample(
        f"speech:{image}#{caption.k}",
        "speech",
        caption.wav or "",
        image,
        caption.text,
        caption.speaker or "",
    )


def _check_counts(task: Task, root: str | Path, samples: Sequence[Sample]) -> None:
    found = Counter(sample.kind for sample in samples)
    wrong = {k: (found.get(k, 0), n) for k, n in task.expected.items() if found.get(k, 0) != n}
    if wrong:
        text = ", ".join(f"{got} {kind} samples instead of {n}" for kind, (got, n) in wrong.items())
        raise BenchError(
            f"{root}: {text}. {task.key} is only defined on the whole {task.split} split;"
            " complete the data"
        )


def form_batches(samples: Sequence[Sample], size: int) -> list[list[Sample]]:
    """Batches of one kind each, from the whole task: they never depend on how it is run."""
    batches: list[list[Sample]] = []
    for sample in samples:
        last = batches[-1] if batches else None
        if last and len(last) < size and last[0].kind == sample.kind:
            last.append(sample)
        else:
            batches.append([sample])
    return batches


def references_text(samples: Sequence[Sample]) -> str:
    """The content of references.jsonl: one sample a line."""
    return "".join(json.dumps(asdict(s), ensure_ascii=False) + "\n" for s in samples)


def references_hash(samples: Sequence[Sample]) -> str:
    """sha256 over ids, clusters and lower-cased texts, in order: what every copy agrees on."""
    lines = [[s.id, s.kind, s.cluster, s.text.lower()] for s in samples]
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()


def load_references(folder: Path) -> list[Sample]:
    """Read the samples of a run folder.

    Raises:
        BenchError: the folder is not one of a run.
    """
    path = folder / REFERENCES
    if not path.is_file():
        raise BenchError(f"{folder} is not a run folder: it has no {REFERENCES}")
    lines: list[Mapping[str, Any]] = [json.loads(line) for line in path.open(encoding="utf-8")]
    return [Sample(**line) for line in lines]
