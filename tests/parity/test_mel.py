"""The mel front-ends give what the official code of their models gives.

Sizes, rates and lengths come from the golden files; the recipe written beside them is checked
against the front-end it is compared with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.parity.golden import Golden, assert_parity, load_golden
from zoo.audio.mel import CONFIGS, MelConfig, MelFrontEnd, Wav2LipMel, mel_filterbank, mel_front_end
from zoo.audio.mel.v2sflow import scale_log_mel, unscale_log_mel
from zoo.audio.mel.wav2lip import (
    PRE_EMPHASIS,
    cut_windows,
    inference_starts,
    pre_emphasis,
    to_decibel,
    training_starts,
    window_starts,
)

# golden tensor -> front-end
FLOW_MATCHING = {
    "tacotron16k": "tacotron16k",
    "vocos24k_f5": "vocos24k_f5",
    "vocos24k_pkg": "vocos24k",
    "bigvgan24k": "bigvgan24k",
    "hifigan22k_on16k": "hifigan16k",
}


def assert_recipe(config: MelConfig, recipe: Mapping[str, Any]) -> None:
    """The numbers written beside a golden are those of the front-end."""
    assert recipe["n_fft"] == recipe["win"] == config.n_fft
    assert recipe["hop"] == config.hop_length
    assert recipe["n_mels"] == config.num_mels
    assert recipe.get("fmin", 0) == config.min_hz


@pytest.fixture(scope="module")
def lip2speech() -> Golden:
    return load_golden("lip2speech_unit", "mel")


@pytest.fixture(scope="module")
def wav2lip() -> Golden:
    return load_golden("wav2lip_syncnet", "mel")


@pytest.fixture(scope="module")
def flow_matching() -> Golden:
    return load_golden("flow_matching", "mel")


@pytest.mark.parametrize(
    ("key", "name", "frames_first"),
    [("mel_input", "tacotron16k", True), ("mel_vocoder_loss", "hifigan16k", False)],
)
def test_lip2speech_unit(lip2speech: Golden, key: str, name: str, frames_first: bool) -> None:
    front_end = mel_front_end(name)
    assert_recipe(front_end.config, lip2speech.config[key])
    mel = front_end(lip2speech.io["waveform"])
    assert_parity(mel.T if frames_first else mel, lip2speech.io[key], key)


def test_lip2speech_unit_filter_bank(lip2speech: Golden) -> None:
    bank = mel_front_end("tacotron16k").bank
    assert_parity(bank, lip2speech.io["mel_filterbank"], "mel_filterbank", tolerance=1e-6)


@pytest.mark.parametrize("key", sorted(FLOW_MATCHING))
def test_flow_matching(flow_matching: Golden, key: str) -> None:
    front_end = mel_front_end(FLOW_MATCHING[key])
    waveform = flow_matching.io[f"wav{front_end.config.sample_rate}"]
    expected = flow_matching.io[key]
    mel = front_end(waveform)
    assert_parity(mel, expected, key)
    # the logarithm enlarges rounding near its floor, and nowhere else
    assert float((mel - expected).abs().max()) <= 1e-3


def test_flow_matching_v2sflow_scale(flow_matching: Golden) -> None:
    log_mel = flow_matching.io["tacotron16k"]
    scaled = scale_log_mel(log_mel)
    assert_parity(scaled, flow_matching.io["tacotron16k_v2sflow_norm"], "v2sflow scale")
    torch.testing.assert_close(unscale_log_mel(scaled), log_mel, atol=1e-4, rtol=0)


def test_flow_matching_filter_banks(flow_matching: Golden) -> None:
    for name, expected in flow_matching.part("basis_").items():
        assert name in CONFIGS, f"golden has a filter bank {name} that no front-end uses"
        bank = mel_front_end(name).bank
        # torchaudio stores its bank the other way round
        ours = bank if bank.shape == expected.shape else bank.T
        assert_parity(ours, expected, f"basis_{name}")


def test_flow_matching_covers_the_golden(flow_matching: Golden) -> None:
    known = {*FLOW_MATCHING, "tacotron16k_v2sflow_norm"}
    rest = {key for key in flow_matching.io if not key.startswith(("wav", "basis_"))} - known
    assert not rest


def test_wav2lip_recipe(wav2lip: Golden) -> None:
    config = Wav2LipMel().config
    assert_recipe(config, wav2lip.config)
    assert config.sample_rate == wav2lip.config["sample_rate"]
    assert config.max_hz == wav2lip.config["fmax"]
    assert wav2lip.config["preemphasis"] == PRE_EMPHASIS


@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
def test_wav2lip_mel(wav2lip: Golden, pad_mode: Any) -> None:
    name = {"reflect": "wav2lip", "constant": "wav2lip_constant"}[pad_mode]
    expected = wav2lip.io[f"mel_{pad_mode}"]
    for front_end in (mel_front_end(name), Wav2LipMel(pad_mode)):
        assert_parity(front_end(wav2lip.io["wav"]), expected, name)


def test_wav2lip_pad_modes_differ_at_the_ends_only(wav2lip: Golden) -> None:
    reflect, constant = (Wav2LipMel(mode)(wav2lip.io["wav"]) for mode in ("reflect", "constant"))
    different = (reflect - constant).abs().amax(dim=0) > 1e-6
    assert different.any()
    assert not different[2:-2].any()


def test_wav2lip_parts(wav2lip: Golden) -> None:
    io, front_end = wav2lip.io, Wav2LipMel()
    assert_parity(pre_emphasis(io["wav"]), io["preemphasis"], "preemphasis")
    assert_parity(front_end.bank.float(), io["mel_basis"], "mel_basis", tolerance=1e-6)
    linear = front_end.linear(io["wav"][None])[0, :, ::4]
    assert_parity(linear, io["linear_reflect_every4"], "linear_reflect_every4")
    assert_parity(to_decibel(io["mel_reflect"]), io["denormalised"], "denormalised")


def test_wav2lip_windows(wav2lip: Golden) -> None:
    crop = wav2lip.io["crop_start_for_frame_0_29"]
    assert torch.equal(window_starts(torch.arange(len(crop))), crop.long())
    segmented = wav2lip.io["segmented_start_for_frame_0_29"]
    ours = training_starts(torch.arange(len(segmented)), segmented.shape[1])
    assert torch.equal(ours, segmented.long())


def test_wav2lip_inference_windows(wav2lip: Golden) -> None:
    mel = wav2lip.io["mel_reflect"]
    chunks = wav2lip.part("inference_chunk_starts_fps")
    assert chunks
    for fps, expected in chunks.items():
        starts = inference_starts(mel.shape[-1], float(fps))
        assert torch.equal(starts, expected.long()), fps
        windows = cut_windows(mel, starts)
        assert torch.equal(windows[-1], mel[:, -windows.shape[-1] :])


def test_ge2e() -> None:
    golden = load_golden("ge2e", "ge2e")
    front_end = mel_front_end("ge2e")
    recipe = golden.config["mel"]
    assert_recipe(front_end.config, recipe)
    assert front_end.config.power == recipe["power"]
    assert front_end.config.pad_mode == recipe["pad_mode"]
    mels = {key: mel for key, mel in golden.io.items() if key.startswith("mel")}
    assert mels
    for key, expected in mels.items():
        waveform = golden.io[f"wav{key.removeprefix('mel')}"]
        assert_parity(front_end(waveform).T, expected, key)


def test_every_named_bank_is_the_formula(lip2speech: Golden) -> None:
    """The bank inside a front-end is the public function's, so a golden bank vouches for both."""
    recipe = lip2speech.config["mel_input"]
    bank: Tensor = mel_filterbank(
        sample_rate=CONFIGS["tacotron16k"].sample_rate,
        n_fft=recipe["n_fft"],
        num_mels=recipe["n_mels"],
        min_hz=recipe["fmin"],
        max_hz=recipe["fmax"],
    )
    assert_parity(bank, lip2speech.io["mel_filterbank"], "mel_filterbank", tolerance=1e-6)
    front_end: MelFrontEnd = mel_front_end("tacotron16k")
    assert torch.equal(bank, front_end.bank)
