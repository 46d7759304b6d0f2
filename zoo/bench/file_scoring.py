"""Scoring anybody's files: pairs and metrics in, a result, a table by file and intervals out."""

from __future__ import annotations

import csv
import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from zoo.bench.bootstrap import RESAMPLES, value_of
from zoo.bench.file_pairs import FilePair, Matched
from zoo.bench.pair_scoring import Plan, RowLog, Scores, score_items, usable
from zoo.bench.pairs import Item, Source
from zoo.bench.progress import progress_bar
from zoo.bench.protocols import ScoredRows
from zoo.bench.provenance import code_commit, hardware, versions
from zoo.bench.result import SCHEMA, Result
from zoo.bench.scoring import figure_entry, unavailable_entry
from zoo.errors import BenchError
from zoo.metrics import METRICS, get_metric
from zoo.metrics.base import Metric

TASK: Final = "files"
# what people call a metric -> its name where the files are sound or video, not text
_SPOKEN: Final = {"wer": "asr_wer", "cer": "asr_cer", "bleu": "asr_bleu", "sim": "speaker_similarity"}
_NOT_OF_FILES: Final = ("text", "embedding", "keywords", "landmarks")


@dataclass(frozen=True)
class Judges:
    """Which networks judge; None is the metric's own choice.

    Attributes:
        asr: recogniser: a checkpoint of the zoo or of the Hub.
        syncnet: judge of lips and sound.
        speaker: checkpoint of the speaker encoder.
        landmarks: detector of 68 points.
        normalizer: rule for texts.
        language: of the speech.
        device: where judges run.
    """

    asr: str | None = None
    syncnet: str | None = None
    speaker: str | None = None
    landmarks: str | None = None
    normalizer: str | None = None
    language: str = "en"
    device: str | None = None

    def options(self, name: str) -> dict[str, Any]:
        """Options of a metric."""
        if name.startswith("asr_"):
            chosen = {"judge": self.asr, "normalizer": self.normalizer, "device": self.device}
            return {**_given(chosen), "language": self.language}
        judge = {
            "lse": self.syncnet,
            "speaker_similarity": self.speaker,
            "lmd": self.landmarks,
        }
        return _given({"judge": judge[name], "device": self.device}) if name in judge else {}


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def build_plans(names: Sequence[str], judges: Judges) -> list[Plan]:
    """Metrics by name, each perhaps with options: `pesq`, `wer`, `pesq:band=nb`.

    Raises:
        BenchError: no such metric or option, or one that is not about files.
    """
    plans = []
    for text in names:
        given, _, tail = text.strip().partition(":")
        name = _SPOKEN.get(given, given)
        if name not in METRICS:
            known = ", ".join(sorted({*METRICS, *_SPOKEN}))
            raise BenchError(f"no metric is called {given!r}; known: {known}")
        own = dict(_option(part) for part in tail.split(",") if part) if tail else {}
        metric = get_metric(name, **{**judges.options(name), **own})
        needs = metric.needs
        if name == "lmd" and metric.judge == judges.landmarks:
            needs = ("video", "reference_video")
        if any(kind.removeprefix("reference_") in _NOT_OF_FILES for kind in needs[:1]):
            raise BenchError(
                f"{given} compares {' and '.join(needs)}, which files do not give"
                + ("; name a detector with --landmarks" if name == "lmd" else "")
            )
        plans.append(Plan(metric, tuple(needs)))
    return plans


def _option(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


@dataclass
class FileScores:
    """The outcome: the result, and what stands in the table by file."""

    result: Result
    table: list[dict[str, Any]] = field(default_factory=list)
    faults: dict[str, dict[str, str]] = field(default_factory=dict)
    """Id -> metric -> why it has no value."""


def score_files(
    matched: Matched,
    plans: Sequence[Plan],
    out: str | Path,
    *,
    name: str = "generated",
    workers: int = 0,
    resamples: int = RESAMPLES,
    progress: bool = True,
    cluster: str = "file",
) -> FileScores:
    """Score pairs of files; writes `out`, a CSV beside it and a log from which a rerun continues.

    Args:
        matched: the pairs.
        plans: metrics, by `build_plans`.
        out: the result (JSON).
        name: of whoever made the files, in tables.
        workers: processes that decode and compute metrics without a judge.
        resamples: of the bootstrap.
        progress: show a progress bar.
        cluster: what is resampled, in words.

    Raises:
        BenchError: there is no pair.
    """
    if not matched.pairs:
        raise BenchError("there is no pair of files to score")
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    reasons = [_lacking(plan, matched.pairs) or usable(plan.metric) for plan in plans]
    usable_plans = [plan for plan, reason in zip(plans, reasons, strict=True) if reason is None]
    digests = _digests(matched.pairs, max(1, workers))
    items = [_item(pair, digests) for pair in matched.pairs]
    with progress_bar("scoring", len(items), shown=progress) as advance:
        found = score_items(
            items,
            usable_plans,
            workers=workers,
            row_log=RowLog(out.with_name(f"{out.stem}.rows.jsonl")),
            advance=advance,
        )
    scored = _scored(plans, reasons, found)
    faults = _faults(scored)
    entries = _entries(scored, len(faults), resamples)
    body = _body(matched, digests, entries, scored, faults, name, resamples, cluster)
    result = Result.from_dict(body, str(out)).at(None)
    result.save(out)
    table = _table(matched.pairs, scored, faults)
    _write_csv(out.with_suffix(".csv"), table)
    return FileScores(result, table, faults)


def _lacking(plan: Plan, pairs: Sequence[FilePair]) -> str | None:
    """Why a metric has nothing to compare in any pair."""
    if "reference_text" in plan.needs and all(pair.text is None for pair in pairs):
        return "no text is known; give --text, or put a .txt beside each reference"
    if any(kind in ("reference_speech", "reference_video") for kind in plan.needs) and all(
        pair.reference is None for pair in pairs
    ):
        return "there are no references; give --reference"
    return None


def _digests(pairs: Sequence[FilePair], workers: int) -> dict[Path, str]:
    """File -> sha256; an unreadable file has none."""
    files = [path for pair in pairs for path in (pair.generated, pair.reference) if path]
    with ThreadPoolExecutor(min(workers, 8)) as pool:
        return dict(zip(files, pool.map(_digest, files), strict=True))


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _item(pair: FilePair, digests: Mapping[Path, str]) -> Item:
    ours = Source(pair.generated, sha256=digests[pair.generated])
    values: dict[str, Any] = {"speech": ours, "video": ours}
    if pair.reference is not None:
        theirs = Source(pair.reference, sha256=digests[pair.reference])
        values |= {"reference_speech": theirs, "reference_video": theirs}
    if pair.text is not None:
        values["reference_text"] = pair.text
    return Item(pair.id, pair.cluster or pair.id, values)


def _scored(
    plans: Sequence[Plan], reasons: Sequence[str | None], found: Scores
) -> list[ScoredRows]:
    done = iter(zip(found.rows, found.reasons, strict=True))
    return [
        ScoredRows(plan.metric, reason=reason)
        if reason is not None
        else ScoredRows(plan.metric, *_kept(*next(done)))
        for plan, reason in zip(plans, reasons, strict=True)
    ]


def _kept(rows: Any, faults: Mapping[str, str]) -> tuple[Any, None, Mapping[str, str]]:
    """Rows of the pairs that could be measured: an unreadable file is no silence."""
    return [row for row in rows if row.id not in faults], None, faults


def _faults(scored: Sequence[ScoredRows]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for one in scored:
        for id_, reason in one.faults.items():
            found.setdefault(id_, {})[one.metric.name] = reason
    return found


def _entries(scored: Sequence[ScoredRows], failed: int, resamples: int) -> list[dict[str, Any]]:
    entries = []
    for one in scored:
        if one.reason is not None or not one.rows:
            reason = one.reason or "no pair could be measured"
            entries.append(unavailable_entry(one.metric, reason, failed))
            continue
        for figure in one.metric.figures(one.rows):
            entries.append(figure_entry(TASK, one, figure, one.rows, len(one.faults), resamples))
    return entries


def _body(
    matched: Matched,
    digests: Mapping[Path, str],
    entries: list[dict[str, Any]],
    scored: Sequence[ScoredRows],
    faults: Mapping[str, Mapping[str, str]],
    name: str,
    resamples: int,
    cluster: str,
) -> dict[str, Any]:
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


def _table(
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


def _write_csv(path: Path, table: Sequence[Mapping[str, Any]]) -> None:
    columns = list(dict.fromkeys(name for row in table for name in row if name != "error"))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*columns, "error"], restval="")
        writer.writeheader()
        writer.writerows(table)
