"""Prediction records: append-only JSON lines in one shard a process, safe against any kill.

A line counts only when it ends with a newline and parses. A process appends to the shard of its
global rank; whatever half line a killed one left there is cut off before anything is added.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

PREDICTIONS = "predictions"
SYNC_EVERY: Final = 64
# what a prediction is, as opposed to how long it took and where
_CONTENT: Final = ("id", "kind", "output", "media_sha256", "error")

Record = dict[str, Any]


def encode_array(values: NDArray[Any]) -> dict[str, Any]:
    """A float array as little-endian float32 in base64, with its shape."""
    data = np.ascontiguousarray(values, dtype="<f4")
    return {
        "dtype": "float32",
        "shape": list(data.shape),
        "base64": base64.b64encode(data.tobytes()).decode("ascii"),
    }


def decode_array(stored: Mapping[str, Any]) -> NDArray[np.float32]:
    """The array of `encode_array`, bit for bit.

    Raises:
        ValueError: another dtype, or fewer or more bytes than the shape needs.
    """
    if stored["dtype"] != "float32":
        raise ValueError(f"a stored array must be float32, not {stored['dtype']}")
    data = np.frombuffer(base64.b64decode(stored["base64"], validate=True), dtype="<f4")
    if data.size != math.prod(stored["shape"]):
        raise ValueError(f"{data.size} values do not fill the shape {stored['shape']}")
    return data.reshape(stored["shape"]).astype(np.float32)


class ShardWriter:
    """Appends records to `predictions/shard-RRRRR.jsonl`; flushed each, fsynced every 64."""

    def __init__(self, run: Path, rank: int) -> None:
        self.path = run / PREDICTIONS / f"shard-{rank:05d}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        cut_torn_line(self.path)
        self._file: BinaryIO = self.path.open("ab")
        self._unsynced = 0

    def write(self, records: Iterable[Record]) -> None:
        """Append records; after this returns they survive a kill of the process."""
        for record in records:
            line = json.dumps(record, ensure_ascii=False, allow_nan=False)
            self._file.write(line.encode() + b"\n")
            self._unsynced += 1
        self._file.flush()
        if self._unsynced >= SYNC_EVERY:
            self._sync()

    def close(self) -> None:
        """Make everything written survive a power cut, and close the file."""
        if not self._file.closed:
            self._sync()
            self._file.close()

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._unsynced = 0

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def cut_torn_line(path: Path) -> None:
    """Remove what follows the last newline of a shard, if anything does."""
    if not path.is_file():
        return
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole != len(data):
        log.warning("%s: its last line was cut off by an interrupted run; removed", path.name)
        with path.open("r+b") as file:
            file.truncate(whole)


def read_records(run: Path) -> dict[str, Record]:
    """Sample id -> its record, from all shards.

    Of several for one id the last one wins, but a failure never replaces a success: shards of
    other processes come in no order of time.
    """
    records: dict[str, Record] = {}
    for path in sorted((run / PREDICTIONS).glob("shard-*.jsonl")):
        for record in _lines(path):
            old = records.get(record["id"])
            if old is None or old.get("error") or not record.get("error"):
                records[record["id"]] = record
    return records


def _lines(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            record = _parse(line)
            if record is None:
                log.warning("%s line %d is not a whole record; ignored", path.name, number)
            else:
                yield record


def _parse(line: bytes) -> Record | None:
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("id"), str) else None


def predictions_hash(records: Mapping[str, Record], ids: Sequence[str]) -> str:
    """sha256 over what was predicted for `ids`, in order; timing and ranks do not enter."""
    digest = hashlib.sha256()
    for id_ in ids:
        content = {key: records[id_].get(key) for key in _CONTENT}
        digest.update(json.dumps(content, sort_keys=True, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()
