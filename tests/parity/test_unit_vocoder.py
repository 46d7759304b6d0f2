"""Unit and mel HiFi-GANs, durations and GAN losses against fairseq and speech-resynthesis."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.parity.golden import (
    Golden,
    assert_official_keys,
    assert_parity,
    golden_file,
    golden_json,
    load_golden,
    official_keys,
)
from zoo.audio.mel import mel_front_end
from zoo.hub.convert import convert
from zoo.hub.keymap import KeyMap, check_bijection
from zoo.hub.load import from_pretrained
from zoo.models.mel_vocoder import official as mel_official
from zoo.models.mel_vocoder.config import MelVocoderConfig
from zoo.models.mel_vocoder.module import MelVocoder
from zoo.models.unit_vocoder import official
from zoo.models.unit_vocoder.config import UnitVocoderConfig
from zoo.models.unit_vocoder.module import UnitVocoder
from zoo.nn.duration_predictor import DurationPredictor, duration_loss, segment_runs
from zoo.nn.gan_discriminators import (
    Judgement,
    MultiPeriodDiscriminator,
    MultiScaleDiscriminator,
)
from zoo.nn.gan_losses import discriminator_loss, feature_loss, generator_loss
from zoo.nn.hifigan import HiFiGAN
from zoo.nn.hifigan_official import (
    hifigan_config,
    hifigan_rules,
    period_rules,
    scale_rules,
    unit_hifigan_config,
)
from zoo.nn.units import Units

SLUG = "unit_vocoder"
TOLERANCE = 1e-5


def build(golden: Golden) -> UnitVocoder:
    config = official.config_from_official(golden.config)
    model = UnitVocoder(config)
    model.load_state_dict(official.to_ours(golden.weights, config).state)
    return model.eval()


def speech(golden: Golden, **inputs: Any) -> Tensor:
    with torch.inference_mode():
        return build(golden).network(**inputs).waveform


def assert_waveform(made: Tensor, golden: Golden, name: str) -> None:
    assert_parity(made, golden.io[name], name, tolerance=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("speaker", ["dur", "spkid", "spkembed"])
def test_units_with_durations(speaker: str) -> None:
    golden = load_golden(SLUG, f"code_hifigan_{speaker}")
    model, io = build(golden), golden.io
    voice = io["spkr"][:, 0] if "spkr" in io else None
    with torch.inference_mode():
        embedded = model.network.dict(io["code"])
        assert_parity(model.network.dur_predictor(embedded), io["log_dur"], "log_dur")
        made = model.network(io["code"], speaker=voice, predict_durations=True)
        plain = model.network(io["code"], speaker=voice)
    assert torch.equal(made.durations, io["dur"])
    assert_waveform(made.waveform, golden, "wav_dur")
    assert_waveform(plain.waveform, golden, "wav_nodur")
    if "av2av.repeated_code" in io:
        assert torch.equal(made.units[0], io["av2av.repeated_code"])
        assert_waveform(made.waveform, golden, "av2av.wav")


@pytest.mark.parametrize("speaker", ["dur", "spkid", "spkembed"])
def test_the_vocoder_with_folded_weight_norm(speaker: str) -> None:
    golden = load_golden(SLUG, f"code_hifigan_{speaker}")
    model, io = build(golden), golden.io
    voice = io["spkr"][0, 0] if "spkr" in io else None
    made = model.vocode(io["code"][0], speaker=voice)
    assert_waveform(made.waveform, golden, "wav_vocoder_dur")
    if "wav_vocoder_nodur" in io:
        made = model.vocode(Units(io["code"][0], 50.0))
        assert_waveform(made.waveform, golden, "wav_vocoder_nodur")
    if "code_with_invalid" in io:
        made = model.vocode(io["code_with_invalid"][0])
        assert_waveform(made.waveform, golden, "wav_vocoder_with_invalid_dur")


def test_a_batch_of_frame_units() -> None:
    golden = load_golden(SLUG, "code_hifigan_dur")
    assert_waveform(speech(golden, units=golden.io["code_batch"]), golden, "wav_batch_nodur")


def test_another_row_of_the_speaker_table() -> None:
    golden = load_golden(SLUG, "code_hifigan_spkid")
    first = torch.zeros(1, dtype=torch.long)
    made = speech(golden, units=golden.io["code"], speaker=first)
    assert_waveform(made, golden, "wav_nodur_spk0")


@pytest.mark.parametrize("rate", ["1x", "4x"])
def test_raw_f0(rate: str) -> None:
    golden = load_golden(SLUG, "code_hifigan_f0")
    made = speech(golden, units=golden.io["code"], f0=golden.io[f"f0_{rate}"])
    assert_waveform(made, golden, f"wav_f0_{rate}")


def test_f0_bins_with_speaker() -> None:
    golden = load_golden(SLUG, "code_hifigan_f0quant_spkid")
    io = golden.io
    made = speech(golden, units=io["code"], f0=io["f0_bins"], speaker=io["spkr"][:, 0])
    assert_waveform(made, golden, "wav_nodur")


def test_mel_hifigan() -> None:
    golden = load_golden(SLUG, "mel_hifigan")
    network = HiFiGAN(golden.io["mel"].shape[1], hifigan_config(golden.config)).eval()
    network.load_state_dict(KeyMap(hifigan_rules()).to_ours(golden.weights).state)
    with torch.inference_mode():
        assert_waveform(network(golden.io["mel"]), golden, "wav")


def test_mel_vocoder_reads_it_through_its_converter() -> None:
    golden = load_golden(SLUG, "mel_hifigan")
    config = mel_official.config_from_official(golden.config)
    model = MelVocoder(config)
    model.load_state_dict(mel_official.to_ours(golden.weights, config).state)
    for mel, wav in zip(golden.io["mel"], golden.io["wav"], strict=True):
        assert_parity(model.vocode(mel).waveform, wav[0], "wav", tolerance=1e-4, atol=TOLERANCE)
    back = mel_official.to_official(model.state_dict(), config)
    assert all(torch.equal(back[key], golden.weights[key]) for key in golden.weights)


def test_duration_training() -> None:
    golden = load_golden(SLUG, "duration_training")
    io, sizes = golden.io, unit_hifigan_config(golden.config)
    table = torch.nn.Embedding(sizes.num_units, sizes.embedding_size)
    predictor = DurationPredictor(
        sizes.embedding_size, sizes.durations.hidden, sizes.durations.kernel, dropout=0.0
    )
    state = official.KEY_MAP.to_ours(golden.weights).state
    table.load_state_dict({"weight": state["network.dict.weight"]})
    lead = "network.dur_predictor."
    predictor.load_state_dict(
        {k.removeprefix(lead): v for k, v in state.items() if k.startswith(lead)}
    )
    runs = segment_runs(io["code_full"], table(io["code_full"]))
    assert_parity(runs.counts[runs.mask].float(), io["uniq_count"], "uniq_count")
    assert_parity(runs.features, io["uniq_feat"], "uniq_feat")
    assert torch.equal(runs.mask, io["uniq_mask"].bool())
    assert_parity(duration_loss(predictor, runs), io["dur_loss"], "dur_loss", tolerance=TOLERANCE)


def _features(golden: Golden, kind: str) -> list[Judgement]:
    layers: dict[str, list[Tensor]] = {}
    for key in sorted(golden.part(f"fmap_{kind}.")):
        layers.setdefault(key.split(".")[0], []).append(golden.io[f"fmap_{kind}.{key}"])
    return [Judgement(torch.empty(0), tuple(maps)) for maps in layers.values()]


def _scores(golden: Golden, kind: str) -> list[Judgement]:
    part = golden.part(f"disc_{kind}.")
    return [Judgement(part[key], ()) for key in sorted(part)]


def test_gan_losses() -> None:
    golden = load_golden(SLUG, "gan_losses")
    real, made = _scores(golden, "r"), _scores(golden, "g")
    features = feature_loss(_features(golden, "r"), _features(golden, "g"))
    assert_parity(features, golden.io["feature_loss"], "feature_loss")
    loss = discriminator_loss(real, made)
    assert_parity(loss, golden.io["discriminator_loss"], "discriminator_loss")
    assert_parity(generator_loss(made), golden.io["generator_loss"], "generator_loss")


def test_the_mel_of_the_loss() -> None:
    golden = load_golden(SLUG, "gan_losses")
    mel = mel_front_end("hifigan16k")(golden.io["wav_in"])
    for name in ("mel", "mel_fmax_none"):
        assert_parity(mel, golden.io[name], name, tolerance=1e-4)


PRESETS = {
    "single_dur": "mhubert_km1000",
    "multispkr_id": "speaker_id",
    "multispkr_embedder": "speaker_vector",
    "nodur_km100": "hubert_km100",
}


@pytest.mark.parametrize("name", PRESETS)
def test_official_keys_of_unit_vocoders(name: str) -> None:
    config = UnitVocoderConfig.preset(PRESETS[name])
    report = assert_official_keys(SLUG, f"code_hifigan_{name}", UnitVocoder, config, official)
    assert not report.dropped


@pytest.mark.parametrize(
    ("name", "preset"),
    [("hop256_v1", "hifigan_v1"), ("16k_hop160", "hifigan_16k_hop160")],
)
def test_official_keys_of_mel_vocoders(name: str, preset: str) -> None:
    config = MelVocoderConfig.preset(preset)
    assert_official_keys(SLUG, f"mel_hifigan_{name}", MelVocoder, config, mel_official)


@pytest.mark.parametrize(
    ("name", "rules", "build_one"),
    [
        ("mpd", period_rules, MultiPeriodDiscriminator),
        ("msd", scale_rules, MultiScaleDiscriminator),
    ],
)
def test_official_keys_of_discriminators(name: str, rules: Any, build_one: Any) -> None:
    with torch.device("meta"):
        target = build_one()
    keys = official_keys(SLUG, f"discriminator_{name}")
    report = check_bijection(keys, KeyMap(rules()), target)
    assert report.ok, str(report)


def test_a_released_file_is_converted_and_speaks(tmp_path: Any) -> None:
    golden = load_golden(SLUG, "code_hifigan_dur")
    done = convert(
        golden_file(SLUG, "g_fixture.pt"),
        "unit_vocoder.fixture",
        tmp_path / "model",
        config_file=golden_file(SLUG, "code_hifigan_dur_config.json"),
        check=True,
    )
    assert done.checked == len(golden.weights)
    model = from_pretrained(tmp_path / "model")
    assert_waveform(model.vocode(golden.io["code"][0]).waveform, golden, "wav_vocoder_dur")


def test_the_configuration_of_the_fixture_says_everything() -> None:
    raw = golden_json(SLUG, "code_hifigan_dur_config.json")
    assert unit_hifigan_config(raw).in_channels == raw["model_in_dim"]
