from __future__ import annotations

import pytest
import torch
from torch import Tensor

from zoo.audio.mel import MelFrontEnd, mel_front_end
from zoo.metrics.stoi import stoi_score
from zoo.nn.envelope_loss import envelope_distance, spoken_envelope_distance, third_octaves

RATE = 16_000


@pytest.fixture(params=["tacotron16k", "hifigan16k"])
def mel(request: pytest.FixtureRequest) -> MelFrontEnd:
    return mel_front_end(str(request.param))


def syllables(seconds: float = 2.0, per_second: float = 4.0) -> Tensor:
    """(1, S) noise that swells and fades."""
    times = torch.arange(int(seconds * RATE)) / RATE
    swell = torch.sin(torch.pi * per_second * times).square() + 0.02
    noise = torch.randn(len(times), generator=torch.Generator().manual_seed(0))
    return (0.1 * swell * noise)[None]


def test_thirds_of_octaves_take_the_bands_within_them(mel: MelFrontEnd) -> None:
    bands = third_octaves(mel)
    assert bands.shape == (15, 80)
    assert (bands.sum(dim=1) >= 1).all()
    assert (bands.argmax(dim=1).diff() > 0).all()
    assert bands[:, 64:].sum() == 0, "what lies above 4.3 kHz belongs to none"


def test_the_same_moves_have_no_distance_however_loud(mel: MelFrontEnd) -> None:
    real = syllables()
    assert float(envelope_distance(mel(real), mel(real), mel)) < 1e-4
    assert float(envelope_distance(mel(0.2 * real), mel(real), mel)) < 1e-3
    other = syllables(per_second=2.7).flip(1)
    assert float(envelope_distance(mel(other), mel(real), mel)) > 0.5


def test_more_noise_is_further_away(mel: MelFrontEnd) -> None:
    real = syllables()
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(1))
    levels = (0.003, 0.03, 0.3)
    found = [envelope_distance(mel(real + k * noise), mel(real), mel) for k in levels]
    assert 0 < found[0] < found[1] < found[2]


def test_silence_does_not_count_and_breaks_nothing(mel: MelFrontEnd) -> None:
    speech, silence = syllables(1.0), torch.zeros(1, RATE)
    real = mel(torch.cat([speech, silence], dim=1))
    hum = mel(torch.cat([speech, 0.001 * syllables(1.0)], dim=1))
    assert float(envelope_distance(hum, real, mel)) < 0.02
    made = mel(torch.zeros(1, RATE)).requires_grad_()
    envelope_distance(made, mel(silence), mel).backward()
    assert made.grad is not None
    assert made.grad.isfinite().all()


def test_what_is_shorter_than_a_window_is_one(mel: MelFrontEnd) -> None:
    real = mel(syllables(0.2))
    assert float(envelope_distance(real, real, mel)) < 1e-4


def test_half_precision_around_it_changes_nothing(mel: MelFrontEnd) -> None:
    real, made = mel(syllables()), mel(syllables(per_second=2.7))
    whole = envelope_distance(made, real, mel)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(envelope_distance(made, real, mel), whole)


def test_of_waveforms_it_is_nearly_what_stoi_lacks() -> None:
    pytest.importorskip("pystoi")
    real = syllables()
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(1))
    for level in (0.001, 0.01, 0.03):
        made = real + level * noise
        wanted = 1 - stoi_score(real[0].numpy(), made[0].numpy(), RATE)
        assert float(spoken_envelope_distance(made, real, RATE)) == pytest.approx(wanted, abs=0.015)


def test_waveforms_are_compared_in_frames_that_show_what_is_rough_within_a_mel() -> None:
    real = syllables()
    times = torch.arange(real.shape[1]) / RATE
    rough = real * (1 + 0.9 * torch.sin(2 * torch.pi * 25 * times))
    mel = mel_front_end("hifigan16k")
    by_mel = float(envelope_distance(mel(rough), mel(real), mel))
    assert float(spoken_envelope_distance(rough, real, RATE)) > by_mel + 0.05


def test_of_waveforms_neither_level_nor_silence_counts() -> None:
    speech, silence = syllables(1.0), torch.zeros(1, RATE)
    real = torch.cat([speech, silence], dim=1)
    quiet = 0.2 * torch.cat([speech, 0.001 * syllables(1.0)], dim=1)
    assert float(spoken_envelope_distance(quiet, real, RATE)) < 0.02
    made = torch.zeros(1, RATE, requires_grad=True)
    spoken_envelope_distance(made, silence, RATE).backward()
    assert made.grad is not None
    assert made.grad.isfinite().all()


@pytest.mark.parametrize("samples", [1000, 4000])
def test_short_waveforms_have_a_distance(samples: int) -> None:
    real = syllables()[:, 8000 : 8000 + samples]
    assert float(spoken_envelope_distance(real, real, RATE)) < 1e-3
