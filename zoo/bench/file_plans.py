"""Metrics of files by the names people call them, with the judges they choose."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from zoo.bench.pair_scoring import Plan
from zoo.errors import BenchError
from zoo.metrics import METRICS, get_metric

# what people call a metric -> its name where the files are sound or video, not text
_SPOKEN: Final = {
    "wer": "asr_wer",
    "cer": "asr_cer",
    "bleu": "asr_bleu",
    "sim": "speaker_similarity",
}
_NOT_OF_FILES: Final = ("text", "embedding", "keywords", "landmarks")


@dataclass(frozen=True)
class Judges:
    """Which networks judge; None is the metric's own choice.

    Attributes:
        asr: recogniser: a checkpoint of the zoo or of the Hub.
        syncnet: judge of lips and sound.
        speaker: checkpoint of the speaker encoder.
        landmarks: detector of 68 points.
        normalizer: rule for texts.
        language: of the speech.
        device: where judges run.
    """

    asr: str | None = None
    syncnet: str | None = None
    speaker: str | None = None
    landmarks: str | None = None
    normalizer: str | None = None
    language: str = "en"
    device: str | None = None

    def options(self, name: str) -> dict[str, Any]:
        """Options of a metric."""
        if name.startswith("asr_"):
            chosen = {"judge": self.asr, "normalizer": self.normalizer, "device": self.device}
            return {**_given(chosen), "language": self.language}
        judge = {
            "lse": self.syncnet,
            "speaker_similarity": self.speaker,
            "lmd": self.landmarks,
        }
        return _given({"judge": judge[name], "device": self.device}) if name in judge else {}


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def build_plans(names: Sequence[str], judges: Judges) -> list[Plan]:
    """Metrics by name, each perhaps with options: `pesq`, `wer`, `pesq:band=nb`.

    Raises:
        BenchError: no such metric or option, or one that is not about files.
    """
    plans = []
    for text in names:
        given, _, tail = text.strip().partition(":")
        name = _SPOKEN.get(given, given)
        if name not in METRICS:
            known = ", ".join(sorted({*METRICS, *_SPOKEN}))
            raise BenchError(f"no metric is called {given!r}; known: {known}")
        own = dict(_option(part) for part in tail.split(",") if part) if tail else {}
        metric = get_metric(name, **{**judges.options(name), **own})
        needs = metric.needs
        if name == "lmd" and metric.judge == judges.landmarks:
            needs = ("video", "reference_video")
        if any(kind.removeprefix("reference_") in _NOT_OF_FILES for kind in needs[:1]):
            raise BenchError(
                f"{given} compares {' and '.join(needs)}, which files do not give"
                + ("; name a detector with --landmarks" if name == "lmd" else "")
            )
        plans.append(Plan(metric, tuple(needs)))
    return plans


def _option(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
