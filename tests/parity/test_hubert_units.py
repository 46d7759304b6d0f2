"""HuBERT features and k-means units against fairseq and sklearn (`golden/hubert_units`)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.parity.golden import (
    Golden,
    assert_all_parity,
    assert_parity,
    golden_file,
    load_golden,
    official_keys,
)
from zoo.hub.keymap import KeyMap, check_bijection
from zoo.hub.raw import RawCheckpoint
from zoo.nn.hubert import HuBERT, normalize_waveform
from zoo.nn.hubert_config import HuBERTConfig
from zoo.nn.hubert_fairseq import config_from_fairseq, hubert_rules
from zoo.nn.units import KMeans, UnitExtractor, expand_units, reduce_units

STYLES = ("hubert_base_style", "hubert_large_style")
Pair = tuple[HuBERT, Golden]


@pytest.fixture(scope="module", params=STYLES)
def pair(request: pytest.FixtureRequest) -> Pair:
    golden = load_golden("hubert_units", request.param)
    return build(golden.config, golden.weights), golden


def build(raw: dict, weights: dict[str, Tensor]) -> HuBERT:
    config = config_from_fairseq(raw)
    model = HuBERT(config)
    keymap = KeyMap(hubert_rules(conv_norm=config.conv_norm))
    model.load_state_dict(keymap.to_ours(weights).state)
    return model.eval()


def test_features(pair: Pair) -> None:
    model, golden = pair
    states = model(golden.io["wav"]).hidden_states
    expected = golden.part("features.layer")
    assert_all_parity({str(i): state for i, state in enumerate(states)}, expected)
    final = model.final_norm(states[-1])
    assert_parity(final, golden.io["features.none"], "features.none")


def test_convolutions(pair: Pair) -> None:
    model, golden = pair
    ours = model.feature_extractor(golden.io["wav"])
    assert_parity(ours, golden.io["conv_features"], "conv_features")


def test_normalised_waveform(pair: Pair) -> None:
    model, golden = pair
    for key, expected in golden.part("normalized.features.layer").items():
        states = model(normalize_waveform(golden.io["wav"])).hidden_states
        assert_parity(states[int(key)], expected, f"normalized.features.layer{key}")


def test_padded_batch(pair: Pair) -> None:
    model, golden = pair
    lengths = (golden.io["padding_mask"] == 0).sum(1)
    output = model(golden.io["wav_batch"], lengths)
    assert torch.equal((~output.frame_mask).byte(), golden.io["batch.padding_mask_out"])
    ours = {str(i): state for i, state in enumerate(output.hidden_states)}
    assert_all_parity(ours, golden.part("batch.features.layer"))


def test_the_extractor_stops_at_its_layer(pair: Pair) -> None:
    model, golden = pair
    wave = golden.io["wav"][0]
    for key, expected in golden.part("features.layer").items():
        extractor = UnitExtractor(model, KMeans.from_centers(expected[0][:4]), int(key))
        assert_parity(extractor.features(wave), expected[0], f"layer {key}")
        assert extractor(wave).ids[:4].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("size", ["base", "large"])
def test_official_keys_fill_the_paper_preset(size: str) -> None:
    config = HuBERTConfig.preset(size)
    with torch.device("meta"):
        target = HuBERT(config)
    keymap = KeyMap(hubert_rules(conv_norm=config.conv_norm))
    report = check_bijection(official_keys("hubert_units", f"hubert_{size}"), keymap, target)
    assert report.ok, str(report)


def test_units_are_those_of_sklearn() -> None:
    io = load_golden("hubert_units", "kmeans").io
    kmeans = KMeans.from_centers(io["centers"])
    assert_parity(kmeans.distances(io["features"]), io["sq_dist"], "squared distances")
    for name in ("labels_sklearn", "labels_applykmeans"):
        assert torch.equal(kmeans(io["features"]), io[name])


def test_reduction() -> None:
    io = load_golden("hubert_units", "kmeans").io
    ids, durations = reduce_units(io["units_raw"])
    assert torch.equal(ids, io["units_reduced"])
    assert torch.equal(durations, io["units_counts"])
    assert torch.equal(expand_units(ids, durations), io["units_raw"])


def test_a_fairseq_file_says_everything() -> None:
    """The trainer's own file: sizes from its omegaconf `cfg`, weights from `model`."""
    raw = RawCheckpoint.open(golden_file("hubert_units", "hubert_base_style_fairseq.pt"))
    golden = load_golden("hubert_units", "hubert_base_style")
    cfg = raw.plain("cfg")
    normalize = bool(cfg.get("task", {}).get("normalize", False))
    assert config_from_fairseq(cfg["model"], normalize=normalize) == config_from_fairseq(
        golden.config, normalize=golden.config["normalize"]
    )
    states = build(cfg["model"], raw.tensors)(golden.io["wav"]).hidden_states
    expected = golden.part("features.layer")
    assert_all_parity({str(i): state for i, state in enumerate(states)}, expected)


def test_a_joblib_file_gives_the_centres() -> None:
    raw = RawCheckpoint.open(golden_file("hubert_units", "kmeans_joblib.bin"))
    centers = load_golden("hubert_units", "kmeans").io["centers"]
    found = [x for x in raw.tensors.values() if tuple(x.shape) == tuple(centers.shape)]
    assert len(found) == 1
    assert torch.equal(found[0].float(), centers)
