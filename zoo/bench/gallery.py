"""Samples to look at and listen to: spoken queries with the pictures each model finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch

from zoo.bench.gallery_parts import envelope, file_name, is_showable
from zoo.bench.protocols import retrieval_data
from zoo.bench.records import read_records
from zoo.bench.result import Result
from zoo.bench.samples import Sample, load_references
from zoo.bench.task import load_task
from zoo.metrics.keyword_hit_rate import caption_words
from zoo.metrics.retrieval import RetrievalData

SHOWN: Final = 5
_THUMBNAIL: Final = 224


@dataclass(frozen=True)
class Found:
    """A picture in a model's answer; `picture` is an address relative to the page."""

    name: str
    picture: str
    score: float
    correct: bool


@dataclass(frozen=True)
class Word:
    """A keyword; `said` is whether the caption holds it."""

    text: str
    score: float
    said: bool


@dataclass(frozen=True)
class Answer:
    """What one model makes of a query; `words` has one inner tuple a keyword slot."""

    model: str
    anchor: str
    found: tuple[Found, ...]
    rank: int | None
    words: tuple[tuple[Word, ...], ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Query:
    """One spoken caption; `peaks` are envelope heights in [0, 1] for drawing."""

    id: str
    text: str
    speaker: str
    audio: str
    target: str
    peaks: tuple[float, ...]
    answers: tuple[Answer, ...] = field(default=())


def build_queries(results: Sequence[Result], out: Path, count: int) -> list[Query]:
    """Copy the media of `count` queries under `out/media` and collect every model's answer.

    Queries are spread over the pictures. Returns nothing where no result knows its run folder and
    data, or where the task's licence does not let its media be copied.
    """
    usable = [result for result in results if is_showable(result)]
    if not usable:
        return []
    folder, root = usable[0].folder, usable[0].data_root
    assert folder is not None and root is not None
    samples = load_references(folder)
    media = _Media(root, out, {sample.cluster: sample for sample in _of_kind(samples, "image")})
    runs = [(result, _Run(result, samples)) for result in usable]
    return [
        _query(sample, media, [run.answer(sample, media) for _, run in runs])
        for sample in _spread(_of_kind(samples, "speech"), count)
        if (root / sample.media).is_file()
    ]


def _of_kind(samples: Sequence[Sample], kind: str) -> list[Sample]:
    return [sample for sample in samples if sample.kind == kind]


def _spread(spoken: Sequence[Sample], count: int) -> list[Sample]:
    """Captions of pictures that lie evenly over the task, another caption number each time."""
    by_image: dict[str, list[Sample]] = {}
    for sample in spoken:
        by_image.setdefault(sample.cluster, []).append(sample)
    groups = list(by_image.values())
    places = np.linspace(0, len(groups) - 1, min(count, len(groups))).round().astype(int)
    return [groups[place][turn % len(groups[place])] for turn, place in enumerate(places)]


class _Media:
    """Copies pictures and recordings next to the page, each once, under neutral names."""

    def __init__(self, root: Path, out: Path, images: dict[str, Sample]) -> None:
        self.root = root
        self.folder = out / "media"
        self.images = images

    def picture(self, image: str) -> str:
        """Address of a thumbnail; "" where the picture cannot be read."""
        from zoo.errors import MediaError
        from zoo.video import load_image

        name = file_name(image, ".jpg")
        if not (self.folder / name).is_file():
            try:
                picture = load_image(self.root / self.images[image].media)
            except (MediaError, OSError):
                return ""
            picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
            self.folder.mkdir(parents=True, exist_ok=True)
            picture.save(self.folder / name, quality=85)
        return f"media/{name}"

    def sound(self, sample: Sample) -> tuple[str, tuple[float, ...]]:
        """Address of a recording as 16-bit wav, and its envelope; "" where it is unreadable."""
        from zoo.audio import load_audio, save_audio
        from zoo.errors import MediaError

        name = file_name(sample.id, ".wav")
        try:
            waveform = load_audio(self.root / sample.media)
        except (MediaError, OSError):
            return "", ()
        self.folder.mkdir(parents=True, exist_ok=True)
        save_audio(self.folder / name, waveform, 16_000)
        return f"media/{name}", envelope(waveform)


class _Run:
    """The answers of one run."""

    def __init__(self, result: Result, samples: Sequence[Sample]) -> None:
        assert result.folder is not None
        self.result = result
        self.records = read_records(result.folder)
        self.data: RetrievalData = retrieval_data(load_task(result.task), samples, self.records)
        self.names = list(self.data.pictures)
        self.pictures = torch.stack(list(self.data.pictures.values())) if self.names else None

    def answer(self, sample: Sample, media: _Media) -> Answer:
        """The pictures nearest to one spoken query."""
        model = self.result.model
        anchor = f"{self.result.task}/{model}/{sample.id}"
        vector = self.data.speech.get(sample.id)
        if vector is None or self.pictures is None:
            error = self.records[sample.id].get("error") or {"message": "no picture was embedded"}
            return Answer(model, anchor, (), None, error=str(error["message"]))
        scores = self.pictures @ vector
        order = torch.argsort(scores, descending=True, stable=True).tolist()
        own = self.names.index(sample.cluster) if sample.cluster in self.names else None
        found = tuple(self._found(i, scores, sample, media) for i in order[:SHOWN])
        rank = None if own is None else 1 + order.index(own)
        return Answer(model, anchor, found, rank, self._words(sample))

    def _found(self, index: int, scores: torch.Tensor, sample: Sample, media: _Media) -> Found:
        name = self.names[index]
        return Found(name, media.picture(name), float(scores[index]), name == sample.cluster)

    def _words(self, sample: Sample) -> tuple[tuple[Word, ...], ...]:
        said = set(self.data.tokens.get(sample.id) or caption_words(sample.text))
        slots: dict[int, list[Word]] = {}
        for word, score, slot in self.data.keywords.get(sample.id, ()):
            slots.setdefault(slot, []).append(Word(word, score, word.strip().lower() in said))
        return tuple(tuple(slots[slot]) for slot in sorted(slots))


def _query(sample: Sample, media: _Media, answers: Sequence[Answer]) -> Query:
    audio, peaks = media.sound(sample)
    target = media.picture(sample.cluster)
    return Query(sample.id, sample.text, sample.speaker, audio, target, peaks, tuple(answers))
