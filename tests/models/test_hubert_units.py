"""HuBERT as a maker of units: its three stages of training, use and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.models.speech_training import small_hubert, train, unit_source
from zoo.errors import ConfigError, ConversionError, MediaError
from zoo.hub.load import from_pretrained
from zoo.models.hubert_units import official
from zoo.models.hubert_units.config import HubertUnitsConfig
from zoo.models.hubert_units.module import HubertUnits
from zoo.models.hubert_units.targets import aligned_cepstra

SIZES = (
    *("--model.config.hubert.hidden_size", "32", "--model.config.hubert.num_layers", "2"),
    *("--model.config.hubert.ffn_size", "32", "--model.config.hubert.position_kernel", "4"),
    *("--model.config.feature_size", "32", "--model.config.num_units", "6"),
    *("--model.config.layer", "2", "--model.config.target_layer", "1"),
    *("--model.config.task.num_clusters", "5", "--model.config.training.batch_size", "2"),
)


def test_three_stages_without_labels(talkers: Path, tmp_path: Path) -> None:
    folder = train(HubertUnits, talkers, tmp_path, *SIZES, "--max_steps", "2")
    assert folder == tmp_path / "units" / "model"
    saved = load_file(folder / "model.safetensors")
    assert {key.split(".")[0] for key in saved} == {"hubert", "kmeans"}
    refined = load_file(tmp_path / "refine" / "model" / "model.safetensors")
    assert all(torch.equal(saved[key], refined[key]) for key in saved if key != "kmeans.centers")
    model = from_pretrained(folder)
    assert bool(model.kmeans.centers.any())
    units = model.extract(torch.randn(16_000) * 0.1)
    assert units.rate_hz == 50
    assert units.inventory == "tiny-hubert/L3/km100"
    assert len(units.ids) in (49, 50)
    assert int(units.ids.max()) < 6

    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["training"] |= {"units.py": "a command", "units.py: phone purity": "0.5"}
    path.write_text(json.dumps(config), encoding="utf-8")
    finer = (*SIZES, "--stage", "units", "--init", str(folder), "--model.config.num_units", "9")
    other = from_pretrained(train(HubertUnits, talkers, tmp_path / "finer", *finer))
    assert other.kmeans.centers.shape == (9, 32), "the encoder is kept, the codebook is another"
    assert torch.equal(other.features(torch.ones(8000)), model.features(torch.ones(8000)))
    told = other.provenance["training"]
    stages = {f"stage {name}" for name in ("pretrain", "refine", "units", "units, before")}
    assert set(told) == {"data", *stages}, "what was measured on other weights is not told"
    assert "num_units 9" in told["stage units"] and "num_units 6" in told["stage units, before"]

    whitened = (*finer, "--model.config.whitened", "7")
    third = from_pretrained(train(HubertUnits, talkers, tmp_path / "whitened", *whitened))
    assert third.kmeans.centers.shape == (9, 7), "distances are taken in seven directions"
    assert bool(third.kmeans.projection.any())
    assert len(third.extract(torch.ones(8000)).ids) == len(model.extract(torch.ones(8000)).ids)
    with pytest.raises(ConversionError, match="this one whitens"):
        official.to_official(third.state_dict(), third.config)


def test_targets_are_made_once_for_every_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = HubertUnits(small_hubert(), stage="pretrain").eval()
    model.log = lambda *args, **kwargs: None  # type: ignore[assignment,method-assign]
    model.targets.centers.normal_()
    described: list[int] = []
    describe = model._describe

    def counted(wave: torch.Tensor) -> torch.Tensor:
        described.append(len(wave))
        return describe(wave)

    monkeypatch.setattr(model, "_describe", counted)
    audio = torch.randn(2, 8000) * 0.1
    audio[1, 6000:] = 0
    batch = {"audio": audio, "audio_len": torch.tensor([8000, 6000]), "id": ["a", "b"]}
    first = model._targets(batch, 24)
    assert described == [8000, 6000]
    assert torch.equal(first[0], model.targets(describe(audio[0])))
    turned = {key: value[::-1] if key == "id" else value.flip(0) for key, value in batch.items()}
    assert torch.equal(model._targets(turned, 24), first.flip(0))
    assert described == [8000, 6000], "a recording that was met before is not described again"


@pytest.mark.parametrize("stage", ["pretrain", "refine"])
def test_steps_of_masked_prediction_lower_the_loss(stage: str) -> None:
    torch.manual_seed(0)
    model = HubertUnits(small_hubert(), stage=stage).train()
    model.log = lambda *args, **kwargs: None  # type: ignore[assignment,method-assign]
    model.targets.centers.normal_()
    audio = torch.randn(2, 8000) * 0.1
    audio[1, 6000:] = 0
    batch = {"audio": audio, "audio_len": torch.tensor([8000, 6000]), "id": ["a", "b"]}
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 3e-3)
    losses = []
    for _ in range(12):
        loss = model.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-3:]) < sum(losses[:3])
    assert all(p.grad is None for p in (model.teacher or torch.nn.Identity()).parameters())


def test_hidden_frames_do_not_reach_the_encoder() -> None:
    torch.manual_seed(0)
    model = HubertUnits(small_hubert(), stage="pretrain").eval()
    wave = torch.randn(1, 8000)
    everything = torch.zeros(32)

    def states(audio: torch.Tensor) -> torch.Tensor:
        hide = lambda x, mask: everything.expand_as(x)  # noqa: E731
        return model.hubert(audio, hide=hide).hidden_states[-1]

    assert torch.equal(states(wave), states(2 * wave))


def test_cepstra_have_a_row_for_every_frame_and_ignore_level() -> None:
    config = small_hubert().hubert
    wave = torch.randn(9001) * 0.1
    rows = aligned_cepstra(wave, config)
    frames = 1 + (len(wave) - config.receptive_field) // config.stride
    assert rows.shape == (frames, 39)
    # a gain moves the first cepstrum by a constant, which the mean takes out
    assert torch.allclose(rows, aligned_cepstra(0.5 * wave, config), atol=0.05)


def test_a_list_gives_what_its_items_give(tmp_path: Path) -> None:
    model = from_pretrained(unit_source(tmp_path / "units"))
    waves = [torch.randn(n) * 0.1 for n in (5000, 9000)]
    several = model.extract(waves)
    for wave, units in zip(waves, several, strict=True):
        assert torch.equal(units.ids, model.extract(wave).ids)
    assert model.features(waves[0], 1).shape[1] == 32


def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    model = from_pretrained(unit_source(tmp_path / "units"))
    with pytest.raises(MediaError, match="too short"):
        model.extract(torch.zeros(100))
    with pytest.raises(MediaError, match="NaN"):
        model.extract(torch.full((8000,), torch.nan))
    encoder = HubertUnits(small_hubert(num_units=None, layer=None))
    with pytest.raises(ConfigError, match="no codebook"):
        encoder.extract(torch.randn(8000))
    codebook = HubertUnits(HubertUnitsConfig.base_l6_km50().replace(encoder_source=None))
    with pytest.raises(ConfigError, match="which encoder"):
        codebook.extract(torch.randn(8000))
    with pytest.raises(ConfigError, match="belong together"):
        small_hubert(layer=None)
    with pytest.raises(ConfigError, match="layer 3 is not one of"):
        small_hubert(layer=3)
    with pytest.raises(ConfigError, match="whitened 33 is not one of"):
        small_hubert(whitened=33)
    with pytest.raises(ConfigError, match="training needs both"):
        HubertUnits.recipe(HubertUnitsConfig.base())
