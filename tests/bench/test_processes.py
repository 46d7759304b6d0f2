"""Real processes: one, two, three; killed and resumed; always the same scores."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bench.conftest import toy_run
from tests.bench.test_run import scores
from tests.bench.toy import ToyRetriever
from zoo.bench.records import read_records

ROOT = Path(__file__).resolve().parents[2]


def start(corpus: Path, out: Path, devices: int, rank: int | None, port: int, pause: float):
    """One process; with a rank it is one of several that nobody else starts."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(port)}
    if rank is not None:
        environment |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bench.slow_run", corpus, out, str(devices), str(pause)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds: float = 240) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.05)


def spoken(out: Path, rank: int) -> int:
    return sum(r["rank"] == rank and r["kind"] == "speech" for r in read_records(out).values())


def reap(processes) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("resumed_with", [1, 3])
def test_two_processes_killed_then_resumed(resumed_with, corpus, finished, tmp_path) -> None:
    out, port = tmp_path / "run", free_port()
    pair = [start(corpus, out, 2, rank, port, pause=0.4) for rank in range(2)]
    try:
        wait_for(lambda: spoken(out, 1) >= 3 and spoken(out, 0) >= 1)
        for process in reversed(pair):
            process.send_signal(signal.SIGKILL)
    finally:
        reap(pair)
    before = len(read_records(out))
    assert 0 < before < 60
    assert not (out / "result.json").exists()
    if resumed_with == 1:
        toy_run(ToyRetriever(), corpus, out, model_name="toy.a")
    else:
        port = free_port()
        group = [start(corpus, out, 3, rank, port, pause=0.0) for rank in range(3)]
        try:
            assert [process.wait(timeout=300) for process in group] == [0, 0, 0]
        finally:
            reap(group)
        assert {r["rank"] for r in read_records(out).values()} == {0, 1, 2}
    assert scores(out) == scores(finished.folder)


@pytest.mark.slow
def test_more_processes_than_batches(corpus, tmp_path) -> None:
    # launched by Lightning itself, as `zoo bench run --devices 3` does
    command = [
        *(sys.executable, "-c"),
        "import sys; from tests.bench.conftest import toy_run; from tests.bench.toy import *;"
        "toy_run(ToyRetriever(), sys.argv[1], sys.argv[2], devices=3, strategy='ddp_spawn',"
        "limit=1, batch_size=64)",
    ]
    done = subprocess.run(
        [*command, corpus, tmp_path / "run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    toy_run(ToyRetriever(), corpus, tmp_path / "one", limit=1, batch_size=64)
    assert scores(tmp_path / "run") == scores(tmp_path / "one")
