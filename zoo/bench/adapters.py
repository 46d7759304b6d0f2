"""From a task protocol to prediction records; the only place that calls a model's methods."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from lightning import LightningModule

from zoo.bench.dataset import Loaded
from zoo.bench.media import store_media
from zoo.bench.provenance import without_places
from zoo.bench.records import Record, encode_array
from zoo.bench.reference_rows import ReferenceRow
from zoo.bench.speech_adapters import BUILDERS
from zoo.bench.task import Task
from zoo.errors import BenchError
from zoo.hub.module import ZooModule
from zoo.tasks import SpeechImageRetriever, implements

log = logging.getLogger(__name__)

TOP_K: Final = 5  # candidates a keyword slot, as the official hit rate takes
_NORM_TOLERANCE: Final = 1e-2  # wide enough for half precision


class Adapter(Protocol):
    """Predicts batches of one kind each through one protocol."""

    def predict(self, batch: Sequence[Loaded]) -> list[dict[str, Any]]:
        """One JSON-able output an item."""
        ...


class RetrieverAdapter:
    """Embeddings, and keywords of the models that name them.

    Two things a retriever may offer beyond the protocol are used where they are there:
    `keywords(..., quantized=True)`, the neighbours of the sub-word a slot chose (what the official
    hit rate is defined on), and `caption_tokens(text)`, a caption cut as the model's vocabulary is.
    """

    def __init__(self, model: SpeechImageRetriever) -> None:
        self.model = model
        self.names_keywords = True
        accepted = signature(model.keywords).parameters
        self.options = {"quantized": True} if "quantized" in accepted else {}

    def predict(self, batch: Sequence[Loaded]) -> list[dict[str, Any]]:
        """Embed pictures or recordings.

        Raises:
            ValueError: an embedding is not finite or not of unit norm.
        """
        media = [item.media for item in batch]
        if batch[0].sample.kind == "image":
            return _embeddings(self.model.embed_image(media), len(media))
        outputs = _embeddings(self.model.embed_speech(media), len(media))
        for item, output, found in zip(batch, outputs, self._keywords(media), strict=True):
            if found:
                output["keywords"] = found
                output |= self._tokens(item.sample.text)
        return outputs

    def _keywords(self, media: list[Any]) -> list[list[list[Any]]]:
        """Per utterance [word, score, slot]; empty lists from a model without keywords."""
        if self.names_keywords:
            try:
                found = self.model.keywords(media, top_k=TOP_K, **self.options)
            except NotImplementedError:
                log.info("the model names no keywords")
                self.names_keywords = False
            else:
                return [[[k.word, float(k.score), int(k.slot)] for k in one] for one in found]
        return [[] for _ in media]

    def _tokens(self, text: str) -> dict[str, list[str]]:
        cut = getattr(self.model, "caption_tokens", None)
        return {} if cut is None else {"tokens": list(cut(text))}


def adapt(model: Any, task: Task, seed: int = 0) -> Adapter:
    """The adapter of a task's protocol around a model.

    Raises:
        BenchError: the model does not implement the protocol, lacks a part that it takes, or reads
            other inputs.
    """
    if isinstance(model, ReferenceRow):
        return _RowAdapter(model, task)
    if not implements(model, task.protocol):
        raise BenchError(
            f"{type(model).__name__} is no {task.protocol}: this task needs a model with its "
            "methods"
        )
    if isinstance(model, ZooModule) and not model.does_its_task(model.config):
        raise BenchError(
            f"this {type(model).__name__} has not all parts of a {task.protocol}: it is an encoder "
            "or a vocoder alone, or the like"
        )
    if task.protocol == "SpeechImageRetriever":
        return RetrieverAdapter(model)
    return BUILDERS[task.protocol](model, task, seed)


class _RowAdapter:
    """A reference row of a task."""

    def __init__(self, row: ReferenceRow, task: Task) -> None:
        row.inputs(task)
        self.row, self.task = row, task

    def predict(self, batch: Sequence[Loaded]) -> list[dict[str, Any]]:
        """What the row says."""
        return self.row.predict(batch, self.task)


def _embeddings(vectors: torch.Tensor, count: int) -> list[dict[str, Any]]:
    """Check and encode (N, D) embeddings."""
    vectors = vectors.detach().float().cpu()
    if vectors.ndim != 2 or len(vectors) != count:
        raise ValueError(f"embeddings are {tuple(vectors.shape)} for {count} items, not (N, D)")
    if not torch.isfinite(vectors).all():
        raise ValueError("an embedding holds a value that is not finite")
    norms = vectors.norm(dim=1)
    if ((norms - 1).abs() > _NORM_TOLERANCE).any():
        raise ValueError(f"an embedding has norm {norms.min():.4g}..{norms.max():.4g}, not 1")
    return [{"embedding": encode_array(vector.numpy())} for vector in vectors]


class PredictModule(LightningModule):
    """Lets `Trainer.predict` drive an adapter; puts the model where the Trainer wants it."""

    def __init__(self, model: Any, task: Task, folder: Path, seed: int = 0) -> None:
        super().__init__()
        self.adapter = adapt(model, task, seed)
        self.model = model
        self.folder = folder

    def predict_step(self, batch: list[Loaded], batch_idx: int) -> list[Record]:
        """One record an item, failed ones included."""
        whole = [loaded for loaded in batch if loaded.error is None]
        outputs = iter(self._outputs(whole))
        return [
            self._record(loaded, {"error": loaded.error} if loaded.error else next(outputs))
            for loaded in batch
        ]

    def _outputs(self, batch: Sequence[Loaded]) -> list[dict[str, Any]]:
        """Output and seconds of each item; a batch that fails is tried again item by item."""
        if not batch:
            return []
        started = time.perf_counter()
        try:
            outputs = self.adapter.predict(batch)
            seconds = (time.perf_counter() - started) / len(batch)
            outputs = [
                store_media(output, self.folder, item.sample.id)
                for output, item in zip(outputs, batch, strict=True)
            ]
        except Exception as error:
            if len(batch) > 1:
                return [output for item in batch for output in self._outputs([item])]
            log.warning("%s failed: %s", batch[0].sample.id, error)
            return [
                {"error": {"type": type(error).__name__, "message": _message(error, self.folder)}}
            ]
        return [{"output": output, "seconds": seconds} for output in outputs]

    def _record(self, loaded: Loaded, outcome: dict[str, Any]) -> Record:
        return {
            "id": loaded.sample.id,
            "kind": loaded.sample.kind,
            "rank": self.global_rank,
            "output": outcome.get("output"),
            "error": outcome.get("error"),
            "media_sha256": loaded.sha256,
            "media_seconds": loaded.seconds,
            "seconds": outcome.get("seconds"),
            "peak_memory": _peak_memory(self.device),
        }


def _message(error: Exception, folder: Path) -> str:
    """What went wrong, without the places of this machine."""
    return without_places(str(error).replace(f"{folder}/", ""))[:500]


def _peak_memory(device: torch.device) -> int | None:
    """Highest memory use so far in bytes: of the accelerator, or resident on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # not a POSIX system
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
