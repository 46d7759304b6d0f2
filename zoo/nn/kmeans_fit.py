"""Fitting k-means centres on the features of a corpus: k-means++ and mini-batches.

The updates are those of scikit-learn's `MiniBatchKMeans` without its re-assignment of rare centres
(Sculley 2010): every centre moves to the mean of all frames that it ever won.
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.nn.units import KMeans


def fit_kmeans(
    features: Tensor,
    num_clusters: int,
    *,
    batch_size: int = 10_000,
    epochs: int = 20,
    seed: int = 0,
) -> Tensor:
    """Centres (K, D) of features (N, D).

    Args:
        features: float; at least K rows.
        num_clusters: K.
        batch_size: rows a step.
        epochs: passes over the features.
        seed: of the start and of the order.

    Raises:
        ValueError: fewer rows than clusters.
    """
    if len(features) < num_clusters:
        raise ValueError(f"{len(features)} frames cannot make {num_clusters} clusters")
    generator = torch.Generator().manual_seed(seed)
    features = features.float()
    kmeans = KMeans.from_centers(_spread(features, num_clusters, batch_size, generator))
    won = torch.zeros(num_clusters)
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(features), generator=generator), batch_size):
            batch = features[rows]
            ids = kmeans(batch)
            counts = torch.bincount(ids, minlength=num_clusters).float()
            sums = torch.zeros_like(kmeans.centers).index_add_(0, ids, batch)
            won += counts
            step = (sums - counts[:, None] * kmeans.centers) / won.clamp_min(1)[:, None]
            kmeans.centers += step
    return kmeans.centers.clone()


def _spread(features: Tensor, count: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """Rows far apart (k-means++), chosen from a part of the features: (count, D)."""
    part = features[torch.randperm(len(features), generator=generator)[:batch_size]]
    if len(part) < count:
        part = features
    first = int(torch.randint(len(part), (), generator=generator))
    chosen = [part[first]]
    nearest = (part - chosen[0]).square().sum(1)
    for _ in range(count - 1):
        # were all left rows equal to chosen ones, any row will do
        weights = nearest if bool(nearest.any()) else torch.ones_like(nearest)
        chosen.append(part[int(torch.multinomial(weights, 1, generator=generator))])
        nearest = torch.minimum(nearest, (part - chosen[-1]).square().sum(1))
    return torch.stack(chosen)
