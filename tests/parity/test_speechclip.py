"""SpeechCLIP against the official implementation (`golden/speechclip`)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tests.parity.golden import (
    Golden,
    assert_all_parity,
    assert_parity,
    load_golden,
    official_keys,
)
from tests.parity.speechclip_golden import load
from zoo.hub.keymap import check_bijection
from zoo.models.speechclip import official
from zoo.models.speechclip.config import SpeechCLIPConfig
from zoo.models.speechclip.module import SpeechCLIP
from zoo.nn.contrastive import masked_contrastive_loss
from zoo.nn.keyword_vq import KeywordQuantizer

MODELS = ("parallel_base", "cascaded_base", "parallel_large", "cascaded_large")
CASCADED = tuple(name for name in MODELS if name.startswith("cascaded"))
KEY_LISTS = {
    "base_flickr8k_parallel": "base_parallel",
    "base_flickr8k_cascaded": "base_cascaded",
    "large_flickr8k_parallel": "large_flickr_parallel",
    "large_flickr8k_cascaded": "large_flickr_cascaded",
    "large_coco_cascaded": "large_coco_cascaded",
}
FEATURES = 1e-5  # on L2-normalised features, as the golden's README asks


@pytest.fixture(scope="module")
def loaded() -> dict[str, tuple[SpeechCLIP, Golden]]:
    return {}


@pytest.fixture
def model_and_golden(
    request: pytest.FixtureRequest, loaded: dict[str, tuple[SpeechCLIP, Golden]]
) -> tuple[SpeechCLIP, Golden]:
    name = request.param
    if name not in loaded:
        loaded[name] = load(name)
    return loaded[name]


every_model = pytest.mark.parametrize("model_and_golden", MODELS, indirect=True)
cascaded_models = pytest.mark.parametrize("model_and_golden", CASCADED, indirect=True)
Pair = tuple[SpeechCLIP, Golden]


def utterances(golden: Golden) -> list[Tensor]:
    waves = golden.part("in.wav")
    return [waves[str(i)] for i in range(len(waves))]


def padded(golden: Golden) -> tuple[Tensor, Tensor]:
    waves = utterances(golden)
    return pad_sequence(waves, batch_first=True), torch.tensor([len(wave) for wave in waves])


@every_model
def test_hidden_states_of_a_padded_batch(model_and_golden: Pair) -> None:
    model, golden = model_and_golden
    encoded = model.network.speech_encoder(*padded(golden))
    expected = golden.part("audio.hidden")
    assert len(encoded.hidden_states) == len(expected)
    ours = {str(i): state for i, state in enumerate(encoded.hidden_states)}
    assert_all_parity(ours, expected)


@every_model
def test_weighted_sum_and_lengths(model_and_golden: Pair) -> None:
    model, golden = model_and_golden
    encoded = model.network.speech_encoder(*padded(golden))
    assert_parity(encoded.features, golden.io["audio.weighted"], "weighted")
    assert_parity(encoded.mask.sum(1), golden.io["audio.len"], "len")


@every_model
def test_a_single_utterance(model_and_golden: Pair) -> None:
    model, golden = model_and_golden
    wave = utterances(golden)[1].unsqueeze(0)
    encoded = model.network.speech_encoder(wave, torch.tensor([wave.shape[1]]))
    assert_parity(encoded.features, golden.io["audio.single1.weighted"], "weighted")
    assert_parity(encoded.mask.sum(1), golden.io["audio.single1.len"], "len")


@every_model
def test_speech_features(model_and_golden: Pair) -> None:
    model, golden = model_and_golden
    ours = model.embed_speech(utterances(golden), batched=True)
    assert_parity(ours, golden.io["speech.feat"], "speech.feat", tolerance=FEATURES)


@every_model
def test_image_features(model_and_golden: Pair) -> None:
    model, golden = model_and_golden
    raw = model.network.clip.encode_image(golden.io["in.image"])
    assert_parity(raw, golden.io["image.raw"], "image.raw", tolerance=FEATURES)


@every_model
def test_forward_and_loss(model_and_golden: Pair) -> None:
    model, golden = model_and_golden
    waves, lengths = padded(golden)
    speech = model.network.encode_speech(waves, lengths).embedding
    images = model.network.encode_image(golden.io["in.image"])
    loss = masked_contrastive_loss(speech, images, model.scale, golden.io["in.id"])
    ours = {"speech_feat": speech, "image_feat": images, "loss": loss.reshape(1)}
    assert_all_parity(ours, golden.part("forward."), tolerance=FEATURES)


@every_model
def test_training_step_gives_the_official_loss(model_and_golden: Pair) -> None:
    model, golden = model_and_golden
    waves, lengths = padded(golden)
    batch = {
        "wav": waves,
        "wav_len": lengths,
        "image": golden.io["in.image"],
        "id": golden.io["in.id"],
    }
    model.log = lambda *args, **kwargs: None  # type: ignore[assignment]
    loss = model.training_step(batch, 0)
    assert_parity(loss.reshape(1), golden.io["forward.loss"], "loss", tolerance=FEATURES)


@every_model
def test_loss_of_synthetic_pairs(model_and_golden: Pair) -> None:
    model, golden = model_and_golden
    pairs = golden.part("loss.")
    for name, ids in (("value", pairs["id"]), ("value_noid", None)):
        loss = masked_contrastive_loss(pairs["A"], pairs["B"], model.scale, ids)
        assert_parity(loss.reshape(1), pairs[name], name, tolerance=FEATURES)


@every_model
def test_s3prl_states(model_and_golden: Pair) -> None:
    model, golden = model_and_golden
    encoded = model.network.speech_encoder(*padded(golden))
    states = [*encoded.hidden_states, *model.network.branch_states(encoded)]
    if "s3prl.n" not in golden.io:
        pytest.skip("this golden has no s3prl states")
    assert len(states) == int(golden.io["s3prl.n"])
    assert_parity(states[-1], golden.io["s3prl.last"], "s3prl.last")


@cascaded_models
def test_keyword_path(model_and_golden: Pair) -> None:
    model, golden = model_and_golden
    keywords = model.network.encode_speech(*padded(golden)).keywords
    assert keywords is not None
    ours = {
        "before_bn": keywords.projected,
        "after_bn": keywords.normalized,
        "cosine": keywords.scores,
    }
    assert_all_parity(ours, golden.part("kw."))
    assert_parity(keywords.embeddings, golden.io["speech.keywords"], "keywords")
    assert_parity(keywords.choice.targets.unsqueeze(-1), golden.io["vq.targets"], "targets")


@cascaded_models
def test_quantiser_diagnostics(model_and_golden: Pair) -> None:
    model, golden = model_and_golden
    keywords = model.network.encode_speech(*padded(golden)).keywords
    assert keywords is not None
    choice = keywords.choice
    ours = {
        "code_perplexity": choice.code_perplexity.reshape(1),
        "prob_perplexity": choice.prob_perplexity.reshape(1),
        "diversity_loss": choice.diversity_loss.reshape(1),
        "ent_per_t": choice.slot_entropy,
        "targets": choice.targets.unsqueeze(-1),
    }
    assert_all_parity(ours, golden.part("vq."))


@cascaded_models
def test_attention_weights(model_and_golden: Pair) -> None:
    model, golden = model_and_golden
    branch = model.network.cascaded_branch
    assert branch is not None
    encoded = model.network.speech_encoder(*padded(golden))
    weights, frames = branch.attention_weights(encoded), encoded.mask.sum(1)
    slots = weights.shape[2]
    for i, length in enumerate(frames.tolist()):
        ours = weights[i, :, :, : slots + length]
        assert_parity(ours, golden.io[f"attn.{i}"], f"attn.{i}")


@cascaded_models
def test_straight_through_gradient(model_and_golden: Pair) -> None:
    model, golden = model_and_golden
    branch = model.network.cascaded_branch
    assert branch is not None
    quantizer = KeywordQuantizer(branch.config.temperature, branch.config.forbidden_rows).train()
    scores = golden.io["st.scores"].clone().requires_grad_()
    weights = quantizer(scores).weights
    (weights * golden.io["st.grad_out"]).sum().backward()
    assert_parity(weights, golden.io["st.prob"], "st.prob")
    assert scores.grad is not None
    assert_parity(scores.grad, golden.io["st.grad_in"], "st.grad_in")


@pytest.mark.parametrize("preset", KEY_LISTS)
def test_every_official_key_fills_every_parameter(preset: str) -> None:
    config = SpeechCLIPConfig.preset(preset)
    with torch.device("meta"):
        target = SpeechCLIP(config)
    keys = official_keys("speechclip", KEY_LISTS[preset])
    report = check_bijection(keys, lambda state: official.to_ours(state, config), target)
    assert report.ok, str(report)
    assert all(report.dropped.values())
    kept = {key for key, _ in keys} - set(report.dropped)
    assert report.mapped == len(kept) + 1  # the vocabulary's ids are read off the token table


def test_large_coco_parallel_has_the_flickr_keys_with_more_rows() -> None:
    flickr = dict(official_keys("speechclip", "large_flickr_parallel"))
    coco = dict(official_keys("speechclip", "large_coco_cascaded"))
    table = "clip.model.token_embedding.weight"
    config = SpeechCLIPConfig.preset("large_coco_parallel")
    with torch.device("meta"):
        target = SpeechCLIP(config)
    keys = [(key, coco[key] if key == table else shape) for key, shape in flickr.items()]
    report = check_bijection(keys, lambda state: official.to_ours(state, config), target)
    assert report.ok, str(report)


@pytest.mark.parametrize("preset", KEY_LISTS)
def test_the_way_back_gives_the_official_keys(preset: str) -> None:
    config = SpeechCLIPConfig.preset(preset)
    with torch.device("meta"):
        state = SpeechCLIP(config).state_dict()
    back = {key: tuple(x.shape) for key, x in official.to_official(state, config).items()}
    keys = official_keys("speechclip", KEY_LISTS[preset])
    converted = official.to_ours({k: torch.empty(s, device="meta") for k, s in keys}, config)
    gone = {k for k in converted.dropped if not k.startswith("cascaded_branch.clip.")}
    assert back == {key: shape for key, shape in keys if key not in gone}


@pytest.mark.parametrize("component", MODELS)
def test_round_trip_is_exact(component: str) -> None:
    model, golden = load(component)
    back = official.to_official(model.state_dict(), model.config)
    ids = model.network.vocabulary_ids
    dropped = official.to_ours(golden.weights, model.config, vocabulary=ids).dropped
    for key, tensor in golden.weights.items():
        assert key in dropped or torch.equal(back[key], tensor), key
    assert set(back) <= {key for key, _ in golden.config["all_official_keys"]}


@pytest.mark.parametrize("component", MODELS)
def test_all_keys_of_the_reduced_model_are_known(component: str) -> None:
    golden = load_golden("speechclip", component)
    model, _ = load(component)
    config = model.config.replace(**{"clip.keep_full_embedding": True})
    keys = {key: tuple(shape) for key, shape in golden.config["all_official_keys"]}
    state = {key: torch.empty(shape, device="meta") for key, shape in keys.items()}
    converted = official.to_ours(state, config)
    assert set(model.state_dict()) <= set(converted.state)
