"""Shards: exact arrays, torn lines, duplicates."""

from __future__ import annotations

import json

import numpy as np
import pytest

from zoo.bench.records import (
    ShardWriter,
    decode_array,
    encode_array,
    predictions_hash,
    read_records,
)


def record(id_: str, value: int = 0, **extra) -> dict:
    return {"id": id_, "kind": "image", "output": {"v": value}, "error": None, **extra}


def write(run, rank: int, *records: dict) -> None:
    with ShardWriter(run, rank) as shard:
        shard.write(records)


def test_arrays_survive_bit_for_bit() -> None:
    values = np.array([[1e-45, -0.0, 3.4e38], [np.pi, 1 / 3, -7]], dtype=np.float32)
    stored = json.loads(json.dumps(encode_array(values)))
    assert decode_array(stored).tobytes() == values.tobytes()
    assert stored["shape"] == [2, 3]


@pytest.mark.parametrize("change", [{"shape": [5]}, {"dtype": "float64"}, {"base64": "!!"}])
def test_a_damaged_array_is_refused(change) -> None:
    with pytest.raises(ValueError):
        decode_array({**encode_array(np.zeros(4)), **change})


def test_records_are_on_disk_before_the_shard_is_closed(tmp_path) -> None:
    shard = ShardWriter(tmp_path, 0)
    shard.write([record("a")])
    assert list(read_records(tmp_path)) == ["a"]
    shard.close()


def test_a_torn_last_line_is_ignored_and_cut_before_more_is_added(tmp_path) -> None:
    write(tmp_path, 0, record("a"), record("b"))
    shard = tmp_path / "predictions" / "shard-00000.jsonl"
    whole = shard.read_bytes()
    for cut in (1, 5, len(whole) // 3):
        shard.write_bytes(whole[:-cut])
        assert list(read_records(tmp_path)) == ["a"]
    write(tmp_path, 0, record("c"))
    assert list(read_records(tmp_path)) == ["a", "c"]
    assert all(json.loads(line) for line in shard.read_text().splitlines())


def test_a_line_that_is_no_record_is_ignored(tmp_path, caplog) -> None:
    write(tmp_path, 0, record("a"))
    shard = tmp_path / "predictions" / "shard-00000.jsonl"
    shard.write_bytes(b"\x00\xff\n[1]\n{}\n" + shard.read_bytes())
    assert list(read_records(tmp_path)) == ["a"]
    assert "line 2" in caplog.text


def test_of_duplicates_the_last_wins_but_no_failure_replaces_a_success(tmp_path) -> None:
    failed = {"error": {"type": "E", "message": ""}, "output": None}
    write(tmp_path, 0, record("a", 1), record("a", 2), record("b", 1, **failed), record("c", 5))
    write(tmp_path, 1, record("b", 3), record("c", **failed))
    found = read_records(tmp_path)
    assert found["a"]["output"] == {"v": 2}
    assert found["b"]["output"] == {"v": 3} and found["b"]["error"] is None
    assert found["c"]["output"] == {"v": 5}


def test_a_number_that_json_lacks_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError), ShardWriter(tmp_path, 0) as shard:
        shard.write([record("a", float("nan"))])


def test_the_hash_is_of_predictions_not_of_timing(tmp_path) -> None:
    one = {"a": record("a", 1, seconds=1.0, rank=0), "b": record("b")}
    two = {"b": record("b"), "a": record("a", 1, seconds=2.0, rank=3)}
    assert predictions_hash(one, ["a", "b"]) == predictions_hash(two, ["a", "b"])
    assert predictions_hash(one, ["a", "b"]) != predictions_hash(one, ["b", "a"])
    two["a"]["output"] = {"v": 9}
    assert predictions_hash(one, ["a", "b"]) != predictions_hash(two, ["a", "b"])
