"""What training at the paper's size starts from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers.models.hubert.modeling_hubert import HubertModel

from zoo.errors import CheckpointError
from zoo.models.speechclip.backbones import load_clip, load_hubert
from zoo.models.speechclip.module import SpeechCLIP
from zoo.nn.hubert import HuBERT, _transformers_config


@pytest.fixture
def model() -> SpeechCLIP:
    return SpeechCLIP(SpeechCLIP.Config.tiny_parallel())


def test_hubert_of_transformers_fills_the_speech_encoder(model: SpeechCLIP, tmp_path: Path) -> None:
    config = model.config.speech.hubert
    torch.manual_seed(1)
    theirs = HubertModel(_transformers_config(config)).eval()
    theirs.save_pretrained(tmp_path)
    load_hubert(model.network, str(tmp_path))
    ours: HuBERT = model.network.speech_encoder.hubert.eval()
    waveform = torch.randn(1, 8000)
    with torch.inference_mode():
        expected = theirs(waveform, output_hidden_states=True).hidden_states
        found = ours(waveform).hidden_states
    assert len(found) == len(expected)
    for mine, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, wanted, atol=1e-5, rtol=1e-4)


def test_hubert_of_another_size_is_refused(model: SpeechCLIP, tmp_path: Path) -> None:
    config = model.config.speech.hubert.replace(num_layers=2)
    HubertModel(_transformers_config(config)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="does not fit the configuration"):
        load_hubert(model.network, str(tmp_path))


def test_absent_hubert_says_so(model: SpeechCLIP, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be had"):
        load_hubert(model.network, str(tmp_path / "absent"))


def test_clip_needs_a_place_for_the_whole_table(model: SpeechCLIP) -> None:
    with pytest.raises(CheckpointError, match="keep_full_embedding"):
        load_clip(model.network, "ViT-B-32-quickgelu")
