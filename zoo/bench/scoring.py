"""Scoring: a pure function of the records, the references and the task.

The model is not needed, the data only where generated media are compared with the originals, and
the machine does not matter: `scores/` is byte-identical however many processes made the records.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.bench.baselines import baselines_of
from zoo.bench.bootstrap import RESAMPLES, interval, seed_of
from zoo.bench.protocols import ScoredRows, rows_of_run
from zoo.bench.records import Record, predictions_hash, read_records
from zoo.bench.result import RESULT_FILE, SCHEMA, Result
from zoo.bench.resume import check_complete, load_run, write_atomically
from zoo.bench.samples import Sample, load_references, references_hash
from zoo.bench.task import Task, load_task
from zoo.errors import BenchError
from zoo.metrics.base import Figure, Metric, Row

log = logging.getLogger(__name__)


def score_run(
    folder: str | Path,
    data_root: str | Path | None = None,
    *,
    resamples: int = RESAMPLES,
    workers: int = 0,
    progress: bool = False,
) -> Result:
    """Score a run folder: writes scores/<metric@version>.jsonl and result.json.

    Args:
        folder: of the run.
        data_root: folder of the dataset; only metrics that compare with original media need it.
        resamples: of the bootstrap.
        workers: processes that decode media and compute metrics without a judge.
        progress: show a progress bar where media are scored.

    Raises:
        MissingPredictionsError: exit code 3.
        ExtraPredictionsError: exit code 4.
        BenchError: not a run folder, changed references or media, another version of the task, or
            `data_root` is needed.
    """
    folder = Path(folder)
    run = load_run(folder)
    samples = load_references(folder)
    task = _checked_task(run, samples, folder)
    records = read_records(folder)
    check_complete(records, samples, folder)
    failed = sum(bool(records[sample.id].get("error")) for sample in samples)
    root = None if data_root is None else Path(data_root)
    scored, data = rows_of_run(task, samples, records, folder, root, workers, progress)
    figures, hashes = [], {}
    conditions = {sample.id: sample.condition for sample in samples}
    for one in scored:
        if one.reason is not None:
            figures.append(unavailable_entry(one.metric, one.reason, failed))
            continue
        hashes[one.metric.key] = _write_rows(folder, one.metric, one.rows)
        figures += [
            figure_entry(task.key, one, figure, rows, failed, resamples)
            for figure, rows in all_figures(task, one.metric, one.rows, conditions)
        ]
    body = _result(task, run, samples, records, figures, hashes, data)
    result = Result.from_dict(body, str(folder)).at(folder)
    result.save(folder / RESULT_FILE)
    return result


def all_figures(
    task: Task, metric: Metric, rows: Sequence[Row], conditions: Mapping[str, str]
) -> list[tuple[Figure, Sequence[Row]]]:
    """A metric's figures over all rows, then over those of each condition of the task.

    A figure of one condition has it in its name: `wer[norm=lrs@1,condition=clean]`.
    """
    found: list[tuple[Figure, Sequence[Row]]] = [(figure, rows) for figure in metric.figures(rows)]
    if len(task.conditions) < 2:
        return found
    for condition in task.conditions:
        part = [row for row in rows if conditions.get(row.id) == condition]
        found += [(sliced(figure, condition), part) for figure in metric.figures(part)]
    return found


def sliced(figure: Figure, condition: str) -> Figure:
    """A figure under the name it has over one condition."""
    name, bracket, options = figure.id.partition("[")
    inside = f"{options[:-1]},condition={condition}" if bracket else f"condition={condition}"
    details = {**figure.details, "slice": {"condition": condition}}
    label = f"{figure.label}, {condition}"
    return replace(figure, id=f"{name}[{inside}]", label=label, details=details)


def _checked_task(run: Mapping[str, Any], samples: Sequence[Sample], folder: Path) -> Task:
    task = load_task(run["key"]["task"])
    if task.hash != run["key"]["task_hash"]:
        raise BenchError(f"{folder}: {task.key} has changed since the run; run it again")
    if references_hash(samples) != run["key"]["references_sha256"]:
        raise BenchError(f"{folder}: references.jsonl is not the one the run was started with")
    return task


def _write_rows(folder: Path, metric: Metric, rows: Sequence[Row]) -> str:
    """Write scores/<metric>.jsonl and return its sha256."""
    lines = [
        json.dumps({"id": row.id, "cluster": row.cluster, "values": _compact(row.values)})
        for row in rows
    ]
    text = "".join(line + "\n" for line in lines)
    (folder / "scores").mkdir(exist_ok=True)
    write_atomically(folder / "scores" / f"{metric.key}.jsonl", text)
    return hashlib.sha256(text.encode()).hexdigest()


def _compact(values: Mapping[str, float]) -> dict[str, float]:
    """Counts as integers."""
    return {k: int(v) if float(v).is_integer() else float(v) for k, v in values.items()}


def load_rows(folder: Path, metric: Metric) -> list[Row]:
    """Read scores/<metric>.jsonl of a run folder; empty where the metric gave none.

    Raises:
        BenchError: the folder holds no scores.
    """
    if not (folder / "scores").is_dir():
        raise BenchError(f"{folder} holds no scores; run `zoo bench score` on it first")
    path = folder / "scores" / f"{metric.key}.jsonl"
    if not path.is_file():
        return []
    return [Row(**json.loads(line)) for line in path.open(encoding="utf-8")]


def figure_entry(
    task: str,
    scored: ScoredRows,
    figure: Figure,
    rows: Sequence[Row],
    failed: int,
    resamples: int,
) -> dict[str, Any]:
    """A figure with its interval, as result.json has it; `task` seeds the resamples."""
    metric = scored.metric
    found = interval(figure, rows, seed_of(task, figure.id), resamples)
    unscored = scored.unscored()
    entry: dict[str, Any] = {
        "id": figure.id,
        "metric": metric.key,
        "label": figure.label,
        "value": _number(found.value),
        "ci95": None,
        "n": int(sum(row.values.get(figure.count, 0.0) for row in rows)),
        "n_failed": failed,
        "unit": figure.unit,
        "higher_is_better": figure.higher_is_better,
        "aggregator": figure.aggregator,
        "details": {
            **figure.details,
            "judge": metric.judge,
            "resamples": resamples,
            **({"unscored": unscored} if unscored else {}),
        },
    }
    if entry["value"] is None:
        entry["reason"] = "undefined on these samples"
    elif math.isfinite(found.low) and math.isfinite(found.high):
        entry["ci95"] = [found.low, found.high]
    return entry


def unavailable_entry(metric: Metric, reason: str, failed: int) -> dict[str, Any]:
    """A metric that has no value, with the reason."""
    return {
        "id": metric.name,
        "metric": metric.key,
        "label": metric.name.replace("_", " "),
        "value": None,
        "ci95": None,
        "n": 0,
        "n_failed": failed,
        "unit": "",
        "higher_is_better": None,
        "aggregator": "",
        "details": {"judge": metric.judge},
        "reason": reason,
    }


def _result(
    task: Task,
    run: Mapping[str, Any],
    samples: Sequence[Sample],
    records: Mapping[str, Record],
    figures: Sequence[Mapping[str, Any]],
    score_hashes: Mapping[str, str],
    data: Any,
) -> dict[str, Any]:
    ids = [sample.id for sample in samples]
    failed = [records[id_] for id_ in ids if records[id_].get("error")]
    limit = run["key"]["limit"]
    described = ("command", "started", "settings", "devices", "versions", "code", "hardware")
    subset = {"limit": limit, "name": f"{task.key}[first {limit}]"} if limit else None
    return {
        "schema": SCHEMA,
        "task": {
            "name": task.name,
            "version": task.version,
            "title": task.title,
            "dataset": task.dataset,
            "split": task.split,
            "n_expected": len(ids),
            "hash": task.hash,
            "subset": subset,
            "cluster": task.cluster,
            "license": task.license,
        },
        "model": dict(run["model"]),
        "run": {name: run.get(name) for name in described},
        "metrics": list(figures),
        "counts": {
            "n_expected": len(ids),
            "n_scored": len(ids) - len(failed),
            "n_failed": len(failed),
        },
        "failures": _failures(failed),
        "baselines": baselines_of(task, data),
        "slices": _slices(task, samples),
        "timing": _timing(records, ids, run),
        "published": [],
        "integrity": {
            "predictions_sha256": predictions_hash(records, ids),
            "references_sha256": run["key"]["references_sha256"],
            "media_sha256": _digest([records[id_].get("media_sha256") for id_ in ids]),
            "scores_sha256": _digest(sorted(score_hashes.items())),
        },
    }


def _slices(task: Task, samples: Sequence[Sample]) -> dict[str, dict[str, int]]:
    """How many samples each slice has; its figures stand among the others, named after it."""
    if len(task.conditions) < 2:
        return {}
    return {"condition": dict(Counter(sample.condition for sample in samples))}


def _failures(failed: Sequence[Record]) -> list[dict[str, Any]]:
    """Failures by kind, with one example each, most frequent first."""
    kinds = Counter(record["error"]["type"] for record in failed)
    first: dict[str, Record] = {}
    for record in failed:
        first.setdefault(record["error"]["type"], record)
    return [
        {
            "type": kind,
            "count": count,
            "example": {"id": first[kind]["id"], "message": first[kind]["error"]["message"]},
        }
        for kind, count in kinds.most_common()
    ]


def _timing(
    records: Mapping[str, Record], ids: Sequence[str], run: Mapping[str, Any]
) -> dict[str, Any]:
    """Seconds a sample, and seconds of computing per second of sound."""
    done = [records[id_] for id_ in ids if records[id_].get("seconds") is not None]
    seconds = [record["seconds"] for record in done]
    spoken = [record for record in done if record.get("media_seconds")]
    sound = sum(record["media_seconds"] for record in spoken)
    peaks = [record["peak_memory"] for record in done if record.get("peak_memory")]
    hardware = run["hardware"]
    on_cpu = run["devices"]["accelerator"] == "cpu" or not hardware["accelerators"]
    return {
        "rtf_mean": sum(record["seconds"] for record in spoken) / sound if sound else None,
        "p50": float(np.percentile(seconds, 50)) if seconds else None,
        "p95": float(np.percentile(seconds, 95)) if seconds else None,
        "peak_memory": max(peaks) if peaks else None,
        "device": hardware["cpu"] if on_cpu else hardware["accelerators"][0],
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
