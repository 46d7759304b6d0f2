"""The clusters that masked prediction predicts: of MFCC first, then of the model's own features."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from random import Random
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.audio.avhubert import avhubert_features
from zoo.audio.cepstra import cepstra
from zoo.errors import DataError
from zoo.nn.avhubert import AVHuBERT
from zoo.nn.kmeans import fit_kmeans
from zoo.nn.units import KMeans

logger = logging.getLogger(__name__)
_STRIDE = 4  # MFCC frames a video frame
_FLOOR = 1e-3


class ClusterTargets:
    """Cluster ids of utterances, worked out once each, of clean sound and unmoved mouths.

    Args:
        teacher: the model of the iteration before; None clusters MFCC.
        layer: its layer whose raw output is clustered (1-based).
        num_clusters: how many.
        plain: datasets whose items have `id`, `audio` (S,) and `video` (T, H, W); the first one is
            the training set.
    """

    def __init__(
        self,
        teacher: AVHuBERT | None,
        layer: int | None,
        num_clusters: int,
        plain: Sequence[Any],
    ) -> None:
        self.teacher = None if teacher is None else teacher.eval().requires_grad_(False)
        self.layer, self.num_clusters, self.plain = layer, num_clusters, plain
        self.kmeans: KMeans | None = None
        self._places = {_id(one, k): (one, k) for one in plain for k in range(len(one))}
        self._known: dict[str, Tensor] = {}

    def fit(self, count: int, seed: int = 0) -> None:
        """Fit the clusters on some utterances of the training set.

        Args:
            count: how many at most.
            seed: of the choice and of the fit.
        """
        data = self.plain[0]
        chosen = Random(seed).sample(range(len(data)), min(count, len(data)))
        items = [item for item in (data[k] for k in chosen) if "skipped" not in item]
        rows = torch.cat([self.features(item) for item in items])
        logger.info("%d clusters of %d utterances", self.num_clusters, len(items))
        centers, _ = fit_kmeans(rows, self.num_clusters, seed=seed, restarts=1)
        self.kmeans = KMeans.from_centers(centers)

    def ids(self, id_: str) -> Tensor:
        """(T,) int64 of an utterance.

        Raises:
            DataError: it cannot be read again.
        """
        if id_ not in self._known:
            data, place = self._places[id_]
            item = data[place]
            if "skipped" in item:
                raise DataError(item["skipped"])
            assert self.kmeans is not None
            self._known[id_] = self.kmeans(self.features(item))
        return self._known[id_]

    @torch.inference_mode()
    def features(self, item: dict[str, Any]) -> Tensor:
        """(T, C) of one utterance, one row a video frame."""
        audio, frames = item["audio"], len(item["video"])
        if self.teacher is None:
            # of the 100 frames a second every fourth counts; unlike the official clusters, these
            # know nothing of loudness and microphone
            rows = cepstra(audio)
            rows = (rows - rows.mean(0)) / rows.std(0, correction=0).clamp_min(_FLOOR)
            found = rows[::_STRIDE][:frames]
            return F.pad(found.T, (0, frames - len(found)), mode="replicate").T
        device = self.teacher.norm.weight.device
        sound = avhubert_features(audio, frames)[None].to(device)
        video = item["video"][None].to(device)
        return torch.as_tensor(self.teacher(video, sound, output_layer=self.layer)[0].cpu())


def _id(data: Any, place: int) -> str:
    """Which utterance an item is, without reading it where the dataset can tell."""
    listed = getattr(data, "utterances", None)
    return str(data[place]["id"] if listed is None else listed[place].id)
