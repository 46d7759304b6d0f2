from __future__ import annotations

import math

import torch

from zoo.audio.mel import mel_front_end
from zoo.nn.melody import UNKNOWN, Melody, band_harmonics, harmonics


def test_bands_on_a_harmonic_are_near_and_those_between_two_are_far() -> None:
    found = harmonics(torch.tensor([[120.0, 240.0]]))[0, :, :48]
    hz = 700 * torch.expm1(
        torch.linspace(*(torch.log1p(torch.tensor(x) / 700) for x in (60.0, 2500.0)), 48)
    )
    for row, f0 in zip(found, (120.0, 240.0), strict=True):
        away = (hz / f0 - (hz / f0).round()).abs()
        assert (row[away < 0.1] > 0.8).all() and (row[away > 0.4] < -0.8).all()


def test_unvoiced_is_known_and_unknown_is_nothing() -> None:
    unvoiced, unknown = harmonics(torch.tensor([[0.0, UNKNOWN]]))[0]
    assert not unknown.any()
    assert unvoiced.tolist() == [0.0] * 50 + [1.0]
    melody = Melody(4)
    assert not melody(torch.tensor([[100.0]])).any(), "nothing at the start"
    torch.nn.init.ones_(melody.linear.weight)
    assert melody(torch.tensor([[100.0, 0.0, UNKNOWN]]))[0, :, 0].ne(0).tolist() == [1, 1, 0]


def test_half_precision_follows_the_weights() -> None:
    melody = Melody(4).bfloat16()
    assert melody(torch.tensor([[100.0]])).dtype == torch.bfloat16


def test_the_mel_of_a_hum_rises_and_falls_as_its_harmonics_say() -> None:
    mel = mel_front_end("tacotron16k")
    time = torch.arange(16_000) / 16_000
    for f0 in (110.0, 230.0):
        hum = sum(torch.cos(2 * math.pi * f0 * k * time) for k in range(1, 30)) / 60
        bands = mel(hum[None])[0, :, 20:60].mean(dim=1)
        found = band_harmonics(torch.full((1, 3), f0), mel)
        assert found.shape == (1, 80, 3)
        seen = found[0, :, 0]
        both = torch.stack([bands[3:50], seen[3:50]])  # between the first and the 29th of both
        assert torch.corrcoef(both)[0, 1] > 0.9
        assert seen[3:30].abs().mean() > 5 * seen[70:].abs().mean()
    nothing = band_harmonics(torch.tensor([[0.0, UNKNOWN]]), mel)
    assert not nothing.any()
