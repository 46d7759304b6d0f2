"""What the scores of files look like: result.json, and a table with a line a file."""

from __future__ import annotations

import csv
import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from zoo.bench.file_pairs import FilePair, Matched
from zoo.bench.protocols import ScoredRows
from zoo.bench.provenance import code_commit, hardware, versions
from zoo.bench.result import SCHEMA
from zoo.bench.scoring import figure_entry, unavailable_entry
from zoo.metrics.base import Metric, value_of

TASK: Final = "files"


def figure_entries(
    scored: Sequence[ScoredRows], failed: int, resamples: int
) -> list[dict[str, Any]]:
    """Every figure with its interval; `failed` pairs stand beside a metric that has none."""
    entries = []
    for one in scored:
        if one.reason is not None or not one.rows:
            reason = one.reason or "no pair could be measured"
            entries.append(unavailable_entry(one.metric, reason, failed))
            continue
        for figure in one.metric.figures(one.rows):
            entries.append(figure_entry(TASK, one, figure, one.rows, len(one.faults), resamples))
    return entries


def result_body(
    matched: Matched,
    digests: Mapping[Path, str],
    entries: list[dict[str, Any]],
    scored: Sequence[ScoredRows],
    faults: Mapping[str, Mapping[str, str]],
    name: str,
    resamples: int,
    cluster: str,
) -> dict[str, Any]:
    """result.json: the schema of a run, with a task of its own and without a model of the zoo."""
    ids = [pair.id for pair in matched.pairs]
    kinds = [one.metric.key for one in scored]
    names = [one.metric.name for one in scored]
    ours = [[pair.id, digests[pair.generated]] for pair in matched.pairs]
    theirs = [
        [pair.id, digests.get(pair.reference, "") if pair.reference else "", pair.text]
        for pair in matched.pairs
    ]
    return {
        "schema": SCHEMA,
        "task": {
            "name": TASK,
            "version": 1,
            "title": f"{len(ids)} pairs of files",
            "dataset": TASK,
            "split": "",
            "n_expected": len(ids),
            "hash": _sha([kinds, theirs]),
            "subset": None,
            "cluster": cluster,
            "license": "",
        },
        "model": {"name": name, "sha256": None, "params": None},
        "run": {
            "command": shlex.join(["zoo", "score", "GENERATED", "--metrics", ",".join(names)]),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "settings": {"seed": 0, "batch_size": 1, "precision": "32-true", "limit": None,
                         "resamples": resamples},
            "versions": versions(),
            "code": code_commit(),
            "hardware": hardware(),
            "unmatched": {
                "only_generated": list(matched.only_generated),
                "only_reference": list(matched.only_reference),
                "passed_over": list(matched.ambiguous),
            },
        },
        "metrics": entries,
        "counts": {
            "n_expected": len(ids),
            "n_scored": len(ids) - len(faults),
            "n_failed": len(faults),
        },
        "failures": _failures(faults),
        "baselines": [],
        "slices": {},
        "timing": {"rtf_mean": None, "p50": None, "p95": None, "device": hardware()["cpu"]},
        "published": [],
        "integrity": {
            "predictions_sha256": _sha(ours),
            "references_sha256": _sha(theirs),
            "media_sha256": _sha([digest for _, digest in ours]),
            "scores_sha256": _sha([[r.id, dict(r.values)] for one in scored for r in one.rows]),
        },
    }  # fmt: skip


def _sha(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _failures(faults: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """By metric: how many pairs it could not measure, with the first of them."""
    names = dict.fromkeys(name for own in faults.values() for name in own)
    found = []
    for name in names:
        lost = [(id_, own[name]) for id_, own in faults.items() if name in own]
        example = {"id": lost[0][0], "message": lost[0][1]}
        found.append({"type": name, "count": len(lost), "example": example})
    return found


def file_table(
    pairs: Sequence[FilePair],
    scored: Sequence[ScoredRows],
    faults: Mapping[str, Mapping[str, str]],
) -> list[dict[str, Any]]:
    """One row a pair: its own value of every figure."""
    rows = {pair.id: {"id": pair.id} for pair in pairs}
    for one in scored:
        for row in one.rows:
            rows[row.id] |= _values(one.metric, row)
    for id_, own in faults.items():
        rows[id_]["error"] = "; ".join(f"{name}: {reason}" for name, reason in own.items())
    return list(rows.values())


def _values(metric: Metric, row: Any) -> dict[str, Any]:
    found = {figure.id: value_of(figure, [row]) for figure in metric.figures([row])}
    return {id_: value for id_, value in found.items() if value == value}  # NaN is left out


def write_csv(path: Path, table: Sequence[Mapping[str, Any]]) -> None:
    """Write the table; what was wrong with a pair is its last column."""
    columns = list(dict.fromkeys(name for row in table for name in row if name != "error"))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*columns, "error"], restval="")
        writer.writeheader()
        writer.writerows(table)
