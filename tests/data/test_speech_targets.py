"""Encoders that describe recordings: where they come from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from zoo.data import speech_targets
from zoo.data.speech_targets import PACKAGED_VOICES, load_speaker_encoder
from zoo.errors import CheckpointError, DataError, ZooError


def test_without_the_package_of_the_voices_it_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(speech_targets, "find_spec", lambda name: None)
    monkeypatch.setenv("ZOO_MODELS", str(tmp_path))
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    with pytest.raises(CheckpointError, match=r"pip install 'avspeech-zoo\[metrics\]' brings"):
        load_speaker_encoder(PACKAGED_VOICES)
    with pytest.raises(ZooError) as other:
        load_speaker_encoder(str(tmp_path / "nothing"))
    assert "avspeech-zoo[metrics]" not in str(other.value)


def test_without_pyworld_training_with_a_pitch_stops_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zoo.audio.pitch.find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install pyworld"):
        speech_targets.speech_targets(
            [torch.zeros(320)], unit_source="none such", speaker_source=None, pitch=True
        )


def test_pitches_are_made_once_and_kept(tmp_path: Path) -> None:
    time = torch.arange(8000) / 16_000
    waves = [
        sum(torch.sin(2 * torch.pi * hz * k * time) for k in range(1, 9)) / 20 for hz in (90, 210)
    ]
    waves.append(torch.zeros(330))

    def found() -> tuple[torch.Tensor, ...]:
        options = {"unit_source": None, "speaker_source": None, "cache_dir": tmp_path}
        return speech_targets.speech_targets(waves, pitch=True, **options).pitches

    first = found()
    assert [len(hz) for hz in first] == [25, 25, 2]
    assert [round(float(hz.median()), -1) for hz in first] == [90, 210, 0]
    (kept,) = tmp_path.rglob("pitches-*.safetensors")
    made = kept.stat().st_mtime_ns
    assert all(torch.equal(a, b) for a, b in zip(first, found(), strict=True))
    assert kept.stat().st_mtime_ns == made
