from __future__ import annotations

import pytest
import torch

from zoo.nn.kmeans import fit_kmeans, whitening
from zoo.nn.units import KMeans

CENTERS = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def cloud() -> torch.Tensor:
    torch.manual_seed(0)
    return (CENTERS[:, None] + 0.3 * torch.randn(4, 200, 2)).flatten(0, 1)


def test_separate_clouds_are_found() -> None:
    centers, distance = fit_kmeans(cloud(), 4)
    nearest = torch.cdist(CENTERS, centers).min(1)
    assert float(nearest.values.max()) < 0.1
    assert sorted(nearest.indices.tolist()) == [0, 1, 2, 3]
    assert distance == pytest.approx(2 * 0.3**2, rel=0.1)


def test_a_seed_gives_the_same_centres() -> None:
    first, second = (fit_kmeans(cloud(), 3, seed=5, restarts=1)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_the_distance_is_that_of_the_nearest_centre() -> None:
    features = cloud()
    centers, distance = fit_kmeans(features, 3)
    again = KMeans.from_centers(centers).distances(features).amin(-1).mean()
    assert distance == pytest.approx(float(again), rel=1e-4)


def test_more_clusters_than_features_are_refused() -> None:
    with pytest.raises(ValueError, match="3 features cannot make 4"):
        fit_kmeans(torch.randn(3, 2), 4)
    with pytest.raises(ValueError, match="NaN"):
        fit_kmeans(torch.full((9, 2), torch.nan), 2)


def test_whitened_clusters_are_those_of_small_directions_too() -> None:
    torch.manual_seed(0)
    quiet = 0.01 * (cloud() + torch.tensor([3.0, 5.0]))
    loud = 100 * torch.rand(len(quiet), 1)  # says nothing
    features = torch.cat([quiet, loud, loud], 1)
    truth = torch.arange(4).repeat_interleave(200)

    def told_apart(kmeans: KMeans) -> float:
        ids = kmeans(features)
        best = [torch.bincount(truth[ids == k], minlength=4).max() for k in ids.unique()]
        return float(torch.stack(best).sum()) / len(truth)

    plain, whitened = KMeans(16, 4), KMeans(16, 4, projected=3)
    plain.fit(features)
    distance = whitened.fit(features)
    assert told_apart(plain) < 0.5
    assert told_apart(whitened) > 0.95
    spread = torch.cov(whitened.project(features).T)
    assert torch.allclose(spread, torch.eye(3), atol=1e-4)
    nearest = whitened.distances(features).amin(-1).mean()
    assert distance == pytest.approx(float(nearest), rel=1e-4)
    loaded = KMeans(16, 4, projected=3)
    loaded.load_state_dict(whitened.state_dict())
    assert torch.equal(loaded(features), whitened(features))


def test_more_directions_than_there_are_cannot_be_whitened() -> None:
    features = torch.randn(50, 2) @ torch.randn(2, 5)
    with pytest.raises(ValueError, match="vary in 2 directions, not 3"):
        whitening(features, 3)
    with pytest.raises(ValueError, match="NaN"):
        whitening(torch.full((9, 2), torch.nan), 2)
