"""Metrics of items, one item after the other: decoded and measured in worker processes.

Metrics without a judge are computed where the files are decoded, in the workers; those with a
judge (a network) in the main process, while the next items are decoded. Every row goes to a log
as soon as it exists, from which an interrupted scoring continues.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset

from zoo.bench.pairs import Dub, Item, Source, decode
from zoo.bench.provenance import without_places
from zoo.bench.records import cut_torn_line
from zoo.errors import ZooError
from zoo.metrics.base import Metric, Row
from zoo.metrics.values import MeanMetric, counted

log = logging.getLogger(__name__)
_MISSING = {"missing": 1.0}


@dataclass(frozen=True)
class Plan:
    """A metric and the kinds it compares: the prediction's, then the reference's if it has one."""

    metric: Metric
    needs: tuple[str, ...]

    @property
    def is_text(self) -> bool:
        """Whether it reads nothing but text: such a metric is computed of all items at once."""
        return all(kind.endswith("text") for kind in self.needs)

    @property
    def in_worker(self) -> bool:
        """Whether it is computed where the media are decoded."""
        return self.metric.judge is None

    def identity(self) -> list[Any]:
        """What tells its numbers from those of another metric or of other options."""
        figures = [figure.id for figure in self.metric.figures([])]
        return [self.metric.key, self.metric.judge, figures, list(self.needs)]


@dataclass(frozen=True)
class Measured:
    """The numbers of one item under one metric; `reason` says why one is missing."""

    values: Mapping[str, float]
    reason: str | None = None


@dataclass
class Scores:
    """Rows of each metric in the order of the items, and why items have none."""

    rows: list[list[Row]]
    reasons: list[dict[str, str]] = field(default_factory=list)


class RowLog:
    """Measured values as JSON lines, found again by what they were measured of.

    Args:
        path: the file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._known: dict[str, Measured] = {}
        if path is not None and path.is_file():
            cut_torn_line(path)
            for line in path.read_text("utf-8").splitlines():
                found = json.loads(line)
                key = found.pop("of")
                self._known[key] = Measured(**found)

    def get(self, key: str) -> Measured | None:
        """What is known, None where nothing is."""
        return self._known.get(key)

    def add(self, key: str, measured: Measured) -> None:
        """Keep a measurement; after this it survives a kill of the process."""
        self._known[key] = measured
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"of": key, **asdict(measured)}) + "\n")


def score_items(
    items: Sequence[Item],
    plans: Sequence[Plan],
    *,
    workers: int = 0,
    row_log: RowLog | None = None,
    advance: Callable[[], object] = lambda: None,
) -> Scores:
    """Compute all metrics of all items.

    Args:
        items: what is compared.
        plans: metrics that are available and set up.
        workers: decoding processes; 0 works in this one.
        row_log: of an earlier call that was interrupted.
        advance: called after each item.
    """
    kept = row_log or RowLog(None)
    keys = [[_key(plan, item) for plan in plans] for item in items]
    todo = [(number, _open(plans, keys[number], kept)) for number in range(len(items))]
    todo = [(number, wanted) for number, wanted in todo if wanted]
    for _ in range(len(items) - len(todo)):
        advance()
    for number, found in _measured(items, plans, todo, workers):
        for p, measured in found.items():
            kept.add(keys[number][p], measured)
        advance()
    columns = [
        {
            item.id: kept.get(key[p]) or Measured(_MISSING)
            for item, key in zip(items, keys, strict=True)
        }
        for p in range(len(plans))
    ]
    return Scores(
        [_rows(plan, items, found) for plan, found in zip(plans, columns, strict=True)],
        [{id_: one.reason for id_, one in found.items() if one.reason} for found in columns],
    )


def _open(plans: Sequence[Plan], keys: Sequence[str], kept: RowLog) -> list[int]:
    """Numbers of the plans that an item has not been measured under, or never is alone."""
    return [
        p
        for p, plan in enumerate(plans)
        if not plan.is_text and (plan.metric.of_set or kept.get(keys[p]) is None)
    ]


def _rows(plan: Plan, items: Sequence[Item], found: Mapping[str, Measured]) -> list[Row]:
    if plan.is_text:
        return _text_rows(plan, items)
    return [Row(item.id, item.cluster, found[item.id].values) for item in items]


def _key(plan: Plan, item: Item) -> str:
    values = [item.values.get(kind) for kind in plan.needs]
    described = [v.describe() if isinstance(v, Source | Dub) else v for v in values]
    content = json.dumps([plan.identity(), item.id, described])
    return hashlib.sha256(content.encode()).hexdigest()


def _text_rows(plan: Plan, items: Sequence[Item]) -> list[Row]:
    return plan.metric.rows(
        [(one.id, one.cluster, *(one.values.get(kind) for kind in plan.needs)) for one in items]
    )


@dataclass
class _Prepared:
    """One item after a worker had it: what it measured, and media for the judges."""

    number: int
    found: dict[int, Measured]
    media: dict[str, Any]
    faults: dict[str, str]


class _Items(Dataset[_Prepared]):
    """Decodes each file of an item once."""

    def __init__(
        self, items: Sequence[Item], plans: Sequence[Plan], todo: Sequence[tuple[int, list[int]]]
    ) -> None:
        self.items, self.plans, self.todo = items, plans, todo

    def __len__(self) -> int:
        return len(self.todo)

    def __getitem__(self, index: int) -> _Prepared:
        number, wanted = self.todo[index]
        kinds = list(dict.fromkeys(kind for p in wanted for kind in self.plans[p].needs))
        media, faults = decode_all(self.items[number], kinds)
        found = {
            p: measure(self.plans[p], self.items[number], media, faults)
            for p in wanted
            if self.plans[p].in_worker
        }
        judged = {kind for p in wanted if p not in found for kind in self.plans[p].needs}
        kept = {kind: value for kind, value in media.items() if kind in judged}
        return _Prepared(number, found, kept, faults)


def decode_all(item: Item, kinds: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Kind -> decoded media, and kind -> why there is none."""
    media, faults = {}, {}
    for kind in kinds:
        if item.values.get(kind) is None:
            faults[kind] = f"no {kind.replace('_', ' ')}"
            continue
        try:
            media[kind] = decode(kind, item.values[kind])
        except Exception as error:  # one bad file must not end the scoring of a thousand
            log.warning("%s: %s cannot be read: %s", item.id, kind, error)
            faults[kind] = _first_line(error)
    return media, faults


def measure(
    plan: Plan, item: Item, media: Mapping[str, Any], faults: Mapping[str, str]
) -> Measured:
    """One metric of one decoded item; what cannot be measured is missing, with a reason."""
    reason = next((faults[kind] for kind in plan.needs if kind in faults), None)
    pair = [media.get(kind) for kind in (*plan.needs, "")[:2]]
    try:
        if isinstance(plan.metric, MeanMetric):
            if reason is not None:
                return Measured(_MISSING, reason)
            return Measured(counted(plan.metric.score_sample(*pair)))
        # counts: what was not said is an error, so a missing prediction enters them
        return Measured(plan.metric.rows([(item.id, item.cluster, *pair)])[0].values, reason)
    except Exception as error:
        log.warning("%s: %s cannot be scored: %s", plan.metric.key, item.id, error)
        return Measured(_MISSING, _first_line(error))


def _measured(
    items: Sequence[Item],
    plans: Sequence[Plan],
    todo: Sequence[tuple[int, list[int]]],
    workers: int,
) -> Iterator[tuple[int, dict[int, Measured]]]:
    """(number of the item, plan number -> values), in the order of the items."""
    loader: DataLoader[_Prepared] = DataLoader(
        _Items(items, plans, todo),
        batch_size=None,
        collate_fn=_as_it_is,
        num_workers=min(workers, len(todo)),
    )
    wanted = dict(todo)
    for one in loader:
        judged = {
            p: measure(plans[p], items[one.number], one.media, one.faults)
            for p in wanted[one.number]
            if p not in one.found
        }
        yield one.number, {**one.found, **judged}


def _as_it_is(prepared: Any) -> Any:
    return prepared


def _first_line(error: Exception) -> str:
    line = (str(error).splitlines() or [""])[0][:300]
    return without_places(line) or type(error).__name__


def usable(metric: Metric) -> str | None:
    """Set a metric up; None, or why it cannot be computed here."""
    reason = metric.available()
    if reason is None:
        try:
            metric.setup()
        except (ZooError, ImportError, OSError) as error:
            reason = f"{metric.name} cannot be set up: {_first_line(error)}"
    return None if reason is None else without_places(reason)
