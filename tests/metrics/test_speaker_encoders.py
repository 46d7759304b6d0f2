"""Speaker encoders that come from files in other layouts; tiny ones with random weights."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import (
    Wav2Vec2FeatureExtractor,
    WavLMConfig,
    WavLMForXVector,
    WavLMModel,
)

from zoo.errors import CheckpointError
from zoo.metrics import get_metric
from zoo.metrics.speaker_similarity import SpeakerSimilarity, cosine
from zoo.metrics.wavlm_ecapa import FILE, VARIABLE, WavLMECAPA
from zoo.nn.ecapa import ECAPA

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 2, 2),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
}
# a layer of transformers -> its name in the official file
OFFICIAL = [
    (r"^masked_spec_embed$", "mask_emb"),
    (r"(conv_layers\.\d+)\.conv\.", r"\1.0."),
    (r"(conv_layers\.\d+)\.layer_norm\.", r"\1.2.1."),
    (r"^feature_projection\.layer_norm", "layer_norm"),
    (r"^feature_projection\.projection", "post_extract_proj"),
    (r"pos_conv_embed\.conv\.bias", "pos_conv.0.bias"),
    (r"pos_conv_embed\.conv\.parametrizations\.weight\.original0", "pos_conv.0.weight_g"),
    (r"pos_conv_embed\.conv\.parametrizations\.weight\.original1", "pos_conv.0.weight_v"),
    (r"(layers\.\d+)\.layer_norm", r"\1.self_attn_layer_norm"),
    (r"attention\.gru_rel_pos_linear", "self_attn.grep_linear"),
    (r"attention\.gru_rel_pos_const", "self_attn.grep_a"),
    (r"attention\.rel_attn_embed", "self_attn.relative_attention_bias"),
    (r"attention\.", "self_attn."),
    (r"feed_forward\.intermediate_dense", "fc1"),
    (r"feed_forward\.output_dense", "fc2"),
]


def official_name(name: str) -> str:
    for pattern, replacement in OFFICIAL:
        found = re.sub(pattern, replacement, name)
        if found != name:
            return found
    return name


@pytest.fixture(scope="module")
def networks() -> tuple[WavLMModel, ECAPA]:
    torch.manual_seed(0)
    ecapa = ECAPA(3, 32, channels=16, embedding_size=8, scale=4, bottleneck=6)
    torch.nn.init.normal_(ecapa.feature_weight)
    for layer in ecapa.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2.0)
    return WavLMModel(WavLMConfig(**SIZES)).eval(), ecapa.eval()


@pytest.fixture(scope="module")
def file(networks: tuple[WavLMModel, ECAPA], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In the layout of UniSpeech."""
    wavlm, ecapa = networks
    state = {f"feature_extract.model.{official_name(k)}": v for k, v in wavlm.state_dict().items()}
    state |= ecapa.state_dict() | {"loss_calculator.projection.weight": torch.zeros(2, 8)}
    path = tmp_path_factory.mktemp("unispeech") / FILE
    torch.save({"model": state}, path)
    return path


@pytest.fixture
def voices() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [0.1 * torch.randn(count, generator=generator) for count in (16_000, 12_345)]


def test_the_official_file_gives_the_networks(
    file: Path, networks: tuple[WavLMModel, ECAPA], voices: list[Tensor]
) -> None:
    wavlm, ecapa = networks
    encoder = WavLMECAPA(str(file))
    for voice in voices:
        scaled = (voice - voice.mean()) / (voice.var(unbiased=False) + 1e-5).sqrt()
        with torch.inference_mode():
            expected = ecapa(wavlm(scaled[None], output_hidden_states=True).hidden_states)[0]
        torch.testing.assert_close(encoder.embed(voice), expected, atol=1e-5, rtol=1e-4)


def test_the_vector_is_by_the_definition() -> None:
    """Every step in plain loops, with one state and one channel a group."""
    torch.manual_seed(0)
    pool = ECAPA(1, 4, channels=8, embedding_size=3, scale=2, bottleneck=5).eval().pooling
    x = torch.randn(1, 24, 7)
    weights = torch.softmax(pool.linear2(torch.tanh(pool.linear1(x))), 2)
    for channel in range(24):
        values, w = x[0, channel], weights[0, channel]
        mean = sum(w[t] * values[t] for t in range(7))
        spread = sum(w[t] * (values[t] - mean) ** 2 for t in range(7)) ** 0.5
        assert float(pool(x)[0, channel]) == pytest.approx(float(mean), abs=1e-5)
        assert float(pool(x)[0, 24 + channel]) == pytest.approx(float(spread), abs=1e-4)


def test_metric_with_wavlm_ecapa(
    file: Path, voices: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = get_metric("speaker_similarity", encoder="wavlm_ecapa", judge=str(file))
    assert isinstance(metric, SpeakerSimilarity) and metric.available() is None
    (name,) = metric.score([voices[0]], [voices[0]])
    assert name == f"speaker_similarity[enc=wavlm_ecapa,judge={FILE}]"
    found = metric.score(voices, voices[::-1])[name]
    encoder = WavLMECAPA(str(file.parent))
    assert found == pytest.approx(cosine(*(encoder.embed(voice) for voice in voices)), abs=1e-6)
    assert metric.details()["status"] == "unverified"
    monkeypatch.setenv(VARIABLE, str(file))
    assert SpeakerSimilarity("wavlm_ecapa").available() is None


def test_absent_weights_are_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    reason = SpeakerSimilarity("wavlm_ecapa").available()
    assert reason is not None and FILE in reason and VARIABLE in reason
    assert "is not there" in str(SpeakerSimilarity("wavlm_ecapa", judge=tmp_path).available())
    reason = SpeakerSimilarity("xvector").available()
    assert reason is None or "hf download microsoft/wavlm-base-plus-sv" in reason
    with pytest.raises(TypeError, match="wavlm_ecapa"):
        SpeakerSimilarity("nobody")


def test_another_file_is_refused(tmp_path: Path) -> None:
    torch.save({"model": {"feature_weight": torch.zeros(3)}}, tmp_path / FILE)
    with pytest.raises(CheckpointError, match=f"not {FILE}"):
        WavLMECAPA(str(tmp_path))


def test_xvector_from_a_local_folder(tmp_path: Path, voices: list[Tensor]) -> None:
    torch.manual_seed(0)
    small = {"tdnn_dim": (16, 16, 24), "tdnn_kernel": (5, 3, 1), "tdnn_dilation": (1, 2, 1)}
    config = WavLMConfig(**SIZES, **small, xvector_output_dim=12)
    model = WavLMForXVector(config).eval()
    model.save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(tmp_path)
    metric = SpeakerSimilarity("xvector", judge=tmp_path)
    assert metric.available() is None and metric.details()["status"] == "unverified"
    metric.setup()
    scaled = [(v - v.mean()) / (v.var(unbiased=False) + 1e-7).sqrt() for v in voices]
    with torch.inference_mode():
        expected = cosine(*(model(v[None]).embeddings[0] for v in scaled))
    found = metric.score_sample(voices[0], voices[1])["speaker_similarity"]
    assert found == pytest.approx(expected, abs=1e-4)
