"""From records and references to the rows of the metrics of a protocol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch

from zoo.bench.bootstrap import seed_of
from zoo.bench.pair_scoring import Plan, RowLog, score_items, usable
from zoo.bench.pairs import Item, build_items, lacking_kinds, needs_of
from zoo.bench.progress import progress_bar
from zoo.bench.records import Record, decode_array
from zoo.bench.samples import Sample
from zoo.bench.task import Task
from zoo.metrics.base import Metric, Row
from zoo.metrics.retrieval import RetrievalData

_PART: Final = ".rows.part.jsonl"
_REASONS: Final = 5


@dataclass(frozen=True)
class ScoredRows:
    """A metric with its rows, or with the reason why there are none.

    `faults` maps the id of a sample that this metric could not measure to the reason.
    """

    metric: Metric
    rows: Sequence[Row] = ()
    reason: str | None = None
    faults: Mapping[str, str] = field(default_factory=dict)

    def unscored(self) -> dict[str, int]:
        """The commonest reasons for samples without a value, with their counts."""
        return dict(Counter(self.faults.values()).most_common(_REASONS))


def rows_of_run(
    task: Task,
    samples: Sequence[Sample],
    records: Mapping[str, Record],
    folder: Path,
    root: Path | None = None,
    workers: int = 0,
    progress: bool = False,
) -> tuple[list[ScoredRows], Any]:
    """Every metric of a task over the records of a run, and the data that baselines read.

    Raises:
        BenchError: a metric needs the originals and `root` is None, or media have changed.
    """
    if task.protocol == "SpeechImageRetriever":
        data = retrieval_data(task, samples, records)
        return [_whole(metric, data) for metric in task.build_metrics()], data
    metrics = task.build_metrics()
    reasons = [lacking_kinds(task, needs_of(task, m)) or usable(m) for m in metrics]
    plans = [
        Plan(metric, needs_of(task, metric))
        for metric, reason in zip(metrics, reasons, strict=True)
        if reason is None
    ]
    kinds = list(dict.fromkeys(kind for plan in plans for kind in plan.needs))
    items = build_items(task, samples, records, folder, root, kinds)
    done = iter(_scored(plans, items, folder, workers, progress))
    found = [
        next(done) if reason is None else ScoredRows(metric, reason=reason)
        for metric, reason in zip(metrics, reasons, strict=True)
    ]
    return found, None


def _scored(
    plans: Sequence[Plan], items: Sequence[Item], folder: Path, workers: int, progress: bool
) -> list[ScoredRows]:
    """Rows of the plans; what was measured before an interruption is not measured again."""
    part = folder / "scores" / _PART
    with progress_bar("scoring", len(items), shown=progress) as advance:
        found = score_items(items, plans, workers=workers, row_log=RowLog(part), advance=advance)
    part.unlink(missing_ok=True)
    return [
        _checked(plan, rows, faults, items)
        for plan, rows, faults in zip(plans, found.rows, found.reasons, strict=True)
    ]


def _checked(
    plan: Plan, rows: Sequence[Row], faults: Mapping[str, str], items: Sequence[Item]
) -> ScoredRows:
    """The rows, unless the model never gave what the metric is about."""
    kind = plan.needs[0]
    if not any(kind in item.values for item in items):
        return ScoredRows(plan.metric, reason=f"the model gives no {kind}")
    return ScoredRows(plan.metric, rows, faults=faults)


def _whole(metric: Metric, data: Any) -> ScoredRows:
    """The rows of a metric that reads all samples at once."""
    reason = metric.available()
    if reason is None:
        metric.setup()
        rows = metric.rows(data)
        reason = None if rows else f"the model gives no {' and '.join(metric.needs)}"
        return ScoredRows(metric, rows, reason)
    return ScoredRows(metric, reason=reason)


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
