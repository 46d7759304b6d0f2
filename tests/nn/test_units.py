from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.nn.test_hubert import SMALL
from zoo.nn import units
from zoo.nn.hubert import HuBERT
from zoo.nn.units import (
    KMeans,
    UnitExtractor,
    Units,
    expand_units,
    mean_embeddings,
    reduce_units,
)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_reduction_is_undone(ids: list[int]) -> None:
    raw = torch.tensor(ids)
    reduced, durations = reduce_units(raw)
    assert (reduced[1:] != reduced[:-1]).all()
    assert torch.equal(expand_units(reduced, durations), raw)


def test_embeddings_of_units_at_the_same_time() -> None:
    table = torch.tensor([[0.0, 4.0], [2.0, 0.0], [10.0, 2.0]])
    before = [torch.tensor([0, 1, 1, 2]), torch.tensor([0])]
    after = [torch.tensor([1, 1, 1]), torch.tensor([2, 0])]  # what one has more is left out
    made = mean_embeddings(table, before, after, 4)
    mean = table.mean(0).tolist()
    assert made.tolist() == [mean, [pytest.approx(4 / 3), pytest.approx(4 / 3)], [0, 4], mean]


def test_units_object() -> None:
    raw = Units(torch.tensor([1, 1, 2]), 50.0, "x")
    assert raw.reduced().ids.tolist() == [1, 2]
    assert raw.reduced().reduced().ids.tolist() == [1, 2]
    assert raw.reduced().expanded().ids.tolist() == [1, 1, 2]
    assert raw.expanded() is raw


def test_ties_go_to_the_lowest_id() -> None:
    kmeans = KMeans.from_centers(torch.tensor([[1.0, 0], [-1, 0], [1, 0]]))
    assert kmeans(torch.tensor([[0.0, 5], [2, 0]])).tolist() == [0, 0]


def test_half_precision_features_are_compared_in_float32() -> None:
    kmeans = KMeans.from_centers(torch.randn(5, 4)).half()
    assert kmeans.distances(torch.randn(3, 4).half()).dtype == torch.float32


@pytest.fixture
def extractor() -> UnitExtractor:
    torch.manual_seed(0)
    hubert = HuBERT(SMALL).eval()
    return UnitExtractor(hubert, KMeans.from_centers(torch.randn(6, 16)), 2, inventory="tiny/L2")


def test_extractor(extractor: UnitExtractor) -> None:
    found = extractor(torch.randn(8000))
    assert found.rate_hz == 50.0
    assert found.inventory == "tiny/L2"
    assert len(found.ids) == (8000 - 400) // 320 + 1


def test_long_audio_is_cut(extractor: UnitExtractor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "CHUNK_SAMPLES", 3200)
    wave = torch.randn(6500)  # two pieces, and 100 samples that hold no frame
    parts = [extractor.features(wave[:3200]), extractor.features(wave[3200:6400])]
    torch.testing.assert_close(extractor.features(wave), torch.cat(parts))


def test_refusals(extractor: UnitExtractor) -> None:
    with pytest.raises(ValueError, match="too short"):
        extractor(torch.zeros(100))
    with pytest.raises(ValueError, match=r"not one of 1\.\.3"):
        UnitExtractor(extractor.hubert, extractor.kmeans, 4)
