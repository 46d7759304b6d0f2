"""AV-RelScore, V-CAFE and the AV-Conformer against the official code (`golden/av_relscore`)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.parity.golden import (
    Golden,
    assert_all_parity,
    assert_official_keys,
    assert_parity,
    golden_json,
    load_golden,
)
from zoo.errors import ConversionError
from zoo.models.av_relscore import alphabet, official
from zoo.models.av_relscore.config import AVRelScoreConfig
from zoo.models.av_relscore.module import AVRelScore
from zoo.models.av_relscore.network import frame_mask
from zoo.models.char_lm import official as lm_official
from zoo.models.char_lm.module import CharLM
from zoo.nn.decoding.greedy import greedy
from zoo.nn.decoding.hypothesis import Hypothesis
from zoo.nn.decoding.losses import accuracy, teacher_forcing
from zoo.video.mouth_input import normalize

MODELS = ("avrelscore", "vcafe", "conformer")
KEY_LISTS = {"paper": "avrelscore", "vcafe": "vcafe", "conformer": "conformer"}
SCORE = 1e-3  # absolute, on the totals of hypotheses
Pair = tuple[AVRelScore, Golden]


def load(name: str) -> Pair:
    golden = load_golden("av_relscore", name)
    config = official.config_from_official(golden.config)
    model = AVRelScore(config)
    model.load_state_dict(official.to_ours(golden.weights, config).state)
    return model.eval(), golden


@pytest.fixture(scope="module")
def loaded() -> dict[str, Pair]:
    return {}


@pytest.fixture
def pair(request: pytest.FixtureRequest, loaded: dict[str, Pair]) -> Pair:
    if request.param not in loaded:
        loaded[request.param] = load(request.param)
    return loaded[request.param]


every_model = pytest.mark.parametrize("pair", MODELS, indirect=True)


def clips(golden: Golden) -> tuple[Tensor, Tensor, Tensor]:
    """Mouths (B, T, H, W), samples (B, S) and valid frames (B,)."""
    io = golden.io
    lengths = io["video_len"]
    valid = frame_mask(lengths, io["video_u8"].shape[1])
    return normalize(io["video_u8"]) * valid[..., None, None], io["audio"][..., 0], lengths


@every_model
@torch.no_grad()
def test_a_padded_batch(pair: Pair) -> None:
    model, golden = pair
    video, audio, lengths = clips(golden)
    expected = golden.part("pad.")
    seen, heard = model.network.features(video, audio, lengths)
    encoded = model.network.encode(video, audio, lengths)
    assert encoded.mask is not None
    found = {
        "frontend_vid": seen,
        "frontend_aud": heard,
        "score_vid": encoded.video_scores,
        "score_aud": encoded.audio_scores,
        "fused": encoded.fused,
        "enc": encoded.states,
        "ctc_log_probs": model.network.ctc_log_probs(encoded.states),
    }
    # a baseline has fewer parts; what the official one recorded, ours has to have
    compared = {k: v for k, v in found.items() if v is not None}
    wanted = {k: expected[k] for k in found if k in expected}
    assert {"enc", "ctc_log_probs"} <= set(wanted)
    assert_all_parity(compared, wanted)
    assert_parity(encoded.mask.unsqueeze(1).to(torch.uint8), expected["enc_mask"], "mask")


@pytest.mark.parametrize("pair", ["avrelscore", "vcafe"], indirect=True)
@torch.no_grad()
def test_every_block_of_the_conformer(pair: Pair) -> None:
    model, golden = pair
    expected, encoder = golden.part("pad."), model.network.encoder
    assert encoder is not None and encoder.embed is not None
    mask = frame_mask(golden.io["video_len"], expected["enc"].shape[1])
    if "fused_mask" in expected:
        mask = torch.cat([mask, mask], dim=1)
        assert_parity(mask.unsqueeze(1).to(torch.uint8), expected["fused_mask"], "fused_mask")
    assert_parity(encoder.embed(expected["fused"]), expected["embed_linear"], "embed_linear")
    states = encoder.states(expected["fused"], mask)
    assert len(states) == sum(key.startswith("block") for key in expected)
    assert_all_parity(
        {f"block{i}": state for i, state in enumerate(states)},
        {f"block{i}": expected[f"block{i}"] for i in range(len(states))},
    )


@every_model
@torch.no_grad()
def test_single_clips_as_in_the_official_test(pair: Pair) -> None:
    model, golden = pair
    video, audio, lengths = clips(golden)
    for number, frames in enumerate(lengths.tolist()):
        part = (video[number : number + 1, :frames], audio[number : number + 1, : 640 * frames])
        states = model.network.encode(*part).states
        assert_parity(states[0], golden.io[f"single{number}.enc"], f"single{number}.enc")
        log_probs = model.network.ctc_log_probs(states)[0]
        assert_parity(log_probs, golden.io[f"single{number}.ctc_log_probs"], "ctc")


@every_model
@torch.no_grad()
def test_sound_of_another_length_than_the_video(pair: Pair) -> None:
    model, golden = pair
    video, audio, lengths = clips(golden)
    frames = int(lengths[0])
    one, sound = video[:1, :frames], audio[:1, : 640 * frames]
    longer = torch.cat([sound, torch.randn(1, 700)], dim=1)
    cases = {"audio_one_sample_short": sound[:, :-1], "audio_700_samples_long": longer}
    for name, changed in cases.items():
        if f"{name}.enc" in golden.io:
            found = model.network.encode(one, changed).states[0]
            assert_parity(found, golden.io[f"{name}.enc"], name)


@every_model
@torch.no_grad()
def test_decoder_losses_and_greedy_decoding(pair: Pair) -> None:
    model, golden = pair
    video, audio, lengths = clips(golden)
    expected = golden.part("pad.")
    end = golden.config["eos"]
    targets = teacher_forcing(golden.io["tokens"], end, end, golden.config["ignore_id"])
    encoded = model.network.encode(video, audio, lengths)
    logits = model.network.decoder(targets.inputs, encoded.states, encoded.mask)
    assert_parity(logits, expected["dec_logits"], "dec_logits")
    losses = model.losses(encoded, targets, lengths)
    for ours, theirs in (("loss", "loss"), ("ctc", "loss_ctc"), ("attention", "loss_att")):
        assert_parity(losses[ours].reshape(1), expected[theirs], theirs)
    assert_parity(accuracy(logits, targets).reshape(1), expected["att_acc"], "att_acc")
    steps = golden.io["tokens"].shape[1]
    texts = greedy(model.network.decoder, encoded.states, encoded.mask, end, steps)
    assert torch.equal(texts.tokens, expected["greedy_attention_tokens"])


@pytest.fixture(scope="module")
def language_model() -> CharLM:
    golden = load_golden("av_relscore", "lm")
    config = lm_official.config_from_official(golden.config)
    model = CharLM(config).eval()
    model.load_state_dict(lm_official.to_ours(golden.weights, config).state)
    return model


def test_language_model(language_model: CharLM) -> None:
    io = load_golden("av_relscore", "lm").io
    logits = language_model.network(io["x"])
    assert_parity(logits, io["logits"], "logits")
    last = language_model(io["x"][:1])[0, -1]
    assert_parity(last, io["last_token_log_probs_row0"], "last token")
    valid = io["x"] != 0  # the official loss leaves out where the input is padding
    assert int(valid.sum()) == int(io["count"])
    found = logits.log_softmax(-1).gather(2, io["t"].unsqueeze(-1))[..., 0][valid]
    assert_parity(-found.sum().reshape(1), io["nll_sum"], "nll_sum")


def test_language_model_converts_back_and_reads_older_names(language_model: CharLM) -> None:
    golden = load_golden("av_relscore", "lm")
    config = language_model.config
    back = lm_official.to_official(language_model.state_dict(), config)
    assert back.keys() == golden.weights.keys()
    assert all(torch.equal(back[key], golden.weights[key]) for key in back)
    names = {"after_norm": "norm", "norm_mha": "norm1", "norm_ff": "norm2"}
    older = {}
    for key, value in golden.weights.items():
        for new, old in names.items():
            key = key.replace(new, old)
        older[key] = value
    assert lm_official.to_ours(older, config).state.keys() == language_model.state_dict().keys()


def search(
    model: AVRelScore, language_model: CharLM, golden: Golden, cases: list[dict[str, Any]]
) -> list[list[Hypothesis]]:
    """One search over the items of cases with the same settings."""
    case = cases[0]
    settings = {
        "decoding.beam": case["beam_size"],
        "decoding.ctc_weight": case["ctc_weight"],
        "decoding.lm_weight": case["lm_weight"],
        "decoding.length_bonus": case["penalty"],
    }
    searcher = AVRelScore(model.config.replace(**settings)).eval()
    searcher.network = model.network
    searcher.attach_language_model(language_model)
    states = [golden.io[f"single{one['item']}.enc"] for one in cases]
    log_probs = [golden.io[f"single{one['item']}.ctc_log_probs"] for one in cases]
    lengths = torch.tensor([len(state) for state in states])
    # what stands behind an item's end must not matter
    padded = torch.nn.utils.rnn.pad_sequence(states, batch_first=True, padding_value=7.0)
    logs = torch.nn.utils.rnn.pad_sequence(log_probs, batch_first=True, padding_value=-0.1)
    return searcher.search(padded, lengths, logs)


def assert_hypotheses(found: list[Hypothesis], case: dict[str, Any], start: int) -> None:
    assert len(found) == case["n_finished"]
    for ours, theirs in zip(found, case["nbest"]):
        assert [start, *ours.tokens.tolist()] == theirs["yseq"]
        assert ours.score == pytest.approx(theirs["score"], abs=SCORE)
        sums = ours.sums()
        for name, value in theirs["scores"].items():
            assert sums.get(name, 0.0) == pytest.approx(value, abs=SCORE), name
        spelt = alphabet.decode(ours.content(alphabet.END)[0].tolist())
        assert spelt == " ".join(theirs["text"].replace("<space>", " ").split())


@pytest.mark.parametrize("together", [False, True])
def test_beam_search(language_model: CharLM, together: bool) -> None:
    """Every hypothesis of ESPnet's search, an item at a time and all items in one batch."""
    model, golden = load("avrelscore")
    cases: list[dict[str, Any]] = golden_json("av_relscore", "beam_search_io.json")
    assert cases
    groups: dict[str, list[dict[str, Any]]] = {}
    for number, case in enumerate(cases):
        assert case["maxlenratio"] == case["minlenratio"] == 0.0
        groups.setdefault(case["case"] if together else str(number), []).append(case)
    for group in groups.values():
        for found, case in zip(search(model, language_model, golden, group), group, strict=True):
            assert_hypotheses(found, case, golden.config["sos"])


@pytest.mark.parametrize(("preset", "name"), KEY_LISTS.items())
def test_official_keys_map_one_to_one(preset: str, name: str) -> None:
    config = AVRelScoreConfig.preset(preset)
    report = assert_official_keys("av_relscore", name, AVRelScore, config, official)
    assert set(report.dropped.values()) <= {"registered by the official code and never run"}


def test_the_wrong_network_is_refused() -> None:
    _, golden = load("vcafe")
    with pytest.raises(ConversionError, match="vcafe"):
        official.to_ours(golden.weights, AVRelScoreConfig())
    with pytest.raises(ConversionError, match="rel_pos_type"):
        official.config_from_official({**golden.config, "rel_pos_type": "legacy"})


def test_alphabet_is_the_official_one() -> None:
    _, golden = load("avrelscore")
    assert list(alphabet.SYMBOLS) == golden.config["char_list"]
    assert golden.config["blank"] == alphabet.BLANK
    assert golden.config["eos"] == alphabet.END
