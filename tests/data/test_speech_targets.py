"""Encoders that describe recordings: where they come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.data import speech_targets
from zoo.data.speech_targets import PACKAGED_VOICES, load_speaker_encoder
from zoo.errors import CheckpointError, ZooError


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
