"""From records and references to what the metrics of a protocol read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch

from zoo.bench.bootstrap import seed_of
from zoo.bench.records import Record, decode_array
from zoo.bench.samples import Sample
from zoo.bench.task import Task
from zoo.metrics.retrieval import RetrievalData


def task_data(task: Task, samples: Sequence[Sample], records: Mapping[str, Record]) -> Any:
    """The metrics' input for a task's protocol."""
    return _BUILDERS[task.protocol](task, samples, records)


def retrieval_data(
    task: Task, samples: Sequence[Sample], records: Mapping[str, Record]
) -> RetrievalData:
    """Embeddings, keywords and captions of a retrieval run."""
    spoken = [sample for sample in samples if sample.kind == "speech"]
    images = [sample for sample in samples if sample.kind == "image"]
    outputs = {id_: r["output"] for id_, r in records.items() if r.get("output")}
    return RetrievalData(
        captions={sample.id: sample.cluster for sample in spoken},
        images=[sample.cluster for sample in images],
        speech=_vectors({s.id: outputs[s.id] for s in spoken if s.id in outputs}),
        pictures=_vectors({s.cluster: outputs[s.id] for s in images if s.id in outputs}),
        texts={sample.id: sample.text for sample in spoken},
        keywords=_keywords(outputs),
        tokens={id_: out["tokens"] for id_, out in outputs.items() if "tokens" in out},
        seed=seed_of(task.key, "shuffled captions"),
    )


def _vectors(outputs: Mapping[str, Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    return {id_: torch.from_numpy(decode_array(o["embedding"])) for id_, o in outputs.items()}


def _keywords(outputs: Mapping[str, Mapping[str, Any]]) -> dict[str, list[tuple[str, float, int]]]:
    found = {id_: output["keywords"] for id_, output in outputs.items() if "keywords" in output}
    return {
        id_: [(str(word), float(score), int(slot)) for word, score, slot in words]
        for id_, words in found.items()
    }


_BUILDERS: Final[dict[str, Callable[[Task, Sequence[Sample], Mapping[str, Record]], Any]]] = {
    "SpeechImageRetriever": retrieval_data,
}
