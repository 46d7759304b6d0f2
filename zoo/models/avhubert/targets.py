"""The clusters that masked prediction predicts: of MFCC first, then of the model's own features."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.audio.avhubert import avhubert_features
from zoo.audio.cepstra import cepstra
from zoo.data.recognition_clips import RecognitionClips
from zoo.nn.avhubert import AVHuBERT
from zoo.nn.kmeans_fit import fit_kmeans
from zoo.nn.units import KMeans

logger = logging.getLogger(__name__)
_STRIDE = 4  # MFCC frames a video frame


class ClusterTargets:
    """Cluster ids of utterances, worked out once each.

    Args:
        teacher: the model of the iteration before; None clusters MFCC.
        layer: its layer whose raw output is clustered (1-based).
        num_clusters: how many.
    """

    def __init__(self, teacher: AVHuBERT | None, layer: int | None, num_clusters: int) -> None:
        self.teacher = None if teacher is None else teacher.eval().requires_grad_(False)
        self.layer, self.num_clusters = layer, num_clusters
        self.kmeans: KMeans | None = None
        self._known: dict[str, Tensor] = {}

    def fit(self, plain: RecognitionClips, count: int, seed: int = 0) -> None:
        """Fit the clusters on utterances without noise or random crops.

        Args:
            plain: whose items have `audio` (S,), and `video` where a model is asked.
            count: how many of its utterances are used at most.
            seed: of the fit.
        """
        rows = [self.features(item) for item in _readable(plain, count)]
        logger.info("%d clusters of %d utterances", self.num_clusters, len(rows))
        self.kmeans = KMeans.from_centers(fit_kmeans(torch.cat(rows), self.num_clusters, seed=seed))

    def ids(self, item: dict[str, Any]) -> Tensor:
        """(T,) int64 of one utterance: its `id`, `audio` (S,) and `video` (T, H, W)."""
        if item["id"] not in self._known:
            assert self.kmeans is not None
            self._known[item["id"]] = self.kmeans(self.features(item))
        return self._known[item["id"]]

    @torch.inference_mode()
    def features(self, item: dict[str, Any]) -> Tensor:
        """(T, C) of one utterance, one row a video frame."""
        audio, frames = item["audio"], len(item["video"])
        if self.teacher is None:
            # parity: of the 100 labels a second every fourth is kept
            found = cepstra(audio)[::_STRIDE][:frames]
            return F.pad(found.T, (0, frames - len(found)), mode="replicate").T
        device = self.teacher.norm.weight.device
        sound = avhubert_features(audio, frames)[None].to(device)
        video = item["video"][None].to(device)
        return torch.as_tensor(self.teacher(video, sound, output_layer=self.layer)[0].cpu())


def _readable(data: RecognitionClips, count: int) -> Iterator[dict[str, Any]]:
    for number in range(min(count, len(data))):
        item = data[number]
        if "skipped" not in item:
            yield item
