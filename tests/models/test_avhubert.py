"""AV-HuBERT's training: what is predicted, and what each stage changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.models.batches import clip_items, clips_batch, give_subwords
from zoo.errors import ConfigError
from zoo.models.avhubert.config import AVHuBERTModelConfig
from zoo.models.avhubert.module import AVHuBERTModel
from zoo.models.avhubert.targets import ClusterTargets

ENCODER = AVHuBERTModelConfig.preset(
    "tiny", {f"iteration{k}.task.num_clusters": [6] for k in (1, 2)}
)
# all stages in one, as in the preset base_lrs3
SMALL = AVHuBERTModelConfig.preset("tiny_s2s", {"pretrained": None, **ENCODER.iterations})


def items() -> list[dict[str, Any]]:
    torch.manual_seed(0)
    return clip_items(clips_batch(SMALL))


def test_clusters_of_cepstra_ignore_loudness() -> None:
    loud = [{**item, "audio": item["audio"] * 0.2} for item in items()]
    ids = []
    for one in (items(), loud):
        targets = ClusterTargets(None, None, 6, [one])
        targets.fit(4)
        ids.append([targets.ids(item["id"]) for item in one])
    for soft, plain, item in zip(*ids, items(), strict=True):
        assert plain.shape == (len(item["video"]),)
        assert float((soft == plain).float().mean()) > 0.9
        assert int(plain.max()) < 6


def test_clusters_of_ones_own_features_stay_those_of_the_start() -> None:
    model = AVHuBERTModel(SMALL, stage="iteration2").eval()
    data = items()
    model.prepare_targets([data], 4)
    targets = model._targets
    assert targets is not None and targets.teacher is not model.network.encoder
    before = targets.features(data[0])
    layer = SMALL.iterations["iteration2"].target_layer
    assert before.shape == (len(data[0]["video"]), SMALL.encoder.hidden_size)
    with torch.no_grad():
        for parameter in model.network.encoder.parameters():
            parameter.add_(0.1)
    assert torch.equal(targets.features(data[0]), before)
    assert layer == 3


def test_stages_change_what_they_should() -> None:
    first = AVHuBERTModel(SMALL, stage="iteration1")
    trainable = {name for name, p in first.named_parameters() if p.requires_grad}
    assert any(name.startswith("network.heads.iteration1") for name in trainable)
    assert not any("iteration2" in name or "decoder" in name for name in trainable)
    assert first.streams == "both"
    last = AVHuBERTModel(SMALL.replace(streams="video"))
    trainable = {name for name, p in last.named_parameters() if p.requires_grad}
    assert not any("heads" in name for name in trainable)
    assert any("decoder" in name for name in trainable) and last.streams == "video"


def test_a_frozen_encoder_gets_no_gradient() -> None:
    model = AVHuBERTModel(SMALL.replace(**{"finetuning.freeze_steps": 5})).train()
    give_subwords(model)
    model.log = lambda *args, **kwargs: None  # type: ignore[method-assign]
    model.training_step(clips_batch(SMALL), 0).backward()
    assert all(p.grad is None for p in model.network.encoder.parameters())
    assert model.network.decoder is not None
    assert all(p.grad is not None for p in model.network.decoder.parameters())


def test_recipe_follows_the_configuration() -> None:
    names = [stage.name for stage in AVHuBERTModel.recipe(SMALL).stages]
    assert names == ["iteration1", "iteration2", "finetune"]
    all_of_them = AVHuBERTModel.recipe(AVHuBERTModelConfig.preset("base_lrs3")).stages
    assert [stage.name for stage in all_of_them][-2:] == ["iteration5", "finetune"]
    encoder_only = AVHuBERTModel.recipe(AVHuBERTModelConfig.preset("base")).stages
    assert [stage.name for stage in encoder_only] == ["iteration5"]


def test_steps_without_targets_say_what_is_missing() -> None:
    model = AVHuBERTModel(SMALL, stage="iteration1")
    with pytest.raises(ConfigError, match="prepare_targets"):
        model._target_ids(clips_batch(SMALL))
    with pytest.raises(ConfigError, match="target_layer 9"):
        AVHuBERTModelConfig.preset("tiny", {"iteration2.target_layer": 9})
