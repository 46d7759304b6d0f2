"""The samples of a task: what is predicted, and what the predictions are scored against."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from zoo.bench.task import Task
from zoo.data.manifest import CaptionEntry, ImageEntry
from zoo.errors import BenchError

# dataset of a task file -> (module, function(root, split) -> list of ImageEntry)
READERS: Final[dict[str, tuple[str, str]]] = {
    "flickr8k": ("zoo.data.flickr8k", "read_flickr8k"),
    "coco": ("zoo.data.coco", "read_coco_karpathy"),
}
REFERENCES = "references.jsonl"


@dataclass(frozen=True)
class Sample:
    """One prediction of a task.

    Attributes:
        id: unique in the task: `image:<name>` or `speech:<name of its image>#<k>`.
        kind: `image` or `speech`.
        media: file, relative to the data root.
        cluster: unit of resampling (the image's name).
        text: what is said ("" for an image).
        speaker: who says it ("" for an image or where it is not known).
    """

    id: str
    kind: str
    media: str
    cluster: str
    text: str = ""
    speaker: str = ""


def read_samples(task: Task, root: str | Path, limit: int | None = None) -> list[Sample]:
    """The samples of a task, images first, each kind in the order of the dataset.

    Args:
        task: what to read.
        root: folder of the dataset in its own layout.
        limit: take only the first `limit` images, with all their captions.

    Raises:
        DataError: the folder is not laid out as the reader expects.
        BenchError: the counts are not those of the task, or the split is empty.
    """
    module, function = READERS[task.dataset]
    reader: Callable[..., Sequence[ImageEntry]] = getattr(import_module(module), function)
    entries = reader(Path(root), task.split)
    everything = retrieval_samples(entries)
    if not everything:
        raise BenchError(f"{root}: the {task.split} split of {task.dataset} holds no sample")
    _check_counts(task, root, everything)
    if limit is None:
        return everything
    if limit < 1:
        raise BenchError(f"--limit must be at least 1, got {limit}")
    return retrieval_samples(entries[:limit])


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
    found = {kind: sum(sample.kind == kind for sample in samples) for kind in ("image", "speech")}
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
