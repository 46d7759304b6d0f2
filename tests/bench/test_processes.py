"""Real processes: one, two, three; killed and resumed; always the same scores."""

from __future__ import annotations

import multiprocessing
import os
import socket
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from tests.bench.conftest import toy_run
from tests.bench.test_run import scores
from tests.bench.toy import ToyRetriever
from tests.bench.toy_clips import ToyVoice, clip_run, make_clips
from zoo.bench.records import read_records


class Slow(ToyRetriever):
    """Sleeps before every recording."""

    pause = 0.0

    def embed_speech(self, speech):
        time.sleep(self.pause * len(speech))
        return super().embed_speech(speech)


class SlowVoice(ToyVoice):
    """Sleeps before every clip."""

    pause = 0.0

    def synthesize(self, video, speaker=None, *, seed: int = 0):
        time.sleep(self.pause * len(video))
        return super().synthesize(video, speaker, seed=seed)


def slow_retrieval(corpus: Path, out: Path, pause: float, **options) -> None:
    model = Slow()
    model.pause = pause
    toy_run(model, corpus, out, model_name="toy.a", **options)


def slow_speech(corpus: Path, out: Path, pause: float, **options) -> None:
    model = SlowVoice()
    model.pause = pause
    clip_run(model, "tiny-lrs3-v2s", corpus, out, model_name="voice", batch_size=2, **options)


def launch(
    world: int,
    corpus: Path,
    out: Path,
    pause: float = 0.0,
    work: Callable[..., None] = slow_retrieval,
    **options,
) -> list[BaseProcess]:
    """One run in `world` processes that find each other as on a cluster: by the environment."""
    # a fork has the libraries loaded already
    context = multiprocessing.get_context("fork")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    group: list[BaseProcess] = [
        context.Process(target=_member, args=(rank, world, port, corpus, out, pause, work, options))
        for rank in range(world)
    ]
    for process in group:
        process.start()
    return group


def _member(
    rank: int,
    world: int,
    port: int,
    corpus: Path,
    out: Path,
    pause: float,
    work: Callable[..., None],
    options: dict[str, Any],
) -> None:
    os.environ |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    work(corpus, out, pause, devices=world, strategy="ddp", **options)


def finish(group: list[BaseProcess], seconds: float = 300) -> list[int | None]:
    """Exit codes; whoever is not done in time is killed."""
    limit = time.monotonic() + seconds
    for process in group:
        process.join(max(0.0, limit - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
    return [process.exitcode for process in group]


def wait_for(condition, seconds: float = 240) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.02)


def spoken(out: Path, rank: int) -> int:
    return sum(r["rank"] == rank and r["kind"] == "speech" for r in read_records(out).values())


@pytest.mark.slow
@pytest.mark.parametrize("resumed_with", [1, 3])
def test_two_processes_killed_then_resumed(resumed_with, corpus, finished, tmp_path) -> None:
    out = tmp_path / "run"
    pair = launch(2, corpus, out, pause=0.2)
    try:
        wait_for(lambda: spoken(out, 1) >= 3 and spoken(out, 0) >= 1)
        for process in reversed(pair):
            process.kill()  # SIGKILL
    finally:
        finish(pair)
    assert 0 < len(read_records(out)) < 60
    assert not (out / "result.json").exists()
    if resumed_with == 1:
        toy_run(ToyRetriever(), corpus, out, model_name="toy.a")
    else:
        assert finish(launch(3, corpus, out)) == [0, 0, 0]
        assert {record["rank"] for record in read_records(out).values()} == {0, 1, 2}
    assert scores(out) == scores(finished.folder)


@pytest.mark.slow
def test_more_processes_than_batches(corpus, tmp_path) -> None:
    options = {"limit": 1, "batch_size": 64}
    assert finish(launch(3, corpus, tmp_path / "three", **options)) == [0, 0, 0]
    assert not (tmp_path / "three" / "predictions" / "shard-00002.jsonl").exists()
    toy_run(ToyRetriever(), corpus, tmp_path / "one", **options)
    assert scores(tmp_path / "three") == scores(tmp_path / "one")


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    return make_clips(tmp_path_factory.mktemp("clips"), videos=4, segments=3)


@pytest.fixture(scope="module")
def whole(clips, tmp_path_factory) -> Path:
    """A run of generated speech that nothing happened to."""
    out = tmp_path_factory.mktemp("whole") / "run"
    slow_speech(clips, out, 0.0)
    return out


@pytest.mark.slow
@pytest.mark.parametrize(("begun_with", "resumed_with"), [(1, 2), (2, 1), (3, 1), (2, 3)])
def test_generated_speech_survives_a_kill(begun_with, resumed_with, clips, whole, tmp_path) -> None:
    out = tmp_path / "run"
    group = launch(begun_with, clips, out, pause=0.4, work=slow_speech)
    try:
        wait_for(lambda: len(read_records(out)) >= 2)
        for process in group:
            process.kill()  # SIGKILL
    finally:
        finish(group)
    assert 0 < len(read_records(out)) < 12
    if resumed_with == 1:
        slow_speech(clips, out, 0.0)
    else:
        assert finish(launch(resumed_with, clips, out, work=slow_speech)) == [0] * resumed_with
    assert scores(out) == scores(whole)
    for path in (whole / "media").rglob("*.wav"):
        assert (out / path.relative_to(whole)).read_bytes() == path.read_bytes()
