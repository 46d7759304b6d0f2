"""Lip2Speech-Unit against the official implementation: both first stages, losses, vocoder, mel."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.parity.golden import Golden, assert_official_keys, assert_parity, load_golden
from zoo.audio.mel import mel_front_end
from zoo.models.lip2speech_unit import official
from zoo.models.lip2speech_unit.config import Lip2SpeechUnitConfig
from zoo.models.lip2speech_unit.module import Lip2SpeechUnit
from zoo.nn.lip_to_units import LipUnits
from zoo.nn.lip_to_units_loss import multi_target_loss

SLUG = "lip2speech_unit"
FIRST_STAGES = ("multi_target", "multi_target_avhubert")
Pair = tuple[Lip2SpeechUnit, Golden]


def build(golden: Golden) -> Lip2SpeechUnit:
    config = official.config_from_official(golden.config)
    model = Lip2SpeechUnit(config)
    model.load_state_dict(official.to_ours(golden.weights, config).state)
    return model.eval()


@pytest.fixture(scope="module", params=FIRST_STAGES)
def pair(request: pytest.FixtureRequest) -> Pair:
    golden = load_golden(SLUG, request.param)
    return build(golden), golden


@pytest.fixture(scope="module")
def vocoder() -> Pair:
    golden = load_golden(SLUG, "multi_input_vocoder")
    return build(golden), golden


def read(pair: Pair, mask: Tensor | None) -> LipUnits:
    model, golden = pair
    with torch.inference_mode():
        return model.first(golden.io["video"][:, 0], golden.io["spk_emb"], mask)


def test_first_stage_without_a_mask(pair: Pair) -> None:
    output, io = read(pair, None), pair[1].io
    assert_parity(output.logits, io["unit_logits_nomask"], "unit_logits_nomask")
    assert_parity(output.mel, io["mel_pred_nomask"], "mel_pred_nomask")


def test_first_stage_in_a_padded_batch(pair: Pair) -> None:
    io = pair[1].io
    output = read(pair, ~io["padding_mask"])
    assert_parity(output.logits, io["unit_logits"], "unit_logits")
    assert_parity(output.mel, io["mel_pred"], "mel_pred")
    assert torch.equal(~output.mask, io["padding_mask_out"])


def test_units_and_mel_of_the_official_generator(pair: Pair) -> None:
    io = pair[1].io
    output = read(pair, ~io["padding_mask"])
    units, lengths = output.units(), output.mask.sum(1)
    for i, length in enumerate(lengths.tolist()):
        assert torch.equal(units[i, :length], io[f"inference_units_{i}"])
        assert_parity(output.mel[i, : 2 * length], io[f"inference_mel_{i}"], f"mel {i}")


@pytest.mark.parametrize("per", ["sentence", "token"])
def test_losses(pair: Pair, per: str) -> None:
    _, golden = pair
    io, config = golden.io, golden.config
    output = LipUnits(io["unit_logits"], io["mel_pred"], ~io["padding_mask_out"])
    loss = multi_target_loss(
        output,
        io["target"],
        io["mel"],
        smoothing=config["label_smoothing"],
        per_label=per == "token",
    )
    assert_parity(loss.nll, io[f"nll_{per}_avg"], "nll")
    assert_parity(loss.mel, io[f"mel_loss_{per}_avg"], "mel loss")
    assert_parity(loss.combined(config["mel_weight"]), io[f"loss_{per}_avg"], "loss")
    assert loss.total == int(io["accuracy_total"])
    assert int(loss.correct) == int(io["accuracy_correct"])


def test_vocoder(vocoder: Pair) -> None:
    model, golden = vocoder
    io = golden.io
    with torch.inference_mode():
        units, voice = model.vocoder.condition(io["code"], io["spkr"]).chunk(2, dim=1)
        assert_parity(units, io["unit_condition"], "unit_condition")
        assert torch.equal(voice[..., 0], model.vocoder.spkr(io["spkr"]))
        made = model.vocoder(io["code"], io["mel"], io["spkr"])
    assert_parity(made, io["waveform"], "waveform", tolerance=1e-5, atol=1e-5)


def test_vocoder_with_folded_weight_norm(vocoder: Pair) -> None:
    model, golden = vocoder
    io = golden.io
    for i, expected in enumerate(io["waveform"]):
        speech = model.speak_units(io["code"][i], io["mel"][i].T, io["spkr"][i])
        assert_parity(speech.waveform, expected[0], "waveform", tolerance=1e-5, atol=1e-5)
        steps = (speech.waveform * 32768).trunc() - io["waveform_int16"][i]
        assert int(steps.abs().max()) <= 1  # where the value lies on a step


@pytest.mark.parametrize("component", [*FIRST_STAGES, "multi_input_vocoder"])
def test_the_way_back(component: str) -> None:
    golden = load_golden(SLUG, component)
    config = official.config_from_official(golden.config)
    converted = official.to_ours(golden.weights, config)
    back = official.to_official(converted.state, config)
    kept = {key: x for key, x in golden.weights.items() if key not in converted.dropped}
    assert back.keys() == kept.keys()
    assert all(torch.equal(back[key], kept[key]) for key in kept)


PRESETS: dict[str, Any] = {
    "multi_target": "scratch",
    "multi_target_avhubert": "avhubert",
    "multi_input_vocoder": "vocoder_only",
}


@pytest.mark.parametrize("component", PRESETS)
def test_official_keys(component: str) -> None:
    config = Lip2SpeechUnitConfig.preset(PRESETS[component])
    report = assert_official_keys(SLUG, component, Lip2SpeechUnit, config, official)
    assert all("pretraining" in reason for reason in report.dropped.values())


def test_mel_recipes() -> None:
    golden = load_golden(SLUG, "mel")
    io = golden.io
    mel = mel_front_end("tacotron16k")(io["waveform"]).T
    assert_parity(mel, io["mel_input"], "mel_input", tolerance=1e-4, atol=2e-4)
    loss = mel_front_end("hifigan16k")(io["waveform"])
    assert_parity(loss, io["mel_vocoder_loss"], "mel_vocoder_loss")
    bank = mel_front_end("tacotron16k").bank
    assert_parity(bank, io["mel_filterbank"], "mel_filterbank")
