"""Scoring anybody's files: pairs and metrics in, a result, a table by file and intervals out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.bench.bootstrap import RESAMPLES
from zoo.bench.file_pairs import FilePair, Matched
from zoo.bench.file_result import figure_entries, file_table, result_body, write_csv
from zoo.bench.pair_scoring import Plan, RowLog, Scores, score_items, usable
from zoo.bench.pairs import Item, Source
from zoo.bench.progress import progress_bar
from zoo.bench.protocols import ScoredRows
from zoo.bench.result import Result
from zoo.errors import BenchError


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
        plans: metrics, by `zoo.bench.file_plans.build_plans`.
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
    entries = figure_entries(scored, len(faults), resamples)
    body = result_body(matched, digests, entries, scored, faults, name, resamples, cluster)
    result = Result.from_dict(body, str(out)).at(None)
    result.save(out)
    table = file_table(matched.pairs, scored, faults)
    write_csv(out.with_suffix(".csv"), table)
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
