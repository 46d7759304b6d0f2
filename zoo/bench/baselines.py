"""What a figure is worth: chance, and answers that need no input."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, Final

from zoo.bench.task import Task
from zoo.metrics.base import value_of
from zoo.metrics.keyword_hit_rate import KeywordHitRate, caption_words
from zoo.metrics.recall import chance_recall
from zoo.metrics.retrieval import RetrievalData

_CONSTANT_SLOT: Final = 0


def baselines_of(task: Task, data: Any) -> list[dict[str, Any]]:
    """Trivial systems on the same samples, each with its figures by id."""
    if not isinstance(data, RetrievalData):
        return []
    found = [{"name": "chance", "metrics": chance(task, data)}]
    if "keyword_hit_rate" in task.metrics and any(data.keywords.values()):
        found.append(_constant_keywords(task, data))
    return found


def chance(task: Task, data: RetrievalData) -> dict[str, float]:
    """Expected figures of a random ranking."""
    own = Counter(data.captions.values())
    per_image = [own[image] for image in data.images]
    metrics: dict[str, float] = {}
    for k in task.metrics.get("recall", {}).get("ks", ()):
        to_image, to_speech = chance_recall(per_image, k)
        metrics[f"recall_at_{k}[direction=speech_to_image]"] = to_image
        metrics[f"recall_at_{k}[direction=image_to_speech]"] = to_speech
        metrics[f"recall_at_{k}[direction=mean]"] = (to_image + to_speech) / 2
    if "median_rank" in task.metrics:
        metrics["median_rank[direction=speech_to_image]"] = (len(per_image) + 1) / 2
        metrics["median_rank[direction=image_to_speech]"] = float(_median_of_best(per_image))
    return metrics


def _median_of_best(per_image: list[int]) -> int:
    """Smallest rank within which half of all images have found a caption by chance."""
    low, high = 1, sum(per_image)
    while low < high:
        middle = (low + high) // 2
        if chance_recall(per_image, middle)[1] >= 50.0:
            high = middle
        else:
            low = middle + 1
    return low


def _constant_keywords(task: Task, data: RetrievalData) -> dict[str, Any]:
    """Naming the most frequent words of the captions whatever is said."""
    top_k = int(task.metrics["keyword_hit_rate"].get("top_k", 5))
    said = {c: set(data.tokens.get(c) or caption_words(data.texts[c])) for c in data.captions}
    counts = Counter(word for words in said.values() for word in sorted(words))
    usual = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    answer = [(word, 1.0, _CONSTANT_SLOT) for word in usual[:top_k]]
    metric = KeywordHitRate(top_k)
    rows = metric.rows(replace(data, keywords=dict.fromkeys(data.captions, answer)))
    wanted = ("keyword_hit_rate[slot=best]", "keyword_hit_rate[slot=best,captions=shuffled]")
    figures = [figure for figure in metric.figures(rows) if figure.id in wanted]
    return {
        "name": f"{top_k} commonest words",
        "metrics": {figure.id: value_of(figure, rows) for figure in figures},
    }
