"""`zoo export`: another storage type and tag, the same model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import zoo
from zoo.cli import main
from zoo.models.speechclip.module import SpeechCLIP


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    model = SpeechCLIP(SpeechCLIP.Config.tiny_cascaded())
    model.provenance["training"] = {"data": "a corpus", "stage speech": "3 steps"}
    return model.save_pretrained(tmp_path_factory.mktemp("trained") / "model")


def test_half_precision_keeps_statistics_in_full(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "published"
    words = ["export", str(trained), "--out", str(out), "--dtype", "float16"]
    assert main([*words, "--tag", "tiny-cascaded"]) == 0
    before, after = (path / "model.safetensors" for path in (trained, out))
    assert after.stat().st_size < 0.55 * before.stat().st_size
    ours, theirs = zoo.from_pretrained(str(out)), zoo.from_pretrained(str(trained))
    stored = zoo.from_pretrained(str(out), dtype="auto").state_dict()
    for name, tensor in theirs.state_dict().items():
        assert torch.allclose(ours.state_dict()[name], tensor, rtol=1e-3, atol=1e-4), name
        if "batch_norm" in name and tensor.is_floating_point():
            assert stored[name].dtype == torch.float32
    assert stored["network.clip.model.visual.conv1.weight"].dtype == torch.float16
    card = (out / "README.md").read_text()
    assert "3 steps" in card and "`tiny-cascaded`" in card
    assert "reproduces outputs recorded from the official implementation" in card
    assert "photographs and people are outside" in card


def test_existing_folder_is_kept_unless_told(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(trained), "--out", str(trained)]) == 1
    assert "overwrite" in capsys.readouterr().err
