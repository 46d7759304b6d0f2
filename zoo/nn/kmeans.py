"""Fitting k-means: k-means++ starts, Lloyd's iterations, the best of several runs; whitening."""

from __future__ import annotations

import torch
from torch import Tensor

_CHUNK = 16_384  # rows whose distances are held at once
_START_ROWS = 20_000  # rows that k-means++ draws from
_TOLERANCE = 1e-4
_SPANNED = 1e-6  # share of the largest variance below which a direction is rounding error


def fit_kmeans(
    features: Tensor, num_clusters: int, *, seed: int = 0, restarts: int = 3, iterations: int = 50
) -> tuple[Tensor, float]:
    """Centres of features.

    Args:
        features: (N, D) float, at least as many as clusters.
        num_clusters: K.
        seed: of the starts.
        restarts: runs of which the best is kept.
        iterations: of each run, at most.

    Returns:
        (K, D) float32 centres and the mean squared distance to them.

    Raises:
        ValueError: there are fewer features than clusters, or they are not finite.
    """
    if len(features) < num_clusters:
        raise ValueError(f"{len(features)} features cannot make {num_clusters} clusters")
    features = features.float()
    _check_finite(features)
    generator = torch.Generator().manual_seed(seed)
    runs = [
        _lloyd(features, _spread_starts(features, num_clusters, generator), iterations)
        for _ in range(restarts)
    ]
    return min(runs, key=lambda run: run[1])


def whitening(features: Tensor, size: int) -> Tensor:
    """The projection (D, size) to the directions of largest variance, scaled to a variance of 1.

    Args:
        features: (N, D).
        size: directions, less than what the features span.

    Raises:
        ValueError: the features vary in fewer directions, or are not finite.
    """
    _check_finite(features)
    rows = features.cpu().double()  # not every device has float64
    variances, directions = torch.linalg.eigh(torch.cov(rows.T))
    variances, directions = variances.flip(0)[:size], directions.flip(1)[:, :size]
    spanned = int((variances > _SPANNED * variances[0]).sum())
    if spanned < size:
        raise ValueError(f"the features vary in {spanned} directions, not {size}")
    projection: Tensor = directions / variances.sqrt()
    return projection.float().to(features.device)


def _check_finite(features: Tensor) -> None:
    if not bool(features.isfinite().all()):
        raise ValueError("features hold NaN or infinity")


def _spread_starts(features: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """k-means++: every further centre is drawn by its squared distance to those before it."""
    order = torch.randperm(len(features), generator=generator)[: max(_START_ROWS, count)]
    rows = features[order.to(features.device)]
    chosen = [0]
    nearest = (rows - rows[0]).square().sum(1)
    for _ in range(count - 1):
        weights = nearest.cpu().clamp(min=1e-12)
        pick = int(torch.multinomial(weights, 1, generator=generator))
        chosen.append(pick)
        nearest = torch.minimum(nearest, (rows - rows[pick]).square().sum(1))
    return rows[chosen].clone()


def _lloyd(features: Tensor, centers: Tensor, iterations: int) -> tuple[Tensor, float]:
    before = float("inf")
    for _ in range(iterations):
        labels, distance = _assign(features, centers)
        if before - distance <= _TOLERANCE * distance:
            break
        before = distance
        sums = torch.zeros_like(centers).index_add_(0, labels, features)
        counts = torch.bincount(labels, minlength=len(centers)).to(sums).unsqueeze(1)
        # a centre that nothing belongs to stays where it is
        centers = torch.where(counts > 0, sums / counts.clamp(min=1), centers)
    return centers, _assign(features, centers)[1]


def _assign(features: Tensor, centers: Tensor) -> tuple[Tensor, float]:
    labels, total = [], 0.0
    norms = centers.square().sum(1)
    for rows in torch.split(features, _CHUNK):
        distances = norms - 2 * rows @ centers.T
        best, label = distances.min(1)
        total += float((best + rows.square().sum(1)).sum())
        labels.append(label)
    return torch.cat(labels), total / len(features)
