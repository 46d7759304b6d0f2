from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch.nn.utils import parametrize

from zoo.errors import ConfigError
from zoo.nn.duration_predictor import segment_runs
from zoo.nn.gan_discriminators import DiscriminatorConfig, Discriminators
from zoo.nn.hifigan import HiFiGAN, HiFiGANConfig
from zoo.nn.multi_input_vocoder import MultiInputVocoder, MultiInputVocoderConfig
from zoo.nn.unit_hifigan import ContextConfig, UnitHiFiGAN, UnitHiFiGANConfig, repeat_to
from zoo.nn.weight_norm import Folded, fold

SMALL = HiFiGANConfig(channels=16, rates=(4, 2), kernels=(8, 4))


@pytest.fixture
def generator() -> HiFiGAN:
    torch.manual_seed(0)
    return HiFiGAN(5, SMALL).eval()


@pytest.mark.parametrize("block", ["1", "2"])
def test_a_frame_gives_as_many_samples_as_the_rates_multiply_to(block: str) -> None:
    made = HiFiGAN(5, SMALL.replace(block=block))(torch.randn(2, 5, 3))
    assert made.shape == (2, 1, 3 * SMALL.hop)
    assert float(made.detach().abs().max()) <= 1


def test_folding_changes_nothing_but_the_parameters(generator: HiFiGAN) -> None:
    x = torch.randn(1, 5, 7)
    folded = fold(generator)
    assert torch.allclose(folded(x), generator(x), atol=1e-6)
    assert not any(parametrize.is_parametrized(module) for module in folded.modules())
    assert not any(p.requires_grad for p in folded.parameters())
    assert parametrize.is_parametrized(generator.conv_pre)  # the original is left as it was
    assert torch.allclose(folded(x), generator(x), atol=1e-6)
    assert parametrize.is_parametrized(HiFiGAN(5, SMALL).conv_pre)


def test_the_folded_copy_follows_the_weights(generator: HiFiGAN) -> None:
    kept: Folded[HiFiGAN] = Folded()
    first = kept.of(generator)
    assert kept.of(generator) is first
    optimizer = torch.optim.SGD(generator.parameters(), lr=0.1)
    generator(torch.randn(1, 5, 4)).square().sum().backward()
    optimizer.step()
    second = kept.of(generator)
    assert second is not first
    x = torch.randn(1, 5, 4)
    assert torch.allclose(second(x), generator(x), atol=1e-6)
    generator.load_state_dict(HiFiGAN(5, SMALL).state_dict())
    assert torch.allclose(kept.of(generator)(x), generator(x), atol=1e-6)
    assert deepcopy(kept)._copy is None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"kernels": (8,)}, "differ in number"),
        ({"kernels": (7, 4)}, "do not fit"),
        ({"channels": 2}, "cannot be halved"),
        ({"block_kernels": (3,)}, "differ in number"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes: dict, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        SMALL.replace(**changes)


@pytest.mark.parametrize("preset", ["hifigan", "tiny"])
def test_discriminators_judge_every_period_and_scale(preset: str) -> None:
    config = DiscriminatorConfig.preset(preset)
    if preset == "hifigan":
        config = config.replace(width=1 / 32)
    judged = Discriminators(config)(torch.randn(2, 1, 1001))
    assert len(judged) == len(config.periods) + config.num_scales
    assert all(one.score.shape[0] == 2 and one.score.ndim == 2 for one in judged)
    assert {len(one.features) for one in judged} == {6, 8}


def unit_config(**changes: object) -> UnitHiFiGANConfig:
    small = UnitHiFiGANConfig(num_units=9, embedding_size=8, generator=SMALL)
    return small.replace(**changes)


@pytest.mark.parametrize(
    ("changes", "inputs", "complaint"),
    [
        ({}, {"units": torch.tensor([[9]])}, r"units lie in \[9, 9\]"),
        ({}, {"units": torch.tensor([[-1, 2]])}, "holds? padding|hold padding"),
        ({}, {"units": torch.zeros(1, 0, dtype=torch.long)}, "no units"),
        ({"speaker": "id"}, {"units": torch.tensor([[1]])}, "speaker is lacking"),
        ({}, {"units": torch.tensor([[1]]), "f0": torch.zeros(1, 1)}, "f0 is not taken"),
        (
            {"durations": None},
            {"units": torch.tensor([[1]]), "predict_durations": True},
            "no duration predictor",
        ),
        ({}, {"units": torch.tensor([[1], [2]]), "predict_durations": True}, "one sequence"),
    ],
)
def test_unit_vocoders_refuse(changes: dict, inputs: dict, complaint: str) -> None:
    model = UnitHiFiGAN(unit_config(**changes)).eval()
    with pytest.raises(ValueError, match=complaint):
        model(**inputs)


def test_conditions_are_repeated_by_whole_factors_only() -> None:
    assert repeat_to(torch.tensor([[[1.0, 2.0]]]), 4).tolist() == [[[1, 1, 2, 2]]]
    with pytest.raises(ValueError, match="not a multiple"):
        repeat_to(torch.zeros(1, 1, 2), 5)


def test_units_need_twice_as_many_mel_frames() -> None:
    vocoder = MultiInputVocoder(MultiInputVocoderConfig(generator=SMALL))
    with pytest.raises(ValueError, match="need 6 mel frames"):
        vocoder(torch.zeros(1, 3, dtype=torch.long), torch.zeros(1, 80, 5), torch.zeros(1, 256))


def test_borders_of_a_segment_are_left_out_of_the_durations() -> None:
    code = torch.tensor([[1, 1, 2, 2, 2, 3], [4, 4, 4, 5, 5, 5]])
    embedded = code.unsqueeze(-1).float()
    runs = segment_runs(code, embedded)
    assert runs.counts.tolist() == [[3, 0], [3, 3]]  # all of the second row: it has two runs only
    assert runs.mask.tolist() == [[True, False], [True, True]]
    assert runs.features.squeeze(-1).tolist() == [[2, 0], [4, 5]]


def test_context_lets_a_unit_sound_otherwise_beside_other_neighbours() -> None:
    plain = UnitHiFiGANConfig(num_units=4, embedding_size=8, generator=SMALL)
    wide = plain.replace(context=ContextConfig(num_blocks=1, kernel=61, ffn_size=16))
    units = torch.zeros(1, 81, dtype=torch.long)
    other = units.clone()
    other[0, 20 + 30] = 1  # further off than the trunk sees (23), at the rim of the block
    last = slice(20 * SMALL.hop, 21 * SMALL.hop)
    for config, reaches in ((plain, False), (wide, True)):
        torch.manual_seed(0)
        network = UnitHiFiGAN(config).eval()
        with torch.no_grad():
            first, second = (network(x).waveform[0, 0, last] for x in (units, other))
        assert torch.equal(first, second) is not reaches
    fresh = {name.split(".")[0] for name in UnitHiFiGAN(wide).state_dict()}
    assert fresh - {name.split(".")[0] for name in UnitHiFiGAN(plain).state_dict()} == {"context"}


def test_weights_start_as_small_as_the_papers_or_as_pytorch_draws_them() -> None:
    torch.manual_seed(0)
    spread = {
        std: HiFiGAN(5, SMALL.replace(initial_std=std)).resblocks[0].convs1[0].weight.std().item()
        for std in (0.01, None)
    }
    assert spread[0.01] == pytest.approx(0.01, rel=0.2)
    # a uniform draw up to 1 / sqrt(fan in), of 8 channels and 3 taps
    assert spread[None] == pytest.approx((3 * 24) ** -0.5, rel=0.2)
