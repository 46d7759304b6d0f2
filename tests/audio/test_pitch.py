from __future__ import annotations

import math

import pytest
import torch

from zoo.audio import pitch
from zoo.audio.pitch import pitch_lacking, unit_pitch


def test_a_glide_is_followed_unit_by_unit() -> None:
    time = torch.arange(32_000) / 16_000
    hz = 100 + 50 * time
    phase = 2 * math.pi * torch.cumsum(hz, 0) / 16_000
    voice = sum(torch.sin(k * phase) for k in range(1, 15)) / 30
    found = unit_pitch(torch.cat([voice, torch.zeros(8000)]), 130)
    assert found.shape == (130,) and found.dtype == torch.float32
    middles = hz[160::320]
    assert (found[5:95] - middles[5:95]).abs().max() < 2
    assert not found[105:].any()


def test_short_and_empty_recordings() -> None:
    assert unit_pitch(torch.zeros(0), 2).tolist() == [0, 0]
    assert unit_pitch(torch.zeros(100), 1).tolist() == [0]


def test_what_is_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pitch_lacking() is None
    monkeypatch.setattr(pitch, "find_spec", lambda name: None)
    assert "pip install" in str(pitch_lacking())
