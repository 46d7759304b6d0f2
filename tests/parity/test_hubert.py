"""HuBERT against fairseq (`golden/hubert`): key mapping, hidden states, frame mask."""

from __future__ import annotations

import pytest
import torch

from tests.parity.golden import (
    Golden,
    assert_all_parity,
    assert_parity,
    load_golden,
    official_keys,
)
from zoo.hub.keymap import KeyMap, check_bijection
from zoo.nn.hubert import HuBERT, normalize_waveform
from zoo.nn.hubert_config import HuBERTConfig
from zoo.nn.hubert_fairseq import config_from_fairseq, hubert_rules

# the mask embedding of masked prediction, which transformers keeps and we do not build
UNUSED = {"masked_spec_embed"}


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load_golden("hubert", "hubert")


@pytest.fixture(scope="module")
def hubert(golden: Golden) -> HuBERT:
    config = config_from_fairseq(golden.config)
    model = HuBERT(config)
    keymap = KeyMap(hubert_rules(conv_norm=config.conv_norm))
    model.load_state_dict(keymap.to_ours(golden.weights).state)
    return model.eval()


def layers(golden: Golden, suffix: str) -> dict[str, torch.Tensor]:
    found = {k: v for k, v in golden.part("layer").items() if k.endswith(suffix)}
    numbered = {k.removesuffix(suffix): v for k, v in found.items()}
    return {k: v for k, v in numbered.items() if k.isdigit()}


def test_layers_without_a_mask(hubert: HuBERT, golden: Golden) -> None:
    states = hubert(golden.io["waveform"]).hidden_states
    ours = {str(i): state for i, state in enumerate(states)}
    expected = layers(golden, "")
    assert len(expected) == hubert.config.num_layers
    assert_all_parity(ours, expected)
    assert_parity(hubert.final_norm(states[-1]), golden.io["final"], "final")


def test_layers_with_a_mask(hubert: HuBERT, golden: Golden) -> None:
    lengths = (~golden.io["padding_mask"].bool()).sum(1)
    output = hubert(golden.io["waveform"], lengths)
    assert torch.equal(~output.frame_mask, golden.io["feature_padding_mask"].bool())
    ours = {str(i): state for i, state in enumerate(output.hidden_states)}
    assert_all_parity(ours, layers(golden, "_masked"))


def test_convolutions(hubert: HuBERT, golden: Golden) -> None:
    ours = hubert.feature_extractor(golden.io["waveform"])
    assert_parity(ours, golden.io["conv_features"], "conv_features")


def test_waveform_normalisation(golden: Golden) -> None:
    expected = golden.io["waveform_layernorm_sample0"]
    one = golden.io["waveform"][:1, : expected.shape[1]]
    assert_parity(normalize_waveform(one), expected, "layer norm")
    lengths = torch.tensor([expected.shape[1]])
    longer = torch.nn.functional.pad(one, (0, 100))
    masked = normalize_waveform(longer, lengths)
    assert_parity(masked[:, :-100], expected, "layer norm over the valid part")
    assert not masked[:, -100:].any()


@pytest.mark.parametrize("size", ["base", "large"])
def test_official_keys_fill_the_paper_preset(size: str) -> None:
    config = HuBERTConfig.preset(size)
    with torch.device("meta"):
        target = HuBERT(config)
    keymap = KeyMap(hubert_rules(conv_norm=config.conv_norm))
    report = check_bijection(official_keys("hubert", f"fairseq_hubert_{size}"), keymap, target)
    assert report.ok, str(report)
    assert all(report.dropped.values())


@pytest.mark.parametrize("size", ["base", "large"])
def test_our_names_are_those_of_transformers(size: str) -> None:
    with torch.device("meta"):
        state = HuBERT(HuBERTConfig.preset(size)).state_dict()
    ours = {key: tuple(tensor.shape) for key, tensor in state.items()}
    theirs = dict(official_keys("hubert", f"transformers_hubert_{size}"))
    assert ours == {key: shape for key, shape in theirs.items() if key not in UNUSED}


def test_round_trip_is_exact(hubert: HuBERT, golden: Golden) -> None:
    keymap = KeyMap(hubert_rules(conv_norm=hubert.config.conv_norm))
    back = keymap.to_official(hubert.state_dict())
    dropped = keymap.to_ours(golden.weights).dropped
    assert set(back) == set(golden.weights) - set(dropped)
    assert all(torch.equal(tensor, golden.weights[key]) for key, tensor in back.items())
