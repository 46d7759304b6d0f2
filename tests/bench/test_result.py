"""result.json: schema, versions, no NaN."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from zoo.bench.result import Result, load_result, load_results, result_schema
from zoo.errors import BenchError

COMMITTED = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


def changed(result: Result, **at) -> dict:
    """A deep copy with `a__b=value` set at data["a"]["b"]; digits are list places."""
    data = copy.deepcopy(dict(result.data))
    for path, value in at.items():
        *way, last = [int(key) if key.isdigit() else key for key in path.split("__")]
        place = data
        for key in way:
            place = place[key]
        place[last] = value
    return data


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(result_schema())


def test_what_is_written_is_read(finished, tmp_path) -> None:
    folder = tmp_path / "made" / "by saving"
    path = finished.save(folder / "x.json")
    assert load_result(path) == finished
    assert load_results(folder) == [finished]
    assert list(folder.iterdir()) == [path], "no half-written file stays behind"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"schema": 2}, "result schema 2 is not known"),
        ({"schema": None}, "result schema None"),
        ({"metrics__0__value": float("nan")}, r"metrics\[0\]\.value: nan"),
        ({"timing__p50": float("inf")}, "timing.p50: inf"),
        ({"metrics__0__value": None}, r"metrics\[0\].*reason"),
        ({"metrics__0__ci95": [1.0]}, r"metrics\[0\].*ci95"),
        ({"model__sha256": "abc"}, "sha256"),
        ({"surprise": 1}, "surprise"),
        ({"task__version": "1"}, "version"),
        ({"baselines__0__metrics": {"x": None}}, "baselines"),
    ],
)
def test_a_result_that_does_not_fit_is_refused(finished, tmp_path, change, text) -> None:
    data = changed(finished, **change)
    with pytest.raises(BenchError, match=text):
        Result.from_dict(data)
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(data))
    with pytest.raises(BenchError, match=r"bad\.json"):
        load_result(path)


@pytest.mark.parametrize("content", ["", "[1]", "{", "{}"])
def test_other_files_are_refused_by_name(tmp_path, content) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(BenchError, match=r"other\.json"):
        load_result(path)


def test_a_missing_result_says_how_to_make_it(tmp_path) -> None:
    with pytest.raises(BenchError, match="zoo bench score"):
        load_result(tmp_path)


def test_committed_results_validate() -> None:
    for path in COMMITTED.glob("*.json"):
        load_result(path)
