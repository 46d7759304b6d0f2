"""Mel and unit vocoders: training as a GAN, resuming, what is saved, use and bad input."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.models.speech_training import last_checkpoint, train, unit_source, voice_source
from zoo.audio import load_audio
from zoo.data.lrs3 import read_lrs3
from zoo.errors import ConfigError, MediaError
from zoo.hub.load import from_pretrained
from zoo.models.mel_vocoder.config import MelVocoderConfig
from zoo.models.mel_vocoder.module import MelVocoder
from zoo.models.unit_vocoder.config import UnitVocoderConfig
from zoo.models.unit_vocoder.module import UnitVocoder
from zoo.nn.envelope_loss import spoken_envelope_distance
from zoo.nn.units import KMeans, Units
from zoo.tasks import Speech

GAN = (
    *("--model.config.training.gan_start", "2", "--model.config.training.batch_size", "2"),
    *("--model.config.training.crop_samples", "3200", "--data.eval_samples", "6400"),
    *("--model.config.training.warmup_updates", "1"),
)
NARROW = {
    "istft.width": 16,
    "istft.num_blocks": 1,
    "istft.ffn_size": 16,
}
SMALL_UNIT = {
    **{f"network.{name}": value for name, value in NARROW.items()},
    "network.embedding_size": 8,
    "trunk_source": None,
    "training.crop_samples": 12_800,
    "training.guess_updates": 0,
}
FLAGS = tuple(word for k, v in NARROW.items() for word in (f"--model.config.{k}", str(v)))


def mel_vocoder(preset: str = "tiny", **changes: Any) -> MelVocoder:
    torch.manual_seed(0)
    return MelVocoder(MelVocoderConfig.preset(preset, {**NARROW, **changes})).eval()


def unit_vocoder(**changes: Any) -> UnitVocoder:
    torch.manual_seed(0)
    return UnitVocoder(UnitVocoderConfig.preset("tiny", {**SMALL_UNIT, **changes})).eval()


def test_gan_training_resumes_with_both_optimizers(talkers: Path, tmp_path: Path) -> None:
    words = (*GAN, *FLAGS, "--model.config.training.total_steps")
    train(MelVocoder, talkers, tmp_path, *words, "6", "--max_steps", "4")
    first = last_checkpoint(tmp_path / "vocoder")
    # two updates of the generator alone, one of both
    assert first["vocoder_updates"] == 3
    assert len(first["optimizer_states"]) == len(first["lr_schedulers"]) == 2
    assert first["optimizer_states"][1]["state"], "the discriminators have been trained"
    folder = train(
        MelVocoder, talkers, tmp_path, *words, "6", "--max_steps", "6", "--ckpt_path", "last"
    )
    second = last_checkpoint(tmp_path / "vocoder")
    assert second["vocoder_updates"] == 4
    steps = [s["step"] for s in second["optimizer_states"][1]["state"].values()]
    assert {int(step) for step in steps} == {2}
    saved = load_file(folder / "model.safetensors")
    assert any(key.startswith("discriminators.") for key in second["state_dict"])
    assert not any(key.startswith("discriminators.") for key in saved)
    assert from_pretrained(folder).discriminators is None


def test_training_brings_the_spectra_nearer(talkers: Path, tmp_path: Path) -> None:
    from zoo.data.speech_crops import SpeechCropDataModule

    words = (*GAN, *FLAGS, "--model.config.training.gan_start", "null")
    words = (*words, "--model.config.training.lr", "0.01", "--max_steps", "25")
    trained = from_pretrained(train(MelVocoder, talkers, tmp_path, *words))
    data = SpeechCropDataModule(str(talkers), crop_samples=6400, num_workers=0, vary=False)
    batch = next(iter(data.val_dataloader()))

    def distance(model: MelVocoder) -> float:
        with torch.no_grad():
            made, _ = model.resynthesize_batch(batch)
            return float(model.mel_loss(made[:, 0], batch["wav"]))

    assert distance(trained) < 0.8 * distance(mel_vocoder())


def test_no_stage_no_discriminators_and_the_paper_has_them() -> None:
    with torch.device("meta"):
        assert MelVocoder(MelVocoderConfig.hifigan_16k_hop160()).discriminators is None
        model = MelVocoder(MelVocoderConfig.hifigan_16k_hop160(), stage="vocoder")
    sizes = [sum(p.numel() for p in part.parameters()) for part in model.discriminators.children()]
    assert [round(size / 1e6) for size in sizes] == [41, 30]


@pytest.mark.parametrize("preset", ["tiny", "tiny_hifigan"])
def test_resynthesis_keeps_the_length(preset: str) -> None:
    model = mel_vocoder(preset, **{"hifigan.channels": 16})
    for samples in (6400, 1601):
        made = model.resynthesize(torch.randn(samples) * 0.1)
        assert made.waveform.shape == (samples,)
    several = model.resynthesize([Speech(torch.randn(8000) * 0.1, 8000), torch.randn(3000) * 0.1])
    assert [one.waveform.shape[0] for one in several] == [16_000, 3000]
    assert model.vocode([torch.zeros(80, 3), torch.zeros(80, 7)])[1].waveform.shape[0] == 7 * 160


@pytest.mark.parametrize(
    ("mel", "complaint"),
    [
        (torch.zeros(79, 5), r"expected \(80, T\)"),
        (torch.zeros(80), r"expected \(80, T\)"),
        (torch.zeros(80, 0), r"expected \(80, T\)"),
        (torch.full((80, 3), torch.nan), "NaN"),
    ],
)
def test_a_wrong_mel_is_refused(mel: torch.Tensor, complaint: str) -> None:
    with pytest.raises(MediaError, match=complaint):
        mel_vocoder().vocode(mel)


def test_configurations_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="256 samples a frame"):
        MelVocoderConfig.preset("hifigan_v1", {"front_end": "tacotron16k"})
    with pytest.raises(ConfigError, match="gan_start must be even"):
        MelVocoderConfig.preset("tiny", {"training.gan_start": 3})


def small_unit_flags(units: Path, voices: Path, trunk: Path, **changes: Any) -> tuple[str, ...]:
    """Words for training a small unit vocoder that starts from a mel vocoder."""
    sizes = {
        **SMALL_UNIT,
        "unit_source": units,
        "speaker_source": voices,
        "trunk_source": trunk,
        "network.num_units": 6,
        "network.speaker_size": 64,
        **changes,
    }
    return tuple(word for k, v in sizes.items() for word in (f"--model.config.{k}", str(v)))


def test_unit_vocoder_trains_with_units_voices_and_durations(talkers: Path, tmp_path: Path) -> None:
    units, voices = unit_source(tmp_path / "units"), voice_source(tmp_path / "voices")
    speaks = mel_vocoder()
    trunk = speaks.save_pretrained(tmp_path / "mel")
    flags = small_unit_flags(units, voices, trunk, **{"training.lr": 1e-30})
    flags = (*flags, "--data.more_roots", f"[{talkers}]", "--max_steps", "4")
    folder = train(UnitVocoder, talkers, tmp_path / "o", *GAN, *flags)
    model = from_pretrained(folder)
    record = model.provenance["training"]
    assert record["data"] == f"{talkers.name}; {talkers.name}"
    assert f"--data.more_roots [{talkers.name}]" in record["stage vocoder"]
    assert str(tmp_path) not in str(record), "folders of the machine stay there"
    ours, theirs = model.network.generator.vocoder.state_dict(), speaks.network.state_dict()
    assert all(torch.allclose(ours[key], theirs[key]) for key in theirs), "it started from there"
    made = model.vocode([0, 3, 5], speaker=torch.rand(64))
    assert made.waveform.shape[0] % 320 == 0
    state = last_checkpoint(tmp_path / "o" / "vocoder")
    assert len(state["optimizer_states"]) == 2


def test_embeddings_start_from_those_of_units_at_the_same_time(
    talkers: Path, tmp_path: Path
) -> None:
    units, voices = unit_source(tmp_path / "units"), voice_source(tmp_path / "voices")
    sizes = {"network.num_units": 6, "network.speaker_size": 64, "unit_source": str(units)}
    before = unit_vocoder(**sizes)
    old = before.save_pretrained(tmp_path / "before", dtype="float32")
    extractor = from_pretrained(units)
    extractor.kmeans = KMeans.from_centers(extractor.kmeans.centers[[5, 3, 0]])
    fewer = extractor.__class__(extractor.config.replace(num_units=3))
    fewer.load_state_dict(extractor.state_dict())
    other = fewer.save_pretrained(tmp_path / "fewer")
    changes = {"training.lr": 1e-30, "network.num_units": 3, "trunk_source": "null"}
    flags = small_unit_flags(other, voices, old, **changes)
    flags = (*flags, "--model.config.embeddings_source", str(old), "--init", str(old))
    model = from_pretrained(
        train(UnitVocoder, talkers, tmp_path / "o", *GAN, *flags, "--max_steps", "4")
    )
    waves = [load_audio(talkers / str(one.sound)) for one in read_lrs3(talkers, "train")]
    pairs = [
        (int(b), int(a))
        for wave in waves
        for b, a in zip(
            from_pretrained(units).extract(wave).ids, fewer.extract(wave).ids, strict=True
        )
    ]
    table, started = before.network.dict.weight, model.network.dict.weight
    for unit in range(3):
        met = [table[b] for b, a in pairs if a == unit]
        wanted = torch.stack(met).mean(0) if met else table.mean(0)
        assert torch.allclose(started[unit], wanted, atol=1e-3)
    generators = (one.network.generator.state_dict() for one in (before, model))
    first, second = generators
    assert all(torch.allclose(first[key], second[key], atol=1e-3) for key in first)

    wrong = (*flags, "--model.config.embeddings_source", str(units))
    with pytest.raises(ConfigError, match="is no unit vocoder whose embeddings have a width of 8"):
        train(UnitVocoder, talkers, tmp_path / "wrong", *GAN, *wrong, "--max_steps", "2")


def test_the_guessed_mel_is_fitted_first(talkers: Path, tmp_path: Path) -> None:
    units, voices = unit_source(tmp_path / "units"), voice_source(tmp_path / "voices")
    speaks = mel_vocoder()
    training = {"lr": 0.01, "gan_start": "null", "guess_updates": 25, "total_steps": 40}
    changes = {f"training.{name}": value for name, value in training.items()}
    flags = small_unit_flags(units, voices, speaks.save_pretrained(tmp_path / "mel"), **changes)
    words = (*GAN, *flags, "--max_steps")
    trained = from_pretrained(train(UnitVocoder, talkers, tmp_path / "o", *words, "25"))
    ours = trained.network.generator.vocoder.state_dict()
    theirs = speaks.network.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs), "not spoken"
    data = trained.recipe(trained.config).datamodule(
        str(talkers),
        crop_samples=6400,
        unit_source=str(units),
        speaker_source=str(voices),
        pitch=trained.config.network.f0,
    )
    batch = next(iter(data.val_dataloader()))
    untrained = UnitVocoder(trained.config).eval()
    with torch.no_grad():
        after, before = (m.guess_losses(batch)["guess"] for m in (trained, untrained))
    assert after < 0.8 * before
    words = (*words, "27", "--ckpt_path", "last")
    spoken = from_pretrained(train(UnitVocoder, talkers, tmp_path / "o", *words))
    assert not torch.equal(spoken.network.generator.vocoder.head.weight, ours["head.weight"])


def test_envelopes_are_compared_where_they_have_a_weight() -> None:
    real = 0.1 * torch.randn(2, 1, 8000).cumsum(dim=2).sin()
    made = real.flip(2)
    plain, doubled, single = (
        mel_vocoder(**{"training.envelope_weight": weight}).spectral_losses(made, real)
        for weight in (0.0, 2.0, 1.0)
    )
    assert set(doubled) - set(plain) == {"envelope"}
    assert torch.allclose(doubled["envelope"], 2 * single["envelope"])
    assert torch.allclose(
        single["envelope"], spoken_envelope_distance(made[:, 0], real[:, 0], 16_000)
    )
    model = unit_vocoder(**{"training.envelope_weight": 1.0})
    voices = torch.rand(2, model.config.network.speaker_size)
    batch = {"wav": real[:, 0, :6400], "units": torch.zeros(2, 20).long(), "speaker": voices}
    batch["f0"] = torch.zeros(2, 20)
    losses = model.guess_losses(batch)
    assert {"guess", "envelope"} <= set(losses)
    losses["envelope"].backward()
    assert model.network.dict.weight.grad is not None


def test_only_a_vocoder_that_guesses_a_mel_can_fit_it_alone() -> None:
    fit = {"training.guess_updates": 2}
    with pytest.raises(ConfigError, match="guess_updates: this MelVocoder guesses no mel"):
        mel_vocoder(**fit)
    assert unit_vocoder(**fit).config.training.guess_updates == 2
    with pytest.raises(ConfigError, match="guess_updates: this UnitVocoder guesses no mel"):
        UnitVocoder(UnitVocoderConfig.preset("hubert_km100", {**fit, "training.gan_start": None}))
    with pytest.raises(ConfigError, match="nothing is spoken in the first 2 updates"):
        mel_vocoder(**fit, **{"training.gan_start": 0})
    paper = UnitVocoder(UnitVocoderConfig.preset("hubert_km100", {"network.embedding_size": 8}))
    with pytest.raises(ValueError, match="without a mel"):
        paper.network.guess_mel(torch.zeros(1, 4, dtype=torch.long))


def test_a_recording_is_spoken_by_its_units_in_its_voice(tmp_path: Path) -> None:
    units, voices = unit_source(tmp_path / "units"), voice_source(tmp_path / "voices")
    sources = {"unit_source": str(units), "speaker_source": str(voices), "inventory": ""}
    model = unit_vocoder(**sources, **{"network.speaker_size": 64}).eval()
    speech = Speech(torch.randn(16_321) * 0.1, 16_000)
    made = model.resynthesize(speech, pitch=False).waveform
    assert made.shape == speech.waveform.shape
    ids, voice = model.describer.units(speech), model.describer.voice(speech)
    spoken = model.vocode(ids, speaker=voice).waveform
    assert torch.equal(made[: len(spoken)], spoken), "the timing is the recording's own"
    assert len(model.resynthesize([speech, speech])) == 2
    table = UnitVocoderConfig.preset("tiny", {"network.speaker": "id"}).replace(**sources)
    with pytest.raises(MediaError, match="are numbers"):
        UnitVocoder(table).eval().resynthesize(speech)


def test_a_vocoder_may_be_told_the_pitch(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    units, voices = unit_source(tmp_path / "units"), voice_source(tmp_path / "voices")
    sources = {"unit_source": str(units), "speaker_source": str(voices), "inventory": ""}
    model = unit_vocoder(**sources, **{"network.speaker_size": 64}).eval()
    time = torch.arange(16_320) / 16_000
    hum = sum(torch.sin(2 * math.pi * 150 * k * time) for k in range(1, 20)) / 40
    speech = Speech(hum, 16_000)
    ids, voice = model.describer.units(speech), model.describer.voice(speech)
    f0 = model.describer.pitch(speech, len(ids.ids))
    assert f0[5:-5].sub(150).abs().max() < 2

    def spoken(f0: torch.Tensor | None = None) -> torch.Tensor:
        return model.vocode(ids, speaker=voice, f0=f0).waveform

    assert torch.equal(spoken(f0), spoken()), "it starts as if it knew none"
    torch.nn.init.normal_(model.network.melody.linear.weight)
    alone = spoken()
    assert torch.equal(spoken(torch.full_like(f0, -1.0)), alone), "not known is not given"
    assert not torch.equal(spoken(f0), alone)
    assert not torch.equal(spoken(f0), spoken(f0 * 2)) and not torch.equal(spoken(f0 * 0), alone)
    torch.nn.init.zeros_(model.network.melody.linear.weight)
    torch.nn.init.ones_(model.network.generator.depth.bias)
    assert torch.equal(spoken(), alone) and not torch.equal(spoken(f0), alone), (
        "harmonics are drawn"
    )
    made = model.resynthesize(speech).waveform
    assert torch.equal(made[: len(alone)], spoken(f0))
    assert torch.equal(model.resynthesize(speech, pitch=False).waveform[: len(alone)], alone)
    with pytest.raises(MediaError, match="units need a pitch each, got 3"):
        spoken(f0[:3])
    monkeypatch.setattr("zoo.audio.pitch.find_spec", lambda name: None)
    assert torch.equal(model.resynthesize(speech).waveform[: len(alone)], alone)
    assert "pip install pyworld" in caplog.text


def test_the_pitch_of_some_crops_is_kept_back() -> None:
    model = unit_vocoder()
    batch = {"f0": torch.full((64, 5), 120.0)}
    given = model.train()._pitch(batch)
    known = (given > 0).all(dim=1)
    assert torch.equal(known, (given >= 0).any(dim=1)) and 10 < int(known.sum()) < 54
    assert torch.equal(model.eval()._pitch(batch), batch["f0"])
    assert unit_vocoder(**{"network.f0": "none"}).train()._pitch({}) is None
    with pytest.raises(ConfigError, match="pitch_dropout 2"):
        unit_vocoder(pitch_dropout=2.0)


def test_units_say_whether_they_are_reduced() -> None:
    model = unit_vocoder()
    voice = torch.nn.functional.normalize(torch.rand(256), dim=0)
    frames = Units(torch.tensor([4, 4, 4, 9]), 50.0)
    made = model.vocode(frames, speaker=voice)
    assert made.waveform.shape[0] == 4 * 320  # a unit a frame: nothing is predicted
    reduced = model.synthesize_units(frames.reduced(), speaker=voice)
    assert reduced.durations.shape == (1, 2)
    assert reduced.waveform.shape[2] == 320 * int(reduced.durations.sum())
    without = unit_vocoder(**{"network.durations": None})
    assert without.vocode(frames.reduced(), speaker=voice).waveform.shape[0] == 4 * 320


@pytest.mark.parametrize(
    ("units", "speaker", "complaint"),
    [
        ([1000], "vector", "another inventory"),
        ([], "vector", "no units"),
        ([-1, -1], "vector", "no units"),
        ([1], None, "speaker is lacking"),
        ([1], 3, "expected a vector"),
        (Units(torch.tensor([1]), 50.0, "other/L1/km9"), "vector", "units are of other"),
    ],
)
def test_wrong_units_and_voices_are_refused(units: Any, speaker: Any, complaint: str) -> None:
    model = unit_vocoder(inventory="tiny-hubert/L3/km100")
    voice = torch.rand(256) if speaker == "vector" else speaker
    with pytest.raises(MediaError, match=complaint):
        model.vocode(units, speaker=voice)
