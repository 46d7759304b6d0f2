"""What every registered model must do, on its smallest preset."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models import batches
from zoo.hub.load import from_pretrained
from zoo.hub.module import ZooModule
from zoo.models import MODEL_CLASSES
from zoo.tasks import PROTOCOLS, implements


def model_class(slug: str) -> type[ZooModule]:
    module, name = MODEL_CLASSES[slug]
    return getattr(import_module(module), name)


def tiny(slug: str, **arguments: Any) -> ZooModule:
    torch.manual_seed(0)
    model = model_class(slug)(batches.tiny_config(slug), **arguments)
    batches.prepare(slug, model)
    return model


def stages(slug: str) -> list[str]:
    config = batches.tiny_config(slug)
    names = [stage.name for stage in model_class(slug).recipe(config).stages]
    return [name for name in names if name not in batches.CASES[slug].manual_stages]


STAGES = [(slug, stage) for slug in batches.CASES for stage in stages(slug)]
every_model = pytest.mark.parametrize("slug", MODEL_CLASSES)
every_case = pytest.mark.parametrize("slug", batches.CASES)


def test_no_model_is_forgotten() -> None:
    # other tests register models of their own
    ours = {slug for slug, (module, _) in MODEL_CLASSES.items() if module.startswith("zoo.models.")}
    assert ours == set(batches.CASES) | set(batches.WITHOUT_CASE)
    assert not set(batches.CASES) & set(batches.WITHOUT_CASE)


@every_model
def test_registered_under_its_own_slug(slug: str) -> None:
    assert model_class(slug).slug == slug


@every_case
def test_ablations_are_other_configurations_that_can_be_trained(slug: str) -> None:
    cls = model_class(slug)
    config = cls.Config.preset("tiny_s2s" if slug == "avhubert" else "tiny")
    for name, changes in cls.recipe(config).ablations.items():
        other = config.replace(**changes)
        assert other != config, name
        last = cls.recipe(other).stages[-1]
        with torch.device("meta"):
            assert cls(other, stage=last.name).config == other, name


@every_case
def test_it_does_a_task_and_has_a_tiny_preset(slug: str) -> None:
    cls = model_class(slug)
    assert "tiny" in cls.Config.presets()
    assert any(implements(cls, protocol) for protocol in PROTOCOLS)


@every_model
def test_every_preset_builds_on_meta_and_survives_json(slug: str) -> None:
    cls = model_class(slug)
    for preset in cls.Config.presets():
        config = cls.Config.preset(preset)
        assert cls.Config.from_dict(config.to_dict()) == config
        with torch.device("meta"):
            model = cls(config)
        assert all(x.is_meta for x in model.state_dict().values()), preset


@pytest.mark.parametrize(("slug", "stage"), STAGES)
def test_all_trainable_parameters_get_finite_gradients(slug: str, stage: str) -> None:
    model = tiny(slug, stage=stage).train()
    model.log = lambda *args, **kwargs: None  # type: ignore[assignment]
    loss = model.training_step(batches.training_batch(slug, model.config), 0)
    loss.backward()
    trainable = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert trainable
    lacking = [name for name, p in trainable.items() if p.grad is None]
    assert not lacking, "these would stop DistributedDataParallel"
    assert all(torch.isfinite(p.grad).all() for p in trainable.values())
    frozen = [n for n, p in model.named_parameters() if not p.requires_grad and p.grad is not None]
    assert not frozen


@pytest.mark.parametrize(("slug", "stage"), STAGES)
def test_steps_lower_the_loss(slug: str, stage: str) -> None:
    model = tiny(slug, stage=stage).eval()  # no dropout: the same batch gives the same loss
    model.log = lambda *args, **kwargs: None  # type: ignore[assignment]
    batch = batches.training_batch(slug, model.config)
    optimizer = model.configure_optimizers()["optimizer"]
    for group in optimizer.param_groups:
        group["lr"] = 1e-3  # past the warm-up
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = model.training_step(batch, 0)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@every_case
def test_saved_and_loaded_it_is_the_same(slug: str, tmp_path: Path) -> None:
    model = tiny(slug).eval()
    model.save_pretrained(tmp_path / "model")
    loaded = from_pretrained(tmp_path / "model")
    assert type(loaded) is type(model)
    assert loaded.config == model.config
    ours, theirs = model.state_dict(), loaded.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    # mapped weights lie at other addresses, which may choose other kernels: rounding only
    found = batches.outputs(slug, loaded)
    for key, expected in batches.outputs(slug, model).items():
        if key == "animate":  # pictures in 255 steps: what lies between two may fall either way
            off = (found[key] - expected).abs()
            assert float(off.max()) < 1.01 / 255, key
            assert float((off > 1e-6).float().mean()) < 1e-3, key
        else:
            assert torch.allclose(found[key], expected, atol=1e-6), key


@every_case
def test_half_precision_storage_stays_close(slug: str, tmp_path: Path) -> None:
    model = tiny(slug).eval()
    model.save_pretrained(tmp_path / "model", dtype="float16")
    loaded = from_pretrained(tmp_path / "model")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    for key, expected in batches.outputs(slug, model).items():
        found = batches.outputs(slug, loaded)[key]
        # weights drawn at random make some waveforms far louder than 1
        limit = max(0.05, 0.02 * float(expected.abs().max()))
        assert float((found - expected).abs().max()) < limit, key


@every_case
def test_evaluation_is_deterministic_and_leaves_the_mode_alone(slug: str) -> None:
    model = tiny(slug).train()
    first, second = batches.outputs(slug, model), batches.outputs(slug, model)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert all(module.training for module in model.modules())


@every_case
def test_a_list_gives_what_its_items_give(slug: str) -> None:
    model = tiny(slug).eval()
    several, single = batches.several(slug, model), batches.one_by_one(slug, model)
    for key in single:
        assert several[key].shape == single[key].shape, key
        assert torch.allclose(several[key], single[key], atol=1e-5), key
