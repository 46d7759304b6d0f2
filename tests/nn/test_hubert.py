from __future__ import annotations

import pytest
import torch

from zoo.errors import ConversionError
from zoo.hub.keymap import KeyMap
from zoo.nn.hubert import HuBERT, fairseq_frame_mask, normalize_waveform
from zoo.nn.hubert_config import HuBERTConfig
from zoo.nn.hubert_fairseq import config_from_fairseq, hubert_rules, parse_conv_layers

SMALL = HuBERTConfig(
    conv_channels=(8,) * 7,
    hidden_size=16,
    num_layers=3,
    num_heads=2,
    ffn_size=32,
    position_kernel=8,
    position_groups=2,
)
FLAVOURS = {
    "post-norm": SMALL,
    "pre-norm": SMALL.replace(
        pre_norm=True, conv_norm="layer", conv_bias=True, normalize_waveform=True
    ),
}


@pytest.fixture(params=FLAVOURS)
def hubert(request: pytest.FixtureRequest) -> HuBERT:
    torch.manual_seed(0)
    return HuBERT(FLAVOURS[request.param]).eval()


def test_one_state_a_layer_and_one_before(hubert: HuBERT) -> None:
    output = hubert(torch.randn(2, 4000))
    assert len(output.hidden_states) == hubert.config.num_layers + 1
    frames = (4000 - hubert.config.receptive_field) // hubert.config.stride + 1
    assert {x.shape for x in output.hidden_states} == {(2, frames, hubert.config.hidden_size)}
    assert output.frame_mask.all()


def test_the_released_geometry() -> None:
    assert HuBERTConfig.base().stride == 320
    assert HuBERTConfig.base().receptive_field == 400


def test_frames_are_padding_only_if_all_their_samples_are() -> None:
    # 8000 samples give 24 frames of 333 samples; 6333 valid samples reach into the 20th
    mask = fairseq_frame_mask(
        torch.Size([2, 8000]), torch.tensor([8000, 6333]), 24, torch.device("cpu")
    )
    assert mask.sum(1).tolist() == [24, 20]


def test_padding_content_does_not_matter_before_the_convolutions_mix_it(hubert: HuBERT) -> None:
    """Masked keys: what stands in padded frames never reaches a valid one through attention."""
    waves = torch.randn(1, 6000)
    lengths = torch.tensor([3000])
    silent = waves.clone()
    silent[:, 3000:] = 0
    states = hubert(silent, lengths)
    valid = states.frame_mask[0]
    x = hubert.feature_projection(hubert.feature_extractor(_prepared(hubert, silent, lengths)).mT)
    noisy = x.clone()
    noisy[:, ~valid] = 100.0
    a = hubert._encode(x, states.frame_mask, None)[-1][:, valid]
    b = hubert._encode(noisy, states.frame_mask, None)[-1][:, valid]
    torch.testing.assert_close(a, b)


def _prepared(hubert: HuBERT, waves: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    return normalize_waveform(waves, lengths) if hubert.config.normalize_waveform else waves


def test_full_lengths_equal_no_lengths(hubert: HuBERT) -> None:
    waves = torch.randn(2, 4000)
    one = hubert(waves).hidden_states[-1]
    two = hubert(waves, torch.tensor([4000, 4000])).hidden_states[-1]
    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)


def test_last_layer_stops_early(hubert: HuBERT) -> None:
    waves = torch.randn(1, 4000)
    whole, part = hubert(waves).hidden_states, hubert(waves, last_layer=2).hidden_states
    assert len(part) == 3
    torch.testing.assert_close(part[-1], whole[2])


def test_the_last_state_of_a_pre_norm_stack_is_not_normalised() -> None:
    hubert = HuBERT(FLAVOURS["pre-norm"]).eval()
    hubert.encoder.layer_norm.weight.data.fill_(3.0)
    last = hubert(torch.randn(1, 4000)).hidden_states[-1]
    assert not torch.allclose(hubert.final_norm(last), last)
    post = HuBERT(FLAVOURS["post-norm"])
    assert post.final_norm(last) is last


def test_too_short() -> None:
    with pytest.raises(ValueError, match="shorter than the 400"):
        HuBERT(SMALL)(torch.zeros(1, 399))


def test_masked_normalisation_equals_that_of_each_row_alone() -> None:
    waves = torch.randn(2, 500) * 3 + 1
    lengths = torch.tensor([500, 320])
    waves[1, 320:] = 0
    ours = normalize_waveform(waves, lengths)
    torch.testing.assert_close(ours[:1], normalize_waveform(waves[:1]))
    torch.testing.assert_close(ours[1:, :320], normalize_waveform(waves[1:, :320]))
    assert not ours[1, 320:].any()


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_builds_on_meta(flavour: str) -> None:
    with torch.device("meta"):
        model = HuBERT(FLAVOURS[flavour])
    assert all(x.is_meta for x in model.state_dict().values())


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_key_map_reads_both_ways(flavour: str) -> None:
    config = FLAVOURS[flavour]
    keymap = KeyMap(hubert_rules("speech.", "net.", conv_norm=config.conv_norm))
    state = {f"net.{k}": v for k, v in HuBERT(config).state_dict().items()}
    official = keymap.to_official(state)
    assert all(key.startswith("speech.") for key in official)
    back = keymap.to_ours(official).state
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], state[key]) for key in state)


def test_an_unknown_fairseq_key_is_refused() -> None:
    keymap = KeyMap(hubert_rules(conv_norm="group"))
    with pytest.raises(ConversionError, match="surprise"):
        keymap.to_ours({"surprise": torch.zeros(1)})


def test_conv_layers_are_read_not_evaluated() -> None:
    text = "[(512,10,5)] + [(512, 3, 2)] * 4 + [(512,2,2)] * 2"
    layers = parse_conv_layers(text)
    assert len(layers) == 7
    assert layers[0] == (512, 10, 5)
    assert layers[-1] == (512, 2, 2)
    for bad in ("__import__('os')", "[(1,2)]", "[(1,2,3)] * x", "[1,2,3]", ""):
        with pytest.raises(ConversionError, match="conv_feature_layers"):
            parse_conv_layers(bad)


def test_fairseq_config() -> None:
    raw = {"extractor_mode": "layer_norm", "layer_norm_first": True, "surprise": 1}
    config = config_from_fairseq(raw, normalize=True)
    assert (config.conv_norm, config.pre_norm, config.normalize_waveform) == ("layer", True, True)
    assert config.conv_channels == (512,) * 7
    with pytest.raises(ConversionError, match="extractor_mode"):
        config_from_fairseq({"extractor_mode": "other"})
