"""result.json: reading, validating, writing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

from zoo.bench.resume import write_atomically
from zoo.bench.task import ABLATIONS
from zoo.errors import BenchError

SCHEMA: Final = 1
RESULT_FILE: Final = "result.json"


@dataclass(frozen=True)
class Result:
    """One scored run; `data` is result.json as it stands.

    `folder` and `data_root` are known where the run lies on this machine; they are never written.
    """

    data: Mapping[str, Any]
    folder: Path | None = field(default=None, compare=False)
    data_root: Path | None = field(default=None, compare=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "result") -> Self:
        """Check against the schema.

        Raises:
            BenchError: another schema version, or the content does not fit the schema.
        """
        validate(data, where)
        return cls(data)

    def at(self, folder: Path | None, data_root: Path | None = None) -> Result:
        """The same result with the places of its run and its data."""
        return replace(self, folder=folder, data_root=data_root)

    @property
    def model(self) -> str:
        """Name of the model, and what its input lacked."""
        name = str(self.data["model"]["name"])
        ablation = self.data["model"].get("ablation")
        return name if ablation is None else f"{name} ({ABLATIONS.get(ablation, ablation)})"

    @property
    def kind(self) -> str:
        """`model`; `ablation` of one; or the role of a row no model makes, as the schema has it."""
        about = self.data["model"]
        return str(about.get("role") or ("ablation" if about.get("ablation") else "model"))

    @property
    def task(self) -> str:
        """`name@version`."""
        return f"{self.data['task']['name']}@{self.data['task']['version']}"

    @property
    def is_subset(self) -> bool:
        """Whether only a part of the task was run (`--limit`)."""
        return self.data["task"]["subset"] is not None

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Figure id -> its entry, in order."""
        return {entry["id"]: entry for entry in self.data["metrics"]}

    def value(self, metric: str) -> float | None:
        """A figure's value, None where the run does not have it."""
        entry = self.metrics.get(metric)
        return None if entry is None else entry["value"]

    @property
    def group(self) -> tuple[str, str]:
        """Results may share a table only within a group: same task, same samples."""
        return self.task, str(self.data["integrity"]["references_sha256"])

    def save(self, path: Path) -> Path:
        """Validate and write; folders that lack are made."""
        validate(self.data, path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.data, indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(path, text + "\n")
        return path


@cache
def result_schema() -> dict[str, Any]:
    """The JSON Schema of result.json."""
    path = Path(__file__).with_name("result_schema.json")
    schema: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return schema


def validate(data: Mapping[str, Any], where: str) -> None:
    """Check a result against the schema; NaN and infinity are refused everywhere.

    Raises:
        BenchError: with the place of the first fault.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    if data.get("schema") != SCHEMA:
        raise BenchError(
            f"{where}: result schema {data.get('schema')!r} is not known here"
            f" (this version of the zoo reads {SCHEMA}); update the zoo or score the run again"
        )
    _refuse_nan(data, where)
    fault = best_match(Draft202012Validator(result_schema()).iter_errors(data))
    if fault is not None:
        raise BenchError(f"{where}: {fault.json_path}: {fault.message}")


def _refuse_nan(value: Any, where: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise BenchError(f"{where}: {value} in a result; a missing number is null with a reason")
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_nan(item, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _refuse_nan(item, f"{where}[{index}]")


def load_result(path: str | Path) -> Result:
    """Read a result.json, or the one in a run folder.

    Raises:
        BenchError: there is none, or it does not fit the schema.
    """
    path = Path(path)
    is_run = path.is_dir()
    file = path / RESULT_FILE if is_run else path
    try:
        data = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise BenchError(
            f"{path}: no {RESULT_FILE} there; score it with `zoo bench score`"
        ) from None
    except ValueError as error:
        raise BenchError(f"{file}: not JSON ({error})") from None
    if not isinstance(data, dict):
        raise BenchError(f"{file}: not a result")
    result = Result.from_dict(data, str(file))
    return result.at(path) if is_run else result


def load_results(folder: str | Path) -> list[Result]:
    """Every *.json of a folder as a result, by file name.

    Raises:
        BenchError: one of them does not fit the schema.
    """
    return [load_result(path) for path in sorted(Path(folder).glob("*.json"))]
