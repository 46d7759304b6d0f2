from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch
from torch import Tensor

from zoo.audio.distortions import (
    DISTORTIONS,
    distort,
    low_pass,
    plan,
    reverberate,
    room_response,
)
from zoo.audio.noise import avhubert_noise, babble, fit_length, mix_at_snr, power
from zoo.errors import ConfigError, MediaError

RATE = 16_000


def noise(seconds: float, seed: int, loudness: float = 0.1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return loudness * torch.randn(round(seconds * RATE), generator=generator)


SPEECH = noise(2, 0)
NOISES = [noise(3, 1), noise(0.5, 2), noise(5, 3)]


def ratio_db(speech: Tensor, mixed: Tensor) -> float:
    return float(10 * torch.log10(power(speech) / power(mixed - speech)))


@pytest.mark.parametrize("snr", [-10.0, 0.0, 7.5])
def test_ratio(snr: float) -> None:
    mixed = mix_at_snr(SPEECH, NOISES[0][: len(SPEECH)], snr)
    assert ratio_db(SPEECH, mixed) == pytest.approx(snr, abs=1e-3)


def test_silence_has_no_ratio() -> None:
    with pytest.raises(MediaError, match="the speech is silent"):
        mix_at_snr(torch.zeros(10), torch.ones(10), 0)
    with pytest.raises(MediaError, match="the noise is silent"):
        mix_at_snr(torch.ones(10), torch.zeros(10), 0)
    with pytest.raises(MediaError, match="one length"):
        mix_at_snr(torch.ones(10), torch.ones(9), 0)


def test_fit_length() -> None:
    assert fit_length(torch.tensor([1.0, 2, 3]), 7).tolist() == [1, 2, 3, 1, 2, 3, 1]
    long = torch.arange(100.0)
    assert fit_length(long, 5).tolist() == [0, 1, 2, 3, 4]
    starts = {float(fit_length(long, 5, Random(k))[0]) for k in range(20)}
    assert len(starts) > 5


def test_babble_is_many_voices_at_equal_power() -> None:
    voices = [noise(1, k, loudness=10.0**-k) for k in range(4)] + [torch.zeros(RATE)]
    mixed = babble(voices, RATE, Random(0), count=4)
    assert len(mixed) == RATE
    assert float(power(mixed)) == pytest.approx(4, rel=0.1)
    with pytest.raises(MediaError, match="none of the 1"):
        babble([torch.zeros(10)], 10, Random(0))


@pytest.mark.parametrize("name", sorted(DISTORTIONS))
def test_the_same_utterance_is_always_the_same(name: str) -> None:
    ids = [f"video/{k:05d}" for k in range(5)]
    first = [distort(SPEECH, name, one, NOISES) for one in ids]
    for one, waveform in reversed(list(zip(ids, first))):
        assert torch.equal(distort(SPEECH, name, one, NOISES), waveform)
        assert waveform.shape == SPEECH.shape
        assert waveform.dtype == torch.float32
        assert float(waveform.abs().max()) <= 1
    assert len({waveform.numpy().tobytes() for waveform in first}) == 5


@pytest.mark.parametrize("name", sorted(DISTORTIONS))
def test_plans_follow_the_table(name: str) -> None:
    rule = DISTORTIONS[name]
    plans = [plan(name, f"v/{k}", 7) for k in range(300)]
    assert all(rule.snr_db[0] <= p.snr_db <= rule.snr_db[1] for p in plans)
    assert {p.noise for p in plans} == set(range(7))
    assert len({p.snr_db for p in plans}) == 300
    if rule.reverberation_s is None:
        assert {p.reverberation_s for p in plans} == {None}
        assert {p.low_pass_hz for p in plans} == {None}
    else:
        low, high = rule.reverberation_s
        assert all(low <= (p.reverberation_s or 0) <= high for p in plans)
        limited = [p.low_pass_hz for p in plans if p.low_pass_hz is not None]
        assert set(limited) == set(rule.low_pass_hz)
        assert len(limited) / 300 == pytest.approx(rule.low_pass_share, abs=0.1)


def test_an_utterance_has_one_noise_under_all_conditions() -> None:
    for k in range(20):
        assert len({plan(name, f"v/{k}", 7).noise for name in DISTORTIONS}) == 1


def test_plans_never_change() -> None:
    """Results that were published depend on these draws."""
    one = plan("zoo-3dist-hard", "video/00001", 10)
    assert (one.noise, one.low_pass_hz, one.seed) == (1, 3000, 4213285050)
    assert one.snr_db == pytest.approx(-0.01563957406219707)
    assert one.reverberation_s == pytest.approx(0.7124045935665674)


def test_noise_sets_keep_the_ratio_of_their_plan() -> None:
    quiet = SPEECH * 0.1
    for k in range(5):
        todo = plan("zoo-noise-hard", f"v/{k}", len(NOISES))
        mixed = distort(quiet, todo.name, todo.utterance, NOISES)
        assert ratio_db(quiet, mixed) == pytest.approx(todo.snr_db, abs=0.01)


def test_rooms_and_bands_are_heard() -> None:
    quiet = SPEECH * 0.1
    hertz = torch.fft.rfftfreq(len(quiet), 1 / RATE)
    for k in range(6):
        todo = plan("zoo-3dist-hard", f"v/{k}", len(NOISES))
        assert todo.low_pass_hz is not None and todo.reverberation_s is not None
        mixed = distort(quiet, todo.name, todo.utterance, NOISES)
        strength = torch.fft.rfft(mixed).abs().square()
        kept, cut = hertz < 0.8 * todo.low_pass_hz, hertz > 1.25 * todo.low_pass_hz
        assert float(strength[cut].mean()) < 0.01 * float(strength[kept].mean())
        wet = reverberate(quiet, todo.reverberation_s, Random(todo.seed).getrandbits(32))
        dry, heard = (low_pass(one, todo.low_pass_hz) for one in (quiet, wet))
        # what is left besides the speech is less where the room is taken into account
        assert power(mixed - dry) - power(mixed - heard) > 0.2 * power(dry)


def test_errors() -> None:
    with pytest.raises(ConfigError, match="zoo-noise-easy"):
        distort(SPEECH, "noise-easy", "a", NOISES)
    with pytest.raises(MediaError, match="no noise recordings"):
        distort(SPEECH, "zoo-noise-easy", "a", [])
    with pytest.raises(MediaError, match="low pass"):
        low_pass(SPEECH, 9000)


def test_room() -> None:
    response = room_response(0.5, seed=1)
    assert float(response[0]) == 1.0  # the direct sound is not delayed
    energy = response[1:].square()
    left = energy.flip(0).cumsum(0).flip(0)
    decay = 10 * torch.log10(left / left[0])
    # a fall by 20 dB takes a third of the reverberation time
    fallen = int((decay < -20).nonzero()[0]) / RATE
    assert fallen == pytest.approx(0.5 / 3, rel=0.15)
    wet = reverberate(SPEECH, 0.5, seed=1)
    assert wet.shape == SPEECH.shape
    assert float(power(wet)) == pytest.approx(float(power(SPEECH)), rel=1e-4)
    click = torch.zeros(RATE)
    click[1000] = 0.5
    assert int(reverberate(click, 0.5, seed=1).abs().argmax()) == 1000


def test_low_pass_takes_away_what_is_above() -> None:
    time = torch.arange(RATE) / RATE
    low, high = (torch.sin(2 * np.pi * hertz * time) for hertz in (500, 6000))
    kept = low_pass(low + high, 2000)
    assert float((kept - low)[800:-800].abs().max()) < 0.01  # no delay either
    assert len(low_pass(torch.ones(10), 2000)) == 10


def test_avhubert_noise_turns_down_what_would_clip() -> None:
    loud = (noise(1, 5) * 200_000).clamp(-32768, 32767).to(torch.int16)
    mixed = avhubert_noise(loud, (noise(1, 6) * 100_000).to(torch.int16), 0)
    assert mixed.dtype == torch.int16
    peak = int(mixed.int().abs().max())
    assert 32_000 < peak <= 32_768
