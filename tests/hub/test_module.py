from __future__ import annotations

import pytest
import torch

from tests.hub.toy import OtherToy, Toy, ToyConfig, trained_toy
from zoo.errors import CheckpointError, SourceError
from zoo.hub.config import ZooConfig
from zoo.hub.module import ZooModule
from zoo.models import MODEL_CLASSES


@pytest.fixture(autouse=True)
def _registered(monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(MODEL_CLASSES, "toy", ("tests.hub.toy", "Toy"))
    monkeypatch.setitem(MODEL_CLASSES, "other", ("tests.hub.toy", "OtherToy"))


def test_the_class_need_not_be_registered_when_the_caller_names_it(tmp_path, monkeypatch):
    trained_toy().save_pretrained(tmp_path / "toy")
    monkeypatch.delitem(MODEL_CLASSES, "toy")
    assert isinstance(Toy.from_pretrained(tmp_path / "toy"), Toy)
    with pytest.raises(CheckpointError, match="no model is called 'toy'"):
        ZooModule.from_pretrained(tmp_path / "toy")


def test_any_registered_class_comes_out_of_the_base_class(tmp_path):
    trained_toy().save_pretrained(tmp_path / "toy")
    assert type(ZooModule.from_pretrained(tmp_path / "toy")) is Toy


def test_another_class_is_refused_by_name(tmp_path):
    trained_toy().save_pretrained(tmp_path / "toy")
    with pytest.raises(CheckpointError, match="holds a Toy, not a OtherToy"):
        OtherToy.from_pretrained(tmp_path / "toy")


def test_a_revision_makes_no_sense_for_a_folder(tmp_path):
    trained_toy().save_pretrained(tmp_path / "toy")
    with pytest.raises(SourceError, match="only fits a Hub repository"):
        Toy.from_pretrained(tmp_path / "toy", revision="main")


def test_reset_buffers_reaches_every_submodule_that_has_one():
    with torch.device("meta"):
        model = Toy(ToyConfig.tiny())
    assert model.ramp.ramp.is_meta
    model.reset_buffers()
    assert model.ramp.ramp.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_loaded_model_trains(tmp_path):
    trained_toy().save_pretrained(tmp_path / "toy")
    model = Toy.from_pretrained(tmp_path / "toy").train()
    before = model.out.weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.randint(0, 11, (3, 5))).square().mean().backward()
    optimizer.step()
    assert not torch.equal(model.out.weight, before)
    assert torch.equal(Toy.from_pretrained(tmp_path / "toy").out.weight, before)


def test_module_declares_a_config_class():
    assert issubclass(Toy.Config, ZooConfig)
    assert Toy.batch_invariant
