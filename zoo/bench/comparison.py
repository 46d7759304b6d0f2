"""Two runs on the same samples: paired bootstrap of every figure they share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from zoo.bench.bootstrap import RESAMPLES, PairedDifference, paired, seed_of
from zoo.bench.result import Result, load_result
from zoo.bench.samples import load_references
from zoo.bench.scoring import all_figures, load_rows
from zoo.bench.task import load_task
from zoo.errors import BenchError
from zoo.metrics.base import Figure


@dataclass(frozen=True)
class Difference:
    """One figure of two runs; `wrong_sign` as in `PairedDifference`."""

    id: str
    label: str
    unit: str
    higher_is_better: bool | None
    first: float
    second: float
    value: float
    low: float
    high: float
    wrong_sign: float

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `undecided` for the first run at the 95 % level."""
        if self.higher_is_better is None or self.low <= 0 <= self.high:
            return "undecided"
        return "better" if (self.value > 0) == self.higher_is_better else "worse"


@dataclass(frozen=True)
class Comparison:
    """All figures of two runs that can be compared."""

    first: str
    second: str
    task: str
    differences: tuple[Difference, ...]


def compare(first: str | Path, second: str | Path, *, resamples: int = RESAMPLES) -> Comparison:
    """Compare two run folders (each with its scores).

    Raises:
        BenchError: the runs are not of the same task and samples, or lack their scores.
    """
    one, two = _load(first), _load(second)
    if one.group != two.group:
        raise BenchError(
            f"{first} ({_describe(one)}) and {second} ({_describe(two)}) are not on the same"
            " samples of the same task; only such runs can be compared"
        )
    found = _differences(one, two, resamples)
    if not found:
        raise BenchError(f"{first} and {second} share no figure")
    return Comparison(one.model, two.model, one.task, tuple(found))


def _load(path: str | Path) -> Result:
    folder = Path(path)
    folder = folder.parent if folder.is_file() else folder
    return load_result(folder)


def _describe(result: Result) -> str:
    subset = result.data["task"]["subset"]
    return (
        subset["name"] if subset else f"{result.task}, {result.data['task']['n_expected']} samples"
    )


def _differences(one: Result, two: Result, resamples: int) -> list[Difference]:
    assert one.folder is not None and two.folder is not None
    task = load_task(one.task)
    conditions = {sample.id: sample.condition for sample in load_references(one.folder)}
    found = []
    for metric in task.build_metrics():
        left, right = load_rows(one.folder, metric), load_rows(two.folder, metric)
        theirs = {
            figure.id: (figure, rows)
            for figure, rows in all_figures(task, metric, right, conditions)
        }
        for figure, rows in all_figures(task, metric, left, conditions):
            values = one.value(figure.id), two.value(figure.id)
            if figure.id not in theirs or values[0] is None or values[1] is None:
                continue
            other, their_rows = theirs[figure.id]
            seed = seed_of(one.task, figure.id)
            drawn = paired(figure, rows, their_rows, seed, resamples, second_figure=other)
            if math.isfinite(drawn.low):
                found.append(_difference(figure, values[0], values[1], drawn))
    return found


def _difference(figure: Figure, first: float, second: float, drawn: PairedDifference) -> Difference:
    return Difference(
        figure.id,
        figure.label,
        figure.unit,
        figure.higher_is_better,
        first,
        second,
        drawn.value,
        drawn.low,
        drawn.high,
        drawn.wrong_sign,
    )
