"""AV-HuBERT against the official classes: encoder, masked prediction, recogniser, decoding."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.parity.golden import Golden, assert_official_keys, assert_parity, load_golden
from zoo.models.avhubert import official
from zoo.models.avhubert.config import AVHuBERTModelConfig
from zoo.models.avhubert.module import AVHuBERTModel
from zoo.models.avhubert.network import AVHuBERTNetwork
from zoo.models.avhubert.official import config_from_official, to_ours
from zoo.nn.avhubert import AVHuBERT
from zoo.nn.avhubert_pretraining import ClusterHead, Masked
from zoo.nn.recognition_loss import label_smoothed_loss, teacher_forcing
from zoo.nn.recognition_search import SearchConfig, search_texts

STREAMS = ("video", "audio", "both")


def network(golden: Golden, config: AVHuBERTModelConfig) -> AVHuBERTNetwork:
    model = AVHuBERTModel(config)
    model.load_state_dict(to_ours(golden.weights, config).state)
    return model.network.eval()


def inputs(golden: Golden) -> tuple[Tensor, Tensor, Tensor]:
    """Mouths (B, T, H, W), sound (B, T, C) and the mask of valid frames."""
    io = golden.io
    return io["video"][:, 0], io["audio"].transpose(1, 2), ~io["padding_mask"]


def chosen(stream: str, video: Tensor, audio: Tensor) -> tuple[Tensor | None, Tensor | None]:
    return (None if stream == "audio" else video), (None if stream == "video" else audio)


@pytest.fixture(scope="module")
def pretrained() -> Golden:
    return load_golden("avhubert", "encoder")


@pytest.fixture(scope="module")
def encoder(pretrained: Golden) -> AVHuBERT:
    return network(pretrained, config_from_official(pretrained.config)).encoder


@pytest.mark.parametrize("stream", STREAMS)
@torch.inference_mode()
def test_encoder(pretrained: Golden, encoder: AVHuBERT, stream: str) -> None:
    video, audio, mask = inputs(pretrained)
    lips, sound = chosen(stream, video, audio)
    with_mask = pretrained.io[f"finetune_{stream}"]
    assert_parity(encoder(lips, sound, mask)[mask], with_mask[mask], stream)
    without = pretrained.io[f"finetune_{stream}_nomask"]
    assert_parity(encoder(lips, sound), without, f"{stream} without mask")


@torch.inference_mode()
def test_front_ends(pretrained: Golden, encoder: AVHuBERT) -> None:
    video, audio, _ = inputs(pretrained)
    io = pretrained.io
    assert_parity(encoder.encode_lips(video).transpose(1, 2), io["frontend_video"], "lips")
    assert_parity(encoder.encode_audio(audio).transpose(1, 2), io["frontend_audio"], "sound")


@pytest.mark.parametrize(
    ("stream", "prefix"), [("video", "finetune_video"), ("both", "features_both")]
)
@torch.inference_mode()
def test_layers(pretrained: Golden, encoder: AVHuBERT, stream: str, prefix: str) -> None:
    video, audio, mask = inputs(pretrained)
    lips, sound = chosen(stream, video, audio)
    states = encoder.hidden_states(lips, sound, mask)
    layers = pretrained.part(f"{prefix}_layer")
    assert len(layers) == encoder.config.num_layers
    for number, expected in layers.items():
        assert_parity(states[int(number)][mask], expected[mask], f"layer {number}")
        alone = encoder(lips, sound, mask, output_layer=int(number))
        assert_parity(alone[mask], expected[mask], f"layer {number} alone")


@torch.inference_mode()
def test_the_fused_input_and_the_final_norm(pretrained: Golden, encoder: AVHuBERT) -> None:
    video, audio, mask = inputs(pretrained)
    io = pretrained.io
    fused = encoder(video, audio, mask, output_layer=0)
    assert_parity(fused[mask], io["features_both_conv"][mask], "input of the transformer")
    final = encoder(video, audio, mask)
    assert_parity(final[mask], io["features_both_final"][mask], "with the final norm")


def task() -> tuple[Golden, AVHuBERTNetwork, ClusterHead]:
    golden, weights = load_golden("avhubert", "pretrain_loss"), load_golden("avhubert", "encoder")
    config = config_from_official(weights.config)
    net = network(weights, config)
    head = net.heads["iteration5"]
    assert isinstance(head, ClusterHead)
    return golden, net, head


def test_masking_draws_what_fairseq_draws(pretrained: Golden) -> None:
    golden, _, head = task()
    io = golden.io
    video, audio, _ = inputs(pretrained)
    draw = np.random.RandomState(golden.config["numpy_seed_before_masking"])
    masked = head.hide(video, audio, ~io["padding_mask"], draw)
    assert masked.video is not None and masked.audio is not None
    assert torch.equal(masked.hidden, io["mask_video"] | io["mask_audio"])
    assert_parity(masked.video, io["masked_video"][:, 0], "lips")
    assert_parity(masked.audio, io["masked_audio"].transpose(1, 2), "sound")


@torch.inference_mode()
def test_masked_prediction() -> None:
    golden, net, head = task()
    io = golden.io
    mask, hidden = ~io["padding_mask"], io["mask_video"] | io["mask_audio"]
    masked = Masked(io["masked_video"][:, 0], io["masked_audio"].transpose(1, 2), hidden)
    found = head(net.encoder, masked, mask)
    assert_parity(found.penalty, io["features_pen"], "penalty")
    kinds = range(len(golden.part("logit_masked_")))
    for kind in kinds:
        assert_parity(found.masked[kind], io[f"logit_masked_{kind}"], "masked")
        assert_parity(found.unmasked[kind], io[f"logit_unmasked_{kind}"], "unmasked")
        target = io[f"target_{kind}"]
        assert torch.equal(target[hidden & mask], io[f"target_masked_{kind}"])
    targets = [io[f"target_{kind}"] for kind in kinds]
    for weight, name in zip(
        golden.config["pred_nomask_weight"], ("masked_and_unmasked", "masked_only")
    ):
        head.config = head.config.replace(
            unmasked_weight=weight, penalty_weight=golden.config["features_pen_weight"]
        )
        loss = head.loss(found, targets, hidden, mask)
        assert_parity(loss.total, io[f"loss_{name}"], name)
        assert loss.sample_size == int(io[f"sample_size_{name}"])


@pytest.fixture(scope="module")
def fine_tuned() -> Golden:
    return load_golden("avhubert", "s2s")


def recogniser_config(golden: Golden) -> AVHuBERTModelConfig:
    config = golden.config
    return config_from_official({"model": {**config, "w2v_args": {"model": config["encoder"]}}})


@pytest.fixture(scope="module")
def recogniser(fine_tuned: Golden) -> AVHuBERTNetwork:
    return network(fine_tuned, recogniser_config(fine_tuned))


@pytest.mark.parametrize("stream", STREAMS)
@torch.inference_mode()
def test_recogniser(fine_tuned: Golden, recogniser: AVHuBERTNetwork, stream: str) -> None:
    io = fine_tuned.io
    video, audio, mask = inputs(fine_tuned)
    lips, sound = chosen(stream, video, audio)
    memory = recogniser.encoder(lips, sound, mask)
    assert_parity(memory[mask], io[f"encoder_out_{stream}"].transpose(0, 1)[mask], "encoder")
    given = teacher_forcing(io["target"])
    assert torch.equal(given, io["prev_output_tokens"])
    logits = recogniser(lips, sound, mask, given)
    valid = io["target"] != fine_tuned.config["pad"]
    assert_parity(logits[valid], io[f"logits_{stream}"][valid], "logits")
    loss, nll = label_smoothed_loss(
        logits, io["target"], fine_tuned.config["label_smoothing"], pad=fine_tuned.config["pad"]
    )
    assert_parity(loss, io[f"label_smoothed_loss_sum_{stream}"], "loss")
    assert_parity(nll, io[f"nll_sum_{stream}"], "nll")


def searches(golden: Golden) -> list[tuple[str, int, float]]:
    names = (re.match(r"decode_(\w+?)_beam(\d+)_lenpen([\d.]+)_", key) for key in golden.io)
    return sorted({(m[1], int(m[2]), float(m[3])) for m in names if m})


@torch.inference_mode()
def test_decoding(fine_tuned: Golden, recogniser: AVHuBERTNetwork) -> None:
    config: dict[str, Any] = fine_tuned.config
    video, audio, mask = inputs(fine_tuned)
    assert searches(fine_tuned)
    for stream, beam, penalty in searches(fine_tuned):
        lips, sound = chosen(stream, video, audio)
        memory = recogniser.encoder(lips, sound, mask)
        search = SearchConfig(
            beam=beam,
            length_penalty=penalty,
            min_length=config["min_len"],
            max_length_share=config["max_len_a"],
            max_length_extra=config["max_len_b"],
        )
        frames = audio.shape[2] if sound is not None else mask.shape[1]
        limits = search.max_lengths(torch.full((len(mask),), frames))
        found = search_texts(recogniser.decoder, memory, mask, search, max_lengths=limits)
        name = f"decode_{stream}_beam{beam}_lenpen{penalty}"
        compare(found, fine_tuned.part(f"{name}_"), name)


def compare(found: Any, expected: dict[str, Tensor], name: str) -> None:
    for key in (key for key in expected if key.endswith("_tokens")):
        sample, rank = map(int, re.findall(r"sample(\d+)_rank(\d+)_", key)[0])
        one, stem = found[sample][rank], key.removesuffix("tokens")
        assert one.tokens.tolist() == expected[key].tolist(), f"{name} {key}"
        assert_parity(torch.tensor(one.score), expected[f"{stem}score"], f"{name} {stem}score")
        assert_parity(
            one.token_scores["decoder"], expected[f"{stem}positional_scores"], f"{name} {stem}"
        )


KEYS = [
    ("pretrain_base", "base"),
    ("pretrain_large", "large"),
    ("s2s_base", "base_s2s"),
    ("s2s_large", "large_s2s"),
]


@pytest.mark.parametrize(("name", "preset"), KEYS)
def test_every_official_key_has_its_place(name: str, preset: str) -> None:
    config = AVHuBERTModelConfig.preset(preset)
    assert_official_keys("avhubert", name, AVHuBERTModel, config, official)
