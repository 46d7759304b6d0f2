"""LMDecoder and its lip readers against the official classes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.parity.golden import Golden, assert_official_keys, assert_parity, load_golden
from zoo.models.lmdecoder import official
from zoo.models.lmdecoder.config import LMDecoderConfig, UnitEncoderConfig, VisualConfig
from zoo.models.lmdecoder.module import LMDecoder
from zoo.models.lmdecoder.network import LMDecoderNetwork
from zoo.nn.avhubert_fairseq import encoder_config
from zoo.nn.fairseq_decoder import decoder_config
from zoo.nn.recognition_loss import ctc_loss_sum, label_smoothed_loss
from zoo.nn.recognition_search import SearchConfig, search_texts

LIP_READERS = ("lmd_vsr", "lmd_vsr_es")


def config_of(golden: Golden) -> LMDecoderConfig:
    """The reduced instance; its widths are constants in the official code, hence not in a cfg."""
    raw, visual = golden.config, None
    encoder = raw["encoder"]
    if "avhubert" in raw:
        residual = "layer_norm1.weight" in golden.weights
        visual = VisualConfig(
            encoder=encoder_config(raw["avhubert"]),
            memory_heads=raw["cross_attention_heads"],
            residual_norm=residual,
            inference_residual=raw["inference_residual"],
        )
    return LMDecoderConfig(
        num_units=raw["memory_slots"],
        unit_encoder=UnitEncoderConfig(
            hidden_size=raw["lmd_embedding_dim"],
            num_layers=encoder["layers"],
            num_heads=encoder["heads"],
            ffn_size=encoder["ffn"],
            position_kernel=encoder["conv_pos"],
            position_groups=encoder["conv_pos_groups"],
        ),
        decoder=decoder_config(raw["decoder"], vocab_size=raw["vocab"]),
        visual=visual,
        official_ctc_lengths=True,
    )


def network(golden: Golden) -> LMDecoderNetwork:
    config = config_of(golden)
    model = LMDecoder(config)
    model.load_state_dict(official.to_ours(golden.weights, config).state)
    return model.network.eval()


def check_decoding(golden: Golden, net: LMDecoderNetwork, states: Tensor, mask: Tensor) -> None:
    found = [re.match(r"decode_beam(\d+)_lenpen([\d.]+)_", key) for key in golden.io]
    settings = sorted({(int(m[1]), float(m[2])) for m in found if m})
    assert settings
    for beam, penalty in settings:
        search = SearchConfig(beam=beam, length_penalty=penalty)
        limits = torch.full((len(mask),), mask.shape[1])
        texts = search_texts(net.decoder, states, mask, search, max_lengths=limits)
        compare(texts, golden.part(f"decode_beam{beam}_lenpen{penalty}_"))


def compare(found: Any, expected: dict[str, Tensor]) -> None:
    for key in (key for key in expected if key.endswith("_tokens")):
        sample, rank = map(int, re.findall(r"sample(\d+)_rank(\d+)_", key)[0])
        one, stem = found[sample][rank], key.removesuffix("tokens")
        assert one.tokens.tolist() == expected[key].tolist(), key
        assert_parity(torch.tensor(one.score), expected[f"{stem}score"], stem)


def check_logits(golden: Golden, net: LMDecoderNetwork, states: Tensor, mask: Tensor) -> Tensor:
    """The logits, which agree wherever there is a target."""
    io = golden.io
    logits = net.decode(states, mask, io["prev_output_tokens"])
    valid = io["target"] != golden.config["pad"]
    assert_parity(logits[valid], io["logits"][valid], "logits")
    return logits


@torch.inference_mode()
def test_units_to_text() -> None:
    golden = load_golden("lmdecoder", "lmdecoder")
    net, io = network(golden), golden.io
    mask = ~io["padding_mask"]
    states = net.encode_units(io["units"], mask)
    assert_parity(states[mask], io["encoder_out"].transpose(0, 1)[mask], "encoder")
    logits = check_logits(golden, net, states, mask)
    loss, nll = label_smoothed_loss(logits, io["target"], golden.config["label_smoothing"])
    assert_parity(loss, io["label_smoothed_loss_sum"], "loss")
    assert_parity(nll, io["nll_sum"], "nll")
    check_decoding(golden, net, states, mask)


@pytest.mark.parametrize("component", LIP_READERS)
@torch.inference_mode()
def test_lips_to_text(component: str) -> None:
    golden = load_golden("lmdecoder", component)
    net, io = network(golden), golden.io
    mask = ~io["padding_mask"]
    features = net.read_lips(io["video"][:, 0], mask)
    states = net.encode_lips(features, mask)
    assert_parity(states[mask], io["ctc_encoder_out"].transpose(0, 1)[mask], "training")
    decoding = net.encode_for_decoding(features, mask)
    assert_parity(decoding[mask], io["inference_encoder_out"].transpose(0, 1)[mask], "decoding")
    check_logits(golden, net, states, mask)
    check_decoding(golden, net, decoding, mask)


@pytest.mark.parametrize("component", LIP_READERS)
@torch.inference_mode()
def test_losses_of_lip_readers(component: str) -> None:
    golden = load_golden("lmdecoder", component)
    net, io = network(golden), golden.io
    mask = ~io["padding_mask"]
    states = net.encode_lips(net.read_lips(io["video"][:, 0], mask), mask)
    scores = net.ctc_logits(states)
    log_probs = scores.log_softmax(-1)
    # the official code computes CTC over padded frames as well, whose values are its own
    assert_parity(log_probs[mask], io["ctc_log_probs"].transpose(0, 1)[mask], "ctc")
    lengths = net.ctc_lengths(mask)
    assert torch.equal(lengths, io["ctc_input_lengths"])
    logits = net.decode(states, mask, io["prev_output_tokens"])
    smoothed, nll = label_smoothed_loss(logits, io["target"], golden.config["label_smoothing"])
    for weight in golden.config["ctc_weight"]:
        ctc = weight * ctc_loss_sum(scores, io["target"], lengths)
        assert_parity(ctc, io[f"ctc_term_ctcweight{weight}"], "ctc term", atol=1e-6)
        total = ctc + (1 - weight) * smoothed
        assert_parity(total, io[f"loss_ctcweight{weight}"], f"loss {weight}")
        assert_parity(nll, io[f"nll_ctcweight{weight}"], f"nll {weight}")


KEYS = [
    ("lmdecoder_768", "units"),
    ("lmdecoder_en_1024", "units_en"),
    ("lmd_vsr_768", "vsr"),
    ("lmd_vsr_768", "vsr_fr"),
    ("lmd_vsr_es", "vsr_es"),
    ("lmd_vsr_en_1024", "vsr_en"),
]


@pytest.mark.parametrize(("name", "preset"), KEYS)
def test_every_official_key_has_its_place(name: str, preset: str) -> None:
    config = LMDecoderConfig.preset(preset)
    assert_official_keys("lmdecoder", name, LMDecoder, config, official)
