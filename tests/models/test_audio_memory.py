"""AKVSR's memory and LMDecoder's stages: what is fitted, loaded, frozen."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.models.batches import clips_batch, give_subwords, prepare_lmdecoder
from zoo.errors import CheckpointError, ConfigError
from zoo.models.akvsr.config import AKVSRConfig
from zoo.models.akvsr.module import AKVSR
from zoo.models.avhubert.config import AVHuBERTModelConfig
from zoo.models.avhubert.module import AVHuBERTModel
from zoo.models.hubert_units.config import HubertUnitsConfig
from zoo.models.hubert_units.module import HubertUnits
from zoo.models.lmdecoder.config import LMDecoderConfig
from zoo.models.lmdecoder.module import LMDecoder
from zoo.models.lmdecoder.network import reduced_units


@pytest.fixture(scope="module")
def speech_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("hubert") / "model"
    return HubertUnits(HubertUnitsConfig.preset("tiny")).save_pretrained(folder)


def akvsr(**changes: object) -> AKVSR:
    torch.manual_seed(0)
    return AKVSR(AKVSRConfig.preset("tiny", {"memory.num_slots": 8, **changes}))


def test_the_memory_is_centroids_of_features(speech_model: Path) -> None:
    model = akvsr(**{"memory.source": str(speech_model)})
    assert not model.network.has_memory
    model.fit_memory([torch.randn(8000) * 0.1, torch.randn(9000) * 0.1])
    assert model.network.has_memory
    rows = model.network.memory
    assert rows.shape == (8, model.config.memory.size)
    length = torch.full((8,), model.config.memory.size**0.5)
    torch.testing.assert_close(rows.norm(dim=-1), length)
    narrow = akvsr(**{"memory.source": str(speech_model), "memory.size": 10})
    with pytest.raises(ConfigError, match=r"width 144, memory\.size is 10"):
        narrow.fit_memory([torch.randn(8000)])


def test_ablations_of_the_memory() -> None:
    random = akvsr(**{"memory.kind": "random"})
    random.fit_memory([])
    assert random.network.has_memory and not random.network.memory.requires_grad
    again = akvsr(**{"memory.kind": "random"})
    again.fit_memory([])
    assert torch.equal(again.network.memory, random.network.memory)
    without = akvsr(**{"memory.kind": "none"})
    assert without.network.bridge is None and without.network.has_memory
    fixed = akvsr(**{"memory.trainable": False})
    assert not fixed.network.memory.requires_grad
    assert akvsr().network.memory.requires_grad


def test_the_encoder_comes_from_av_hubert(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = AVHuBERTModel(AVHuBERTModelConfig.preset("tiny"))
    source.save_pretrained(tmp_path / "avhubert")
    model = akvsr(pretrained=str(tmp_path / "avhubert"))
    model.initialise_pretrained()
    theirs = source.network.encoder.state_dict()
    assert all(torch.equal(v, theirs[k]) for k, v in model.network.encoder.state_dict().items())
    config = LMDecoderConfig.preset("tiny").to_dict()
    config["visual"]["pretrained"] = str(tmp_path / "avhubert")
    reader = LMDecoder(LMDecoderConfig.from_dict(config), stage="units")
    reader.initialise_pretrained()
    assert reader.network.lips is not None
    found = reader.network.lips.encoder.state_dict()
    assert all(torch.equal(v, theirs[k]) for k, v in found.items())
    other = akvsr(**{"pretrained": str(tmp_path / "avhubert"), "encoder.num_layers": 3})
    with pytest.raises(CheckpointError, match="does not fit the visual encoder"):
        other.initialise_pretrained()


def test_lip_reading_leaves_the_unit_memory_alone() -> None:
    config = LMDecoderConfig.preset("tiny", {"num_units": 10})
    batch = clips_batch(config)
    learned = {}
    for stage in ("units", "lips"):
        model = LMDecoder(config, stage=stage).train()  # type: ignore[arg-type]
        prepare_lmdecoder(model)
        model.log = lambda *args, **kwargs: None  # type: ignore[method-assign]
        model.training_step(batch, 0).backward()
        assert model.network.lips is not None
        learned[stage] = (
            model.network.embedding.weight.grad is not None,
            model.network.lips.bridge.attention.key.weight.grad is not None,
        )
    assert learned == {"units": (True, False), "lips": (False, True)}
    fresh = LMDecoder(config, stage="units")
    give_subwords(fresh)
    with pytest.raises(ConfigError, match="`make_units` comes first"):
        fresh.training_step(batch, 0)


def test_ablations_of_the_unit_memory() -> None:
    config = LMDecoderConfig.preset("tiny", {"num_units": 10})
    ablations = LMDecoder.recipe(config).ablations
    assert {"scratch", "no-units", "no-pretraining", "fresh-memory"} == set(ablations)
    scratch = config.replace(**ablations["scratch"])
    assert [stage.name for stage in LMDecoder.recipe(scratch).stages] == ["lips"]
    assert scratch.visual is not None and scratch.visual.pretrained is None

    def memory(config: LMDecoderConfig) -> torch.Tensor:
        model = LMDecoder(config, stage="lips")
        with torch.no_grad():
            model.network.embedding.weight.fill_(3.0)  # what the stage before has made of it
        give_subwords(model)
        data = SimpleNamespace(utterances=lambda split: [], train_split="train")
        model.trainer = SimpleNamespace(datamodule=data)  # type: ignore[assignment]
        model.setup("fit")
        return model.network.memory

    assert bool((memory(config) == 3).all())
    assert float(memory(config.replace(**ablations["fresh-memory"])).std()) > 0.5


def test_every_second_unit_then_no_repetitions() -> None:
    units = torch.tensor([3, 9, 3, 9, 4, 4, 4, 0, 3])
    assert reduced_units(units).tolist() == [4, 5, 4]
