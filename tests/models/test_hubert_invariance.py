"""Stage "invariance" of HuBERT: what is compared with what, and that it learns."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.make_media import tone, write_clip
from tests.models.speech_training import last_checkpoint, small_hubert, train
from zoo.data.lrs3 import read_lrs3
from zoo.errors import ConfigError
from zoo.models.hubert_units import module as hubert_module
from zoo.models.hubert_units.config import HubertUnitsConfig, InvarianceConfig
from zoo.models.hubert_units.invariance import aligned_frames, varied_crop
from zoo.models.hubert_units.module import HubertUnits

SIZES = {
    "hubert.hidden_size": 32,
    "hubert.num_layers": 3,
    "hubert.ffn_size": 32,
    "hubert.position_kernel": 4,
    "feature_size": 32,
    "num_units": 6,
    "whitened": 7,
    "target_layer": 1,
    "invariance.directions": 7,
    "invariance.batch_size": 2,
}


def stage_words(start: Path, **changes: Any) -> tuple[str, ...]:
    """Flags of a training of four steps in miniature that goes on from `start`."""
    stage = ("--preset", "tiny_km1000", "--stage", "invariance", "--init", str(start))
    sizes = {**SIZES, **changes}
    flags = [word for n, v in sizes.items() for word in (f"--model.config.{n}", str(v))]
    return (*stage, *flags, "--max_steps", "4")


def clicks(seconds: float) -> torch.Tensor:
    """A click in the middle of frame 20, and one in that of frame 40."""
    wave = torch.zeros(int(16_000 * seconds))
    encoder = small_hubert().hubert
    for frame in (20, 40):
        wave[frame * encoder.stride + encoder.receptive_field // 2] = 1.0
    return wave


@pytest.mark.parametrize("seed", range(5))
def test_frames_of_a_varied_crop_are_those_of_the_recording(seed: int) -> None:
    encoder = small_hubert().hubert
    config = InvarianceConfig(crop_samples=9600)
    crop = varied_crop(clicks(1.0), 49, config, encoder, np.random.default_rng(seed))
    assert crop.waveform.shape == (9600,)
    assert crop.frames.shape == (1 + (9600 - encoder.receptive_field) // encoder.stride,)
    middles = torch.arange(len(crop.frames)) * encoder.stride + encoder.receptive_field // 2
    found = []
    for frame in (20, 40):
        own = (crop.frames == frame).nonzero().flatten()
        if len(own) and 200 < int(middles[own[0]]) < 9400:
            around = crop.waveform[int(middles[own[0]]) - 200 : int(middles[own[-1]]) + 200]
            assert float(around.abs().max()) > 0.05, "the click is heard in its frame"
            found.append(frame)
    assert found, "a crop of 0.6 s holds one of them"


def test_what_lies_beyond_a_short_recording_belongs_to_no_frame() -> None:
    encoder = small_hubert().hubert
    config = InvarianceConfig(crop_samples=16_000)
    wave = torch.randn(6400) * 0.1
    there = 1 + (6400 - encoder.receptive_field) // encoder.stride
    crop = varied_crop(wave, there, config, encoder, np.random.default_rng(0))
    known = crop.frames[crop.frames >= 0]
    assert int(known.max()) < there
    assert len(known) < len(crop.frames)
    silent = (crop.waveform != 0).nonzero().max()
    middles = torch.arange(len(crop.frames)) * encoder.stride + encoder.receptive_field / 2
    assert bool((crop.frames[middles > silent + 1] == -1).all())


def test_the_stage_trains_the_layers_up_to_the_quantised(talkers: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = HubertUnitsConfig.preset("tiny_km1000", SIZES)
    start = HubertUnits(config).save_pretrained(tmp_path / "start", dtype="float32")
    done = train(HubertUnits, talkers, tmp_path / "out", *stage_words(start))
    before, after = (load_file(folder / "model.safetensors") for folder in (start, done))
    assert set(before) == set(after), "neither teacher nor directions are exported"
    moved = {key for key in after if not torch.equal(before[key].float(), after[key].float())}
    layers = {key.split(".")[3] for key in moved if key.startswith("hubert.encoder.layers.")}
    assert layers == {"0", "1"}
    trained = HubertUnits(config, stage="invariance").hubert.encoder.layers
    asked = [all(p.requires_grad for p in layer.parameters()) for layer in trained]
    assert asked == [True, True, False], "processes that train together wait for no gradient"
    state = last_checkpoint(tmp_path / "out" / "invariance")["state_dict"]
    assert bool(state["directions"].any()), "a run that goes on compares in the same directions"
    teacher = {key: value for key, value in state.items() if key.startswith("teacher.")}
    assert teacher
    assert all(torch.equal(v, before["hubert." + k[8:]].float()) for k, v in teacher.items())


def test_frames_of_a_crop_of_a_twin_are_those_of_the_recording() -> None:
    encoder, wave = small_hubert().hubert, torch.randn(16_000) * 0.1
    config = InvarianceConfig(crop_samples=9600)
    own, other = (
        varied_crop(wave, 49, config, encoder, np.random.default_rng(0), frames)
        for frames in (None, 3 * torch.arange(49))
    )
    assert torch.equal(own.waveform, other.waveform)
    assert torch.equal(torch.where(own.frames < 0, -1, 3 * own.frames), other.frames)


def test_frames_are_aligned_by_warping() -> None:
    torch.manual_seed(0)
    said = torch.randn(6, 4)
    assert aligned_frames(said, said).tolist() == [0, 1, 2, 3, 4, 5]
    slower = [0, 0, 1, 2, 2, 2, 3, 4, 5, 5]
    assert aligned_frames(said, said[slower].half()).tolist() == slower
    # of the three frames that are warped onto the second, the middle one
    assert aligned_frames(said[[0, 1, 1, 1, 2]], said[:3]).tolist() == [0, 2, 4]
    assert aligned_frames(said[:1], said[:3]).tolist() == [0, 0, 0]


def test_what_a_twin_is_asked_for_is_what_the_teacher_says_of_the_recording() -> None:
    torch.manual_seed(0)
    as_it_is = {"speed": 0.0, "tilt_db": 0.0, "level": 0.0, "crop_samples": 9600}
    settings = InvarianceConfig(directions=7, twin_share=1.0, **as_it_is)
    model = HubertUnits(small_hubert(invariance=settings), stage="invariance").eval()
    model._start_teacher()
    model.directions.normal_()
    audio, twin = torch.randn(2, 9600) * 0.1, torch.rand(9600) * 0.1
    batch = {"audio": audio, "audio_len": torch.tensor([9600, 9600]), "id": ["a", "b"]}
    own = float(model._difference(batch, 0).detach())
    assert own < 1e-4, "the teacher says of a recording what the encoder says of it"
    batch |= {"twin": [twin, torch.zeros(0)], "twin_id": ["0:a", ""]}
    difference = float(model._difference(batch, 0).detach())
    said, heard = model._compared(audio[0]).float(), model._compared(twin).float()
    frames = aligned_frames(said, heard)
    wanted = (heard - said[frames]).square().mean() / 2  # the other recording has no twin
    assert difference == pytest.approx(float(wanted), rel=0.01)
    assert difference > 100 * own
    assert list(model._aligned) == ["0:a"]
    assert torch.equal(model._aligned["0:a"], frames)


def test_the_stage_trains_on_twins(
    talkers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twins = Path(shutil.copytree(talkers, tmp_path / "others"))
    sound = tone(0.8, 16_000, hertz=300)
    for one in read_lrs3(talkers, "train"):
        write_clip(twins / str(one.video), frames=20, size=(64, 64), sound=sound, rate=16_000)
    aligned = []

    def spy(said: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        aligned.append((len(said), len(other)))
        return aligned_frames(said, other)

    monkeypatch.setattr(hubert_module, "aligned_frames", spy)
    config = HubertUnitsConfig.preset("tiny_km1000", SIZES)
    start = HubertUnits(config).save_pretrained(tmp_path / "start", dtype="float32")
    words = stage_words(start, **{"invariance.twin_share": 1})
    words = (*words, "--data.twin_roots", f"[{twins}]")
    done = train(HubertUnits, talkers, tmp_path / "out", *words)
    assert 1 <= len(aligned) <= len(read_lrs3(talkers, "train")), "once for each twin"
    assert all(theirs < ours for ours, theirs in aligned)
    record = HubertUnits.from_pretrained(done).provenance["training"]
    assert record["data"] == f"{talkers.name}; others"


def test_steps_lower_the_difference() -> None:
    torch.manual_seed(0)
    settings = InvarianceConfig(directions=7, crop_samples=8000)
    model = HubertUnits(small_hubert(invariance=settings), stage="invariance").train()
    model.log = lambda *args, **kwargs: None  # type: ignore[assignment,method-assign]
    model._start_teacher()
    model.directions.normal_(0, 0.2)
    audio = torch.randn(2, 16_000) * 0.1
    audio[1, 12_000:] = 0
    batch = {"audio": audio, "audio_len": torch.tensor([16_000, 12_000]), "id": ["a", "b"]}
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-3)
    first = float(model._difference(batch, 0).detach())
    for step in range(30):
        loss = model.training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(model._difference(batch, 0).detach()) < 0.9 * first
    assert all(p.grad is None for p in model.teacher.parameters())


def test_directions_must_be_fewer_than_the_features() -> None:
    with pytest.raises(ConfigError, match=r"invariance.directions 32 is not less than the 32"):
        small_hubert(invariance=InvarianceConfig(total_steps=1, directions=32))


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_is_one(share: float) -> None:
    with pytest.raises(ConfigError, match=r"invariance.twin_share .* is not in 0..1"):
        InvarianceConfig(twin_share=share)
