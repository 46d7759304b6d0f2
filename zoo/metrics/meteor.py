"""METEOR 1.5 of captions, by the original Java program of the `pycocoevalcap` package.

There is no exact version without Java, so without it the metric is reported missing. The program
matches words and gives 23 counts a caption; the score is a function of their sums (Denkowski and
Lavie 2014), which is what the corpus value and its interval are made of.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np

from zoo.errors import BenchError
from zoo.metrics.base import Array, Columns, Figure, Row
from zoo.metrics.captions import CaptionMetric
from zoo.metrics.values import Samples

_JAR = "meteor-1.5.jar"
_COUNTS = tuple(f"m{i:02d}" for i in range(23))
# parameters of the jar's English task "rank", and the weights of its four matchers
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
_MATCHERS = (1.0, 0.6, 0.8, 0.6)


class METEOR(CaptionMetric):
    """METEOR 1.5 over the corpus, and the mean of the images' scores."""

    name: ClassVar[str] = "meteor"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "METEOR 1.5 of captions (needs Java)"
    unit: ClassVar[str] = "x100"
    judge: str | None = "meteor-1.5.jar"

    def available(self) -> str | None:
        """Needs `java` and the jar of pycocoevalcap."""
        if shutil.which("java") is None:
            return "METEOR needs Java, and no `java` is on the PATH"
        if _jar() is None:
            return f"METEOR needs {_JAR} of the package pycocoevalcap; pip install pycocoevalcap"
        return None

    def score_sample(self, prediction: str, reference: str | Sequence[str]) -> dict[str, float]:
        """The counts of one caption (starts the program for it alone)."""
        return self._all([self.pair(prediction, reference)])[0]

    def rows(self, data: Samples) -> list[Row]:
        """One row an image; a failed caption scores as an empty one."""
        found = self._all([self.pair(p, r) for _, _, p, r in data])
        return [
            Row(id_, cluster, values)
            for (id_, cluster, _, _), values in zip(data, found, strict=True)
        ]

    def _all(self, pairs: Sequence[tuple[list[str], list[list[str]]]]) -> list[dict[str, float]]:
        reason = self.available()
        if reason:
            raise BenchError(reason)
        with _program() as (questions, answers):
            return [_ask(questions, answers, said, texts) for said, texts in pairs]

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """The corpus value (the published one) and the mean."""
        make = partial(
            Figure,
            unit=self.unit,
            higher_is_better=True,
            columns=(*_COUNTS, "score", "n"),
            count="n",
            details=self.details(),
        )
        return [
            make(
                id="meteor",
                label="METEOR",
                aggregator="word matches summed over the corpus",
                reduce=_corpus,
            ),
            make(
                id="meteor_mean",
                label="METEOR, mean",
                aggregator="mean over images",
                reduce=_mean,
            ),
        ]

    def details(self) -> dict[str, Any]:
        """The program's options."""
        return {**super().details(), "program": f"{_JAR} -l en -norm"}


def _jar() -> Path | None:
    found = find_spec("pycocoevalcap")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "meteor" / _JAR
        if path.is_file():
            return path
    return None


@contextmanager
def _program() -> Iterator[tuple[IO[str], IO[str]]]:
    jar = _jar()
    assert jar is not None
    command = ["java", "-Xmx2G", "-jar", jar.name, "-", "-", "-stdio", "-l", "en", "-norm"]
    process = subprocess.Popen(
        command,
        cwd=jar.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdin, process.stdout
    finally:
        process.stdin.close()
        process.kill()
        process.wait()


def _ask(
    questions: IO[str], answers: IO[str], said: Sequence[str], texts: Sequence[Sequence[str]]
) -> dict[str, float]:
    parts = ["SCORE", *(" ".join(text) for text in texts), " ".join(said)]
    questions.write(" ||| ".join(parts) + "\n")
    questions.flush()
    counts = [float(number) for number in answers.readline().split()]
    if len(counts) != len(_COUNTS):
        raise BenchError(
            f"{_JAR} gave {len(counts)} numbers instead of {len(_COUNTS)}; is java able to run it?"
        )
    if counts[20] == 1 and counts[21:] == counts[:2]:
        counts[20] = 0.0  # a caption matched whole is not fragmented, alone or in a sum
    values = dict(zip(_COUNTS, counts, strict=True))
    single = {name: np.array([value]) for name, value in values.items()}
    score = float(_score(single, np.ones((1, 1)))[0])
    return {**values, "score": score, "n": 1.0}


def _corpus(columns: Columns, weights: Array) -> Array:
    return 100.0 * _score(columns, weights)


def _mean(columns: Columns, weights: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: Array = 100.0 * (weights @ columns["score"]) / (weights @ columns["n"])
    return mean


def _score(columns: Columns, weights: Array) -> Array:
    """METEOR of summed counts.

    The counts: words and function words of both sides, then for each matcher the matched content
    words of both sides and function words of both sides, then chunks and matched words.
    """
    m = [weights @ columns[name] for name in _COUNTS]
    matched = [np.zeros(len(weights)), np.zeros(len(weights))]
    for stage, weight in enumerate(_MATCHERS):
        first = 4 + 4 * stage
        for side in (0, 1):
            content, function = m[first + side], m[first + 2 + side]
            matched[side] += weight * (_DELTA * content + (1 - _DELTA) * function)
    sizes = [_DELTA * (m[side] - m[2 + side]) + (1 - _DELTA) * m[2 + side] for side in (0, 1)]
    chunks, words = m[20], (m[21] + m[22]) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall = matched[0] / sizes[0], matched[1] / sizes[1]
        mean = 1.0 / ((1 - _ALPHA) / precision + _ALPHA / recall)
        score = mean * (1.0 - _GAMMA * (chunks / words) ** _BETA)
    return np.where((precision > 0) & (recall > 0), score, 0.0)
