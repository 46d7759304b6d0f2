"""The catalogue model around HuBERT's units: released files in, features and units out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.parity.golden import assert_parity, golden_file, load_golden, official_keys
from zoo.hub.convert import convert
from zoo.hub.keymap import check_bijection
from zoo.hub.load import from_pretrained
from zoo.models.hubert_units import official
from zoo.models.hubert_units.config import HubertUnitsConfig
from zoo.models.hubert_units.module import HubertUnits

SLUG = "hubert_units"


@pytest.mark.parametrize("size", ["base", "large"])
def test_official_keys_fill_the_paper_preset(size: str) -> None:
    config = HubertUnitsConfig.preset(size)
    with torch.device("meta"):
        target = HubertUnits(config)
    keys = official_keys(SLUG, f"hubert_{size}")
    report = check_bijection(keys, lambda state: official.to_ours(state, config), target)
    assert report.ok, str(report)


def test_a_fairseq_file_is_converted_and_gives_features(tmp_path: Path) -> None:
    file = golden_file(SLUG, "hubert_base_style_fairseq.pt")
    convert(file, "hubert_units.fixture", tmp_path / "model", check=True)
    model = from_pretrained(tmp_path / "model")
    io = load_golden(SLUG, "hubert_base_style").io
    for key, expected in ((k, v) for k, v in io.items() if k.startswith("features.layer")):
        found = model.features(io["wav"][0], int(key.removeprefix("features.layer")))
        assert_parity(found, expected[0], key)


def test_a_joblib_codebook_is_converted(tmp_path: Path) -> None:
    io = load_golden(SLUG, "kmeans").io
    config = HubertUnitsConfig(
        hubert=None, layer=1, num_units=len(io["centers"]), feature_size=io["centers"].shape[1]
    )
    done = convert(
        golden_file(SLUG, "kmeans_joblib.bin"),
        "hubert_units.codebook",
        tmp_path / "model",
        preset="base_l6_km50",
        overrides={"num_units": config.num_units, "feature_size": config.feature_size},
    )
    assert done.mapped == 1
    model = from_pretrained(tmp_path / "model")
    assert torch.equal(model.kmeans.centers, io["centers"])
    assert torch.equal(model.kmeans(io["features"]), io["labels_sklearn"])


def test_a_codebook_borrows_the_encoder_it_belongs_to(tmp_path: Path) -> None:
    golden = load_golden(SLUG, "hubert_base_style")
    convert(golden_file(SLUG, "hubert_base_style_fairseq.pt"), SLUG, tmp_path / "encoder")
    layer = 2
    expected = golden.io[f"features.layer{layer}"][0]
    config = HubertUnitsConfig(
        hubert=None,
        layer=layer,
        num_units=5,
        feature_size=expected.shape[1],
        encoder_source=str(tmp_path / "encoder"),
        inventory="fixture/L2/km5",
    )
    model = HubertUnits(config)
    model.kmeans.centers.copy_(expected[:5])
    units = model.extract(golden.io["wav"][0])
    assert units.ids[:5].tolist() == [0, 1, 2, 3, 4]
    assert units.inventory == "fixture/L2/km5"
    assert len(model.state_dict()) == 1  # the encoder is not part of the codebook's checkpoint
