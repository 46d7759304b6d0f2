"""A tiny corpus and a scored run, made once a test run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.toy import ToyRetriever, make_corpus
from zoo.bench import Result, run_task

TASK = "tiny-flickr8k-retrieval@1"


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def toy_run(model, corpus: Path, out: Path, **options) -> Result:
    """`run_task` on the CPU without worker processes or progress bar."""
    defaults = {"accelerator": "cpu", "workers": 0, "progress": False, "batch_size": 4}
    return run_task(model, TASK, corpus, out, **{**defaults, **options})


@pytest.fixture(scope="session")
def finished(corpus, tmp_path_factory) -> Result:
    """A whole run; do not change its folder."""
    return toy_run(
        ToyRetriever(), corpus, tmp_path_factory.mktemp("runs") / "a", model_name="toy.a"
    )


@pytest.fixture(scope="session")
def worse(corpus, tmp_path_factory) -> Result:
    """Another whole run, of a model that names no keywords."""
    model = ToyRetriever(gain=0.3, names=False)
    return toy_run(model, corpus, tmp_path_factory.mktemp("runs") / "b", model_name="toy.b")
