from __future__ import annotations

import torch

from zoo.nn.melody import UNKNOWN, Melody, harmonics


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
