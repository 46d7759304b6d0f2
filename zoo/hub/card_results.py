"""Result files of the harness, as the model card reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import CheckpointError
from zoo.hub.paths import PathLike

Metric = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class HarnessResult:
    """One result.json; `metrics` are its rows as they stand."""

    path: Path
    sha256: str
    task: str
    """`name@version`, or the name of the subset that was run."""
    dataset: str
    split: str
    model_sha256: str | None
    metrics: tuple[Metric, ...]
    baselines: tuple[tuple[str, Mapping[str, float | None]], ...] = ()
    """Name of a trivial system and its values by metric id."""
    date: str | None = None
    harness: str | None = None

    @property
    def file(self) -> str:
        """The name of the result file, without the folders of the machine it came from."""
        return self.path.name

    def numbers(self) -> list[Metric]:
        """The metrics that have a value; null means that it could not be measured."""
        return [metric for metric in self.metrics if metric.get("value") is not None]

    @property
    def rows(self) -> list[dict[str, str]]:
        """Every metric as text for the card's table."""
        return [_row(metric) | {"baselines": self._baselines(metric)} for metric in self.metrics]

    def _baselines(self, metric: Metric) -> str:
        unit = str(metric.get("unit") or "")
        found = [(name, values.get(metric["id"])) for name, values in self.baselines]
        return ", ".join(f"{name} {_text(v, unit)}" for name, v in found if v is not None)

    def note(self, metric: Metric) -> str:
        """One line that says how a number came to be."""
        row = _row(metric)
        parts = [f"split {self.split}", f"n {row['n']}", f"95% interval {row['interval']}"]
        return ", ".join([*parts, f"result sha256 {self.sha256}"])


def read_result(path: PathLike) -> HarnessResult:
    """Read a result file, or the one in a run folder.

    Raises:
        CheckpointError: it is absent or was not written by the harness.
    """
    path = Path(path)
    path = path / "result.json" if path.is_dir() else path
    try:
        content = path.read_bytes()
        return _parse(path, content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is not a result of `zoo bench run` ({error!r}); a model card takes its "
            "numbers from nothing else"
        ) from error


def _parse(path: Path, content: bytes) -> HarnessResult:
    raw = json.loads(content)
    task, run = raw["task"], raw.get("run") or {}
    subset = task.get("subset") or {}
    return HarnessResult(
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        task=subset.get("name") or f"{task['name']}@{task['version']}",
        dataset=str(task.get("dataset") or task["name"]),
        split=str(task["split"]),
        model_sha256=raw["model"].get("sha256"),
        metrics=tuple({"id": metric["id"], **metric} for metric in raw["metrics"]),
        baselines=tuple((row["name"], row["metrics"]) for row in raw.get("baselines") or ()),
        date=run.get("finished") or run.get("started"),
        harness=(run.get("versions") or {}).get("zoo"),
    )


def _row(metric: Metric) -> dict[str, str]:
    unit = str(metric.get("unit") or "")
    value = _text(metric.get("value"), unit)
    bounds = [_text(bound, unit) for bound in metric.get("ci95") or []]
    return {
        "metric": str(metric["id"]),
        "value": f"not measured: {metric['reason']}" if metric.get("reason") else value,
        "interval": " to ".join(bounds) or "none",
        "n": str(metric.get("n", "unknown")),
        "failed": str(metric.get("n_failed", 0)),
    }


def _text(value: Any, unit: str) -> str:
    """A number with four digits; of the units only the percent sign is written out."""
    if value is None:
        return "not measured"
    number = f"{value:.4g}" if isinstance(value, float) else str(value)
    return number + unit if unit == "%" else number
