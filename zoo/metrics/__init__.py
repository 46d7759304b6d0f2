"""The metrics; importing this package is cheap, each metric is loaded by `get_metric`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from zoo.errors import BenchError

if TYPE_CHECKING:
    from zoo.metrics.base import Metric

# name -> (module, class); the names that a task file may use
METRICS: Final[dict[str, tuple[str, str]]] = {
    "recall": ("zoo.metrics.retrieval", "Recall"),
    "median_rank": ("zoo.metrics.retrieval", "MedianRank"),
    "keyword_hit_rate": ("zoo.metrics.keyword_hit_rate", "KeywordHitRate"),
    "wer": ("zoo.metrics.wer", "WER"),
    "cer": ("zoo.metrics.cer", "CER"),
    "asr_wer": ("zoo.metrics.asr", "ASRWER"),
    "asr_cer": ("zoo.metrics.asr", "ASRCER"),
    "bleu": ("zoo.metrics.bleu", "BLEU"),
    "asr_bleu": ("zoo.metrics.asr", "ASRBLEU"),
    "coco_bleu": ("zoo.metrics.bleu", "CocoBLEU"),
    "rouge_l": ("zoo.metrics.rouge", "RougeL"),
    "cider": ("zoo.metrics.cider", "CIDEr"),
    "meteor": ("zoo.metrics.meteor", "METEOR"),
    "lse": ("zoo.metrics.lse", "LSE"),
    "speaker_similarity": ("zoo.metrics.speaker_similarity", "SpeakerSimilarity"),
    "pesq": ("zoo.metrics.pesq", "PESQ"),
    "stoi": ("zoo.metrics.stoi", "STOI"),
    "mcd": ("zoo.metrics.mcd", "MCD"),
    "f0": ("zoo.metrics.f0", "F0"),
    "lsd": ("zoo.metrics.lsd", "LSD"),
    "dnsmos": ("zoo.metrics.dnsmos", "DNSMOS"),
    "psnr": ("zoo.metrics.image", "PSNR"),
    "ssim": ("zoo.metrics.image", "SSIM"),
    "fid": ("zoo.metrics.fid", "FID"),
    "lmd": ("zoo.metrics.lmd", "LMD"),
}


def get_metric(name: str, **options: Any) -> Metric:
    """Build a metric by its name.

    Raises:
        BenchError: no metric has this name, or it does not take these options.
    """
    if name not in METRICS:
        raise BenchError(f"no metric is called {name!r}; known: {', '.join(sorted(METRICS))}")
    module, cls = METRICS[name]
    try:
        metric: Metric = getattr(import_module(module), cls)(**options)
    except TypeError as error:
        raise BenchError(f"metric {name}: {error}") from None
    return metric
