"""SpeechCLIP beyond what every model does: stages, vocabulary, keywords, converter, errors."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.models.batches import CAPTIONS, speechclip_batch
from zoo.errors import ConfigError, ConversionError, MediaError
from zoo.models.speechclip import official
from zoo.models.speechclip.config import SpeechCLIPConfig
from zoo.models.speechclip.module import SpeechCLIP
from zoo.models.speechclip.network import feature_lengths
from zoo.models.speechclip.retrieval import ValidationSet
from zoo.nn.clip import CLIP_VOCABULARY
from zoo.nn.clip_vocabulary import reduced_ids
from zoo.tasks import SpeechImageRetriever

IDS = torch.tensor(reduced_ids(CAPTIONS))


def build(branch: str, stage: str = "speech", **changes: object) -> SpeechCLIP:
    torch.manual_seed(0)
    config = SpeechCLIPConfig.preset(f"tiny_{branch}", {"clip.vocab_size": len(IDS), **changes})
    model = SpeechCLIP(config, stage=stage)  # type: ignore[arg-type]
    model.adopt_vocabulary(IDS)
    model.log = lambda *args, **kwargs: None  # type: ignore[assignment]
    return model


@pytest.fixture(scope="module")
def cascaded() -> SpeechCLIP:
    return build("cascaded").eval()


@pytest.fixture(scope="module")
def parallel() -> SpeechCLIP:
    return build("parallel").eval()


@pytest.fixture(scope="module")
def speech() -> list[Tensor]:
    torch.manual_seed(3)
    return [torch.randn(n) * 0.1 for n in (9000, 6001)]


@pytest.mark.parametrize("branch", ["parallel", "cascaded"])
def test_size_of_the_tiny_models(branch: str) -> None:
    parameters = sum(p.numel() for p in build(branch).parameters())
    assert 1_000_000 < parameters < 3_000_000


def test_it_is_a_retriever(cascaded: SpeechCLIP) -> None:
    assert isinstance(cascaded, SpeechImageRetriever)


@pytest.mark.parametrize("branch", ["parallel", "cascaded"])
def test_only_the_stage_trains(branch: str) -> None:
    def trained(stage: str, **changes: object) -> set[str]:
        model = build(branch, stage, **changes)
        names = [n for n, p in model.named_parameters() if p.requires_grad]
        return {n.removeprefix("network.").split(".")[0] for n in names}

    own = {f"{branch}_branch", "speech_encoder", "log_scale"}
    assert trained("speech") == own
    assert trained("clip") == {"clip"}
    frozen = build(branch, **{"speech.trainable": False})
    hubert = frozen.network.speech_encoder.hubert
    assert not any(p.requires_grad for p in hubert.parameters())
    assert frozen.network.speech_encoder.layer_mix.weights.requires_grad


def test_a_frozen_hubert_keeps_its_dropout_unless_told_otherwise() -> None:
    for frozen_eval in (False, True):
        model = build(
            "parallel", **{"speech.trainable": False, "speech.frozen_eval": frozen_eval}
        ).train()
        assert model.network.speech_encoder.hubert.training is not frozen_eval
        model.training_step(speechclip_batch(model.config), 0).backward()


def test_the_cascaded_branch_trains_through_the_choice() -> None:
    model = build("cascaded").train()
    model.training_step(speechclip_batch(model.config), 0).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    branch = model.network.cascaded_branch
    assert branch is not None and branch.projection.weight.grad.abs().max() > 0
    assert all(p.grad is None for p in model.network.clip.parameters())


def test_batch_norm_starts_at_the_spread_of_the_tokens() -> None:
    model = build("cascaded")
    branch = model.network.cascaded_branch
    assert branch is not None
    table = model.network.clip.token_embedding.detach() + torch.arange(96.0)
    branch.initialise_batch_norm(table)
    slots = branch.config.num_keywords
    flat = torch.randn(512, slots, 96).transpose(1, 2).flatten(1)
    out = branch.batch_norm.train()(flat).unflatten(1, (96, slots))
    torch.testing.assert_close(out.mean((0, 2)), table.mean(0), atol=0.05, rtol=0.05)
    torch.testing.assert_close(out.std((0, 2)), table.std(0), atol=0.05, rtol=0.05)


def test_keywords(cascaded: SpeechCLIP, speech: list[Tensor]) -> None:
    found = cascaded.keywords(speech, top_k=3)
    slots = cascaded.config.cascaded.num_keywords
    assert [len(one) for one in found] == [3 * slots] * 2
    assert [k.slot for k in found[0]] == [s for s in range(slots) for _ in range(3)]
    scores = [k.score for k in found[0][:3]]
    assert scores == sorted(scores, reverse=True)
    words = {cascaded.vocabulary.word(row) for row in (0, 2, 3)}
    everything = cascaded.keywords(speech[0], top_k=10_000)[0]
    assert len(everything) == slots * (len(IDS) - 3)
    assert not words & {k.word for k in everything}


def test_both_kinds_of_neighbours_agree_on_the_first(
    cascaded: SpeechCLIP, speech: list[Tensor]
) -> None:
    own = cascaded.keywords(speech, top_k=1)
    chosen = cascaded.keywords(speech, top_k=1, quantized=True)
    assert [[k.word for k in one] for one in own] == [[k.word for k in one] for one in chosen]
    assert all(k.score == pytest.approx(1.0, abs=1e-5) for one in chosen for k in one)


def test_attention_and_hidden_states(cascaded: SpeechCLIP, speech: list[Tensor]) -> None:
    slots = cascaded.config.cascaded.num_keywords
    weights = cascaded.attention_weights(speech)
    states = cascaded.hidden_states(speech)
    for attention, layers in zip(weights, states, strict=True):
        frames = layers[0].shape[0]
        assert attention.shape == (1, slots, slots + frames)
        torch.testing.assert_close(attention.sum(-1), torch.ones(1, slots))
        assert len(layers) == cascaded.config.speech.hubert.num_layers + 2
        assert {x.shape for x in layers} == {(frames, 128)}


def test_parallel_names_no_keywords(parallel: SpeechCLIP, speech: list[Tensor]) -> None:
    assert not parallel.has_keywords
    for ask in (parallel.keywords, parallel.attention_weights):
        with pytest.raises(NotImplementedError, match="parallel branch"):
            ask(speech)
    assert len(parallel.hidden_states(speech[0])[0]) == 5


def test_padded_batch_on_request(parallel: SpeechCLIP, speech: list[Tensor]) -> None:
    alone, together = parallel.embed_speech(speech), parallel.embed_speech(speech, batched=True)
    torch.testing.assert_close(alone[0], together[0], atol=1e-5, rtol=1e-5)  # the longest
    assert not torch.allclose(alone[1], together[1], atol=1e-7)


def test_unit_norm(parallel: SpeechCLIP, speech: list[Tensor]) -> None:
    for rows in (parallel.embed_speech(speech), parallel.encode_text(CAPTIONS)):
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(len(rows)))


def test_too_short_speech(parallel: SpeechCLIP) -> None:
    with pytest.raises(MediaError, match="100 samples are too short"):
        parallel.embed_speech(torch.zeros(100))


def test_unknown_words_are_left_out_aloud(
    parallel: SpeechCLIP, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        known, unknown = parallel.encode_text(["a red dog", "a red zebra dog"])
    assert "zebra" in caplog.text
    torch.testing.assert_close(known, unknown)


def test_a_model_without_vocabulary_says_so() -> None:
    model = SpeechCLIP(SpeechCLIPConfig.preset("tiny"))
    with pytest.raises(ConfigError, match="no vocabulary yet"):
        model.encode_text("a dog")
    with pytest.raises(ConfigError, match=f"set it to {len(IDS)}"):
        model.adopt_vocabulary(IDS)


def test_real_recordings_and_photographs(parallel: SpeechCLIP, real_root: Path) -> None:
    recordings = [*real_root.rglob("*.flac"), *real_root.glob("images/*.wav")][:4]
    pictures = sorted(real_root.glob("images/*.jpg"))
    if not recordings or not pictures:
        pytest.skip("no real recordings or photographs")
    speech, images = parallel.embed_speech(recordings), parallel.embed_image(pictures)
    assert speech.shape == (len(recordings), 96)
    assert images.shape == (len(pictures), 96)
    assert torch.isfinite(speech @ images.T).all()


def test_feature_lengths_round_half_to_even() -> None:
    samples = torch.tensor([160, 480, 800, 16000, 16001])
    assert feature_lengths(samples, 320, 49).tolist() == [0, 2, 2, 49, 49]


def test_schedule() -> None:
    changes = {"lr": 1e-4, "final_lr": 1e-8, "warmup_steps": 10, "total_steps": 110}
    config = SpeechCLIPConfig.preset("tiny", {f"training.{k}": v for k, v in changes.items()})
    plan: Any = SpeechCLIP(config).configure_optimizers()
    (factor,) = plan["lr_scheduler"]["scheduler"].lr_lambdas
    steps = (0, 9, 10, 60, 110, 500)
    rates = [1e-4 * factor(step) for step in steps]
    assert rates == pytest.approx([1e-5, 1e-4, 1e-4, 0.5e-4, 1e-8, 1e-8], rel=1e-3)


def test_validation_keeps_each_picture_once() -> None:
    seen = ValidationSet()
    ids = torch.tensor([7, 7, 9])
    assert seen.new_images(ids).tolist() == [0, 2]
    seen.add(torch.eye(3), ids)
    seen.add_images(torch.eye(3)[[0, 2]], ids[[0, 2]])
    assert seen.new_images(torch.tensor([9, 4])).tolist() == [1]
    assert seen.recall()["speech_to_image/recall@1"] == pytest.approx(100.0)


# The converter

RAW = {
    "audio_encoder": {"name": "hubert", "max_audio_len": 102400, "normalize_hiddenstates": False},
    "clip": {"name": "ViT-B/32", "reduce_subword_embbedding": "data/flickr_stat/usage.npy"},
    "model_settings": {
        "cascaded_objective_weight": 0.0,
        "parallel_objective_weight": 1.0,
        "parallel_branch": {"transformer_args": {"nhead": 8, "dim_feedforward": 3072}},
        "surprise": 1,
    },
    "cl_loss": {"args": {"temperature": 0.07, "temperature_trainable": False}},
}
LARGE_CASCADED = {
    "audio_encoder": {"name": "hubert_large_ll60k", "normalize_hiddenstates": True},
    "clip": {"name": "ViT-L/14", "reduce_subword_embbedding": "data/coco_stat/usage.npy"},
    "model_settings": {
        "cascaded_objective_weight": 1.0,
        "parallel_branch": {"transformer_args": {"dim_feedforward": 4096}},
        "cascaded_branch": {
            "keyword": {"number": 8, "batchnorms": {"std_scale": 1.0}},
            "vq": {"args": {"temp": "fixed=0.1"}},
        },
    },
    "cl_loss": {"args": {"temperature_trainable": True}},
}


def test_config_from_the_published_yaml() -> None:
    assert official.config_from_official(RAW) == SpeechCLIPConfig.preset("base_flickr8k_parallel")
    large = official.config_from_official({"config": LARGE_CASCADED})
    assert large == SpeechCLIPConfig.preset("large_coco_cascaded")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"clip": {"name": "RN50"}}, "RN50"),
        ({"model_settings": {"cascaded_branch": {"type": "KW_Other"}}}, "KW_Other"),
        ({"model_settings": {"cascaded_branch": {"vq": {"args": {"temp": "[2,1]"}}}}}, "temp"),
    ],
)
def test_other_networks_are_refused(section: dict, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        official.config_from_official({**RAW, **section})


def small_official(branch: str) -> tuple[SpeechCLIP, dict[str, Tensor]]:
    model = build(branch, **{"clip.keep_full_embedding": True})
    table = model.network.clip.full_token_embedding
    assert table is not None
    table.data.normal_()
    model.network.clip.take_rows(IDS)
    return model, official.to_official(model.state_dict(), model.config)


@pytest.mark.parametrize("branch", ["parallel", "cascaded"])
def test_round_trip_recovers_the_vocabulary(branch: str) -> None:
    model, state = small_official(branch)
    assert "network.vocabulary_ids" not in state
    back = official.to_ours(state, model.config)
    assert torch.equal(back.state["network.vocabulary_ids"], IDS)
    ours = model.state_dict()
    assert back.state.keys() == ours.keys()
    assert all(torch.equal(back.state[key], ours[key]) for key in ours)
    copies = [key for key in state if key.startswith("cascaded_branch.clip.")]
    assert bool(copies) == (branch == "cascaded")
    assert set(back.dropped) == set(copies)


def test_a_differing_copy_of_clip_is_refused() -> None:
    model, state = small_official("cascaded")
    key = "cascaded_branch.clip.model.ln_final.weight"
    state[key] = state[key] + 1
    with pytest.raises(ConversionError, match=key):
        official.to_ours(state, model.config)


def test_ids_that_cannot_be_found() -> None:
    model, state = small_official("parallel")
    table = state.pop("clip.original_text_emb_weight")
    config = model.config.replace(**{"clip.keep_full_embedding": False})
    with pytest.raises(ConversionError, match="pass vocabulary="):
        official.to_ours(state, config)
    found = official.to_ours(state, config, vocabulary=IDS)
    assert torch.equal(found.state["network.vocabulary_ids"], IDS)
    wrong = {**state, "clip.original_text_emb_weight": torch.zeros_like(table)}
    with pytest.raises(ConversionError, match="are no rows of the full one"):
        official.to_ours(wrong, model.config)


def test_wrong_corpus_preset() -> None:
    model, state = small_official("parallel")
    with pytest.raises(ConversionError, match=r"clip\.vocab_size"):
        official.to_ours(state, model.config.replace(**{"clip.vocab_size": 5}))


def test_a_large_hubert_saved_without_conv_bias_gets_zeros() -> None:
    changes = {"speech.hubert.conv_norm": "layer", "clip.keep_full_embedding": True}
    model = build("parallel", **changes)
    table = model.network.clip.full_token_embedding
    assert table is not None and len(table) == CLIP_VOCABULARY
    table.data.normal_()
    model.network.clip.take_rows(IDS)
    state = official.to_official(model.state_dict(), model.config)
    with_bias = model.config.replace(**{"speech.hubert.conv_bias": True})
    converted = official.to_ours(state, with_bias).state
    prefix = "network.speech_encoder.hubert.feature_extractor.conv_layers"
    assert not converted[f"{prefix}.3.conv.bias"].any()
    assert set(converted) == set(SpeechCLIP(with_bias).state_dict())
