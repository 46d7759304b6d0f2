"""Discrete speech units: nearest k-means centre of a HuBERT layer, and run-length reduction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.nn.hubert import HuBERT
from zoo.nn.kmeans import fit_kmeans, whitening

CHUNK_SAMPLES = 1_600_000  # 100 s: fairseq's feature reader encodes longer audio in such pieces


@dataclass(frozen=True)
class Units:
    """One utterance as unit ids.

    Attributes:
        ids: (T,) int64 in [0, K).
        rate_hz: frames a second before reduction.
        inventory: which units these are, such as ``mhubert-vp-en-es-fr-it3/L11/km1000``.
        durations: (T,) int64 frames each id lasted, if consecutive repeats were merged.
    """

    ids: Tensor
    rate_hz: float
    inventory: str = ""
    durations: Tensor | None = None

    def reduced(self) -> Units:
        """Merge consecutive repeats, keeping how long each lasted."""
        if self.durations is not None:
            return self
        ids, durations = reduce_units(self.ids)
        return Units(ids, self.rate_hz, self.inventory, durations)

    def expanded(self) -> Units:
        """Undo `reduced`."""
        if self.durations is None:
            return self
        return Units(expand_units(self.ids, self.durations), self.rate_hz, self.inventory)


def reduce_units(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Drop consecutive repeats of (T,) ids; returns (ids, durations in frames)."""
    reduced, durations = torch.unique_consecutive(ids, return_counts=True)
    return reduced, durations


def expand_units(ids: Tensor, durations: Tensor) -> Tensor:
    """Repeat each id for its duration: the inverse of `reduce_units`."""
    return torch.repeat_interleave(ids, durations)


def mean_embeddings(
    table: Tensor, before: Sequence[Tensor], after: Sequence[Tensor], num_units: int
) -> Tensor:
    """Embeddings of units, out of those of other units of the same recordings.

    Args:
        table: (K, C) embeddings of the others.
        before: the others, (T,) int64 in [0, K) a recording.
        after: the units, likewise in [0, num_units); what the longer of the two has more is left
            out.
        num_units: K'.

    Returns:
        (K', C): of each unit the mean over its frames; of one that does not occur, the mean of the
        table.
    """
    lengths = [min(len(one), len(other)) for one, other in zip(before, after, strict=True)]
    old, new = (
        torch.cat([one[:length] for one, length in zip(units, lengths, strict=True)]).long()
        for units in (before, after)
    )
    pairs = torch.bincount(new * len(table) + old, minlength=num_units * len(table))
    counts = pairs.view(num_units, len(table)).to(table)
    total = counts.sum(1, keepdim=True)
    return torch.where(total > 0, counts @ table / total.clamp(min=1), table.mean(0))


class KMeans(nn.Module):
    """Nearest of K centres by squared distance, ties to the lowest id (as sklearn's `predict`).

    Args:
        num_clusters: K.
        dim: D, width of the features.
        projected: d, width of a linear projection of them in which distances are taken (ours);
            None takes the features as they are.
    """

    def __init__(self, num_clusters: int, dim: int, projected: int | None = None) -> None:
        super().__init__()
        self.centers: Tensor
        self.projection: Tensor | None
        self.register_buffer("centers", torch.zeros(num_clusters, projected or dim))
        projection = None if projected is None else torch.zeros(dim, projected)
        self.register_buffer("projection", projection)

    @classmethod
    def from_centers(cls, centers: Tensor) -> KMeans:
        """Build from a (K, D) table."""
        kmeans = cls(*centers.shape)
        kmeans.centers.copy_(centers)
        return kmeans

    def distances(self, features: Tensor) -> Tensor:
        """Squared distances (..., K) of (..., D) features, always in float32."""
        # half precision moves about one assignment in a hundred
        with torch.autocast(features.device.type, enabled=False):
            x, centers = self.project(features.float()), self.centers.float()
            norms = x.square().sum(-1, keepdim=True) + centers.square().sum(-1)
            return norms - 2 * x @ centers.T

    def project(self, features: Tensor) -> Tensor:
        """What distances are taken between, (..., d) of (..., D)."""
        return features if self.projection is None else features @ self.projection.to(features)

    @torch.no_grad()
    def fit(self, features: Tensor) -> float:
        """Find the centres, and before them the projection where there is one: that to the
        directions of largest variance, with a variance of 1 in each.

        Args:
            features: (N, D).

        Returns:
            The mean squared distance to the nearest centre.

        Raises:
            ValueError: there are too few features, or they are not finite.
        """
        if self.projection is not None:
            self.projection.copy_(whitening(features, self.projection.shape[1]))
        centers, distance = fit_kmeans(self.project(features.float()), len(self.centers))
        self.centers.copy_(centers)
        return distance

    def forward(self, features: Tensor) -> Tensor:
        """Unit ids (...) int64 of (..., D) features."""
        return self.distances(features).argmin(-1)


class UnitExtractor(nn.Module):
    """Waveform -> units: one HuBERT layer, then the nearest centre.

    Args:
        hubert: the encoder; its config says whether waveforms are layer-normalised.
        kmeans: centres of that layer's features.
        layer: 1-based, as in fairseq's `output_layer`; no final norm is applied.
        inventory: name of the units, kept in what is returned.
        sample_rate: of the waveforms.
    """

    def __init__(
        self,
        hubert: HuBERT,
        kmeans: KMeans,
        layer: int,
        *,
        inventory: str = "",
        sample_rate: int = 16000,
    ) -> None:
        super().__init__()
        if not 1 <= layer <= hubert.config.num_layers:
            raise ValueError(f"layer {layer} is not one of 1..{hubert.config.num_layers}")
        self.hubert, self.kmeans = hubert, kmeans
        self.layer, self.inventory = layer, inventory
        self.rate_hz = sample_rate / hubert.config.stride

    @torch.inference_mode()
    def features(self, waveform: Tensor) -> Tensor:
        """Features (T, D) of one (S,) waveform; 100 s pieces are encoded independently."""
        # one utterance at a time: padding would change the statistics of Base's GroupNorm
        pieces = [
            self.hubert(piece.unsqueeze(0), last_layer=self.layer).hidden_states[-1][0]
            for piece in torch.split(waveform, CHUNK_SAMPLES)
            if len(piece) >= self.hubert.config.receptive_field
        ]
        if not pieces:
            raise ValueError(
                f"waveform of {len(waveform)} samples is too short: one frame needs "
                f"{self.hubert.config.receptive_field}"
            )
        return torch.cat(pieces)

    @torch.inference_mode()
    def forward(self, waveform: Tensor) -> Units:
        """Units of one (S,) waveform."""
        return Units(self.kmeans(self.features(waveform)), self.rate_hz, self.inventory)
