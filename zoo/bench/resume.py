"""What a run folder already holds, and whether a new call may add to it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from zoo.bench.media import MEDIA
from zoo.bench.records import PREDICTIONS, read_records
from zoo.bench.samples import REFERENCES, Sample, references_text
from zoo.errors import BenchError

RUN_FILE: Final = "run.json"
_OURS: Final = (RUN_FILE, REFERENCES, "result.json", PREDICTIONS, "scores", MEDIA)


class MissingPredictionsError(BenchError):
    """Samples of the task have no prediction."""

    exit_code = 3


class ExtraPredictionsError(BenchError):
    """There are predictions for samples that the task does not have."""

    exit_code = 4


def write_atomically(path: Path, text: str) -> None:
    """Replace a file so that a kill leaves the old one or the new one, whole."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def check_resumable(folder: Path, key: Mapping[str, Any]) -> None:
    """Refuse to add to a run that was started with anything else.

    Raises:
        BenchError: the folder holds another run, or files that are not of a run.
    """
    path = folder / RUN_FILE
    if not path.is_file():
        if any(folder.glob(f"{PREDICTIONS}/*")):
            raise BenchError(f"{folder} has predictions but no {RUN_FILE}; choose another folder")
        return
    old = load_run(folder)["key"]
    changed = [name for name in {**old, **key} if old.get(name) != key.get(name)]
    if changed:
        text = "; ".join(f"{n}: {old.get(n)!r} there, {key.get(n)!r} now" for n in changed)
        raise BenchError(
            f"{folder} holds another run ({text}). Use another --out, or --force-new to discard it"
        )


def load_run(folder: Path) -> dict[str, Any]:
    """The run.json of a folder.

    Raises:
        BenchError: there is none, or it cannot be read.
    """
    path = folder / RUN_FILE
    try:
        run: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BenchError(f"{folder} is not a run folder: it has no {RUN_FILE}") from None
    except ValueError as error:
        raise BenchError(f"{path} cannot be read: {error}") from None
    return run


def start_run(folder: Path, run: Mapping[str, Any], samples: Sequence[Sample]) -> None:
    """Write references.jsonl, then run.json (its presence means that both are whole)."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / RUN_FILE).is_file():
        write_atomically(folder / REFERENCES, references_text(samples))
        write_atomically(folder / RUN_FILE, json.dumps(run, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def only_writer(folder: Path, *, needed: bool = True) -> Iterator[None]:
    """Keep other calls from writing into a run folder meanwhile; a killed one leaves it free.

    Args:
        folder: of the run; it is made.
        needed: no for the further processes of one call.

    Raises:
        BenchError: another call writes into it.
    """
    if not needed:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise BenchError(
            f"{folder} is being written by another call; wait for its end, or use another --out"
        ) from None
    try:
        yield
    finally:
        lock.release()


def discard_run(folder: Path) -> None:
    """Remove the files of a run, and nothing else, from a folder."""
    for name in _OURS:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def finished_ids(folder: Path, *, retry_failed: bool = False) -> set[str]:
    """Ids that need no prediction any more."""
    records = read_records(folder)
    return {id_ for id_, record in records.items() if not (retry_failed and record.get("error"))}


def check_complete(records: Mapping[str, Any], samples: Sequence[Sample], folder: Path) -> None:
    """Demand exactly one prediction for every sample of the task.

    Raises:
        ExtraPredictionsError: exit code 4.
        MissingPredictionsError: exit code 3.
    """
    wanted = [sample.id for sample in samples]
    extra = sorted(set(records) - set(wanted))
    if extra:
        raise ExtraPredictionsError(
            f"{folder}: {len(extra)} predictions are not of this task: {_some(extra)}"
        )
    missing = [id_ for id_ in wanted if id_ not in records]
    if missing:
        raise MissingPredictionsError(
            f"{folder}: {len(missing)} of {len(wanted)} samples have no prediction:"
            f" {_some(missing)}. Run the same command again to complete them"
        )


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:10]) + (f" and {len(ids) - 10} more" if len(ids) > 10 else "")
