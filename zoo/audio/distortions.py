"""Distorted versions of a test set: noise, reverberation and band limits, one draw per utterance.

Where the official distorted sound of LRS-VoxMM is not at hand, these sets stand in for it. They are
called `zoo-...`, since they are not the official ones, and every draw is a function of the set's
name and the utterance's id: the same file always gets the same distortion.

| set | SNR (dB) | reverberation time (s) | low pass (Hz) |
|---|---|---|---|
| `zoo-noise-easy` | 5 to 15 | - | - |
| `zoo-noise-hard` | -10 to 5 | - | - |
| `zoo-3dist-easy` | 5 to 15 | 0.2 to 0.5 | 4000, half of the time |
| `zoo-3dist-hard` | -10 to 5 | 0.5 to 1.0 | 2000, 3000 or 4000 |
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from random import Random

import numpy as np
import torch
from torch import Tensor

from zoo.audio.noise import fit_length, mix_at_snr
from zoo.errors import ConfigError, MediaError

SAMPLE_RATE = 16_000
_FILTER_ORDER = 8
_DECAY = 3 * np.log(10)  # amplitude falls by 60 dB in the reverberation time
# what a room adds before its echoes are dense; the direct sound is sample 0
_FIRST_ECHO_S = 0.003
_DIRECT_TO_REVERBERANT = 1.0  # energies, of a listener at about the critical distance


@dataclass(frozen=True)
class DistortionSet:
    """One row of the table above."""

    name: str
    snr_db: tuple[float, float]
    reverberation_s: tuple[float, float] | None = None
    low_pass_hz: tuple[float, ...] = ()
    low_pass_share: float = 1.0
    """Part of the utterances whose band is limited."""


_ALL = (
    DistortionSet("zoo-noise-easy", (5, 15)),
    DistortionSet("zoo-noise-hard", (-10, 5)),
    DistortionSet("zoo-3dist-easy", (5, 15), (0.2, 0.5), (4000,), 0.5),
    DistortionSet("zoo-3dist-hard", (-10, 5), (0.5, 1.0), (2000, 3000, 4000)),
)
DISTORTIONS: dict[str, DistortionSet] = {one.name: one for one in _ALL}


@dataclass(frozen=True)
class Distortion:
    """What happens to one utterance."""

    name: str
    utterance: str
    snr_db: float
    noise: int
    """Number of the noise recording."""
    reverberation_s: float | None
    low_pass_hz: float | None
    seed: int
    """Of the room's echoes and the place in the noise."""


def utterance_draw(name: str, utterance: str) -> Random:
    """The random generator of one utterance under one condition, the same on every machine."""
    digest = hashlib.sha256(f"{name}\n{utterance}".encode()).digest()
    return Random(int.from_bytes(digest[:8], "big"))


def plan(name: str, utterance: str, num_noises: int) -> Distortion:
    """Decide what happens to an utterance.

    Args:
        name: a key of `DISTORTIONS`.
        utterance: its id, e.g. `<video>/<segment>`.
        num_noises: recordings to choose from.

    Raises:
        ConfigError: no such set.
        MediaError: no noise.
    """
    if name not in DISTORTIONS:
        near = get_close_matches(name, DISTORTIONS, n=2, cutoff=0.3) or list(DISTORTIONS)
        raise ConfigError(f"unknown distortion {name!r}; did you mean {' or '.join(near)}?")
    if num_noises < 1:
        raise MediaError(f"{name}: no noise recordings were given")
    rule, draw = DISTORTIONS[name], utterance_draw(name, utterance)
    # one noise file an utterance, whatever the set, so that sets differ in strength alone
    noise = int(hashlib.sha1(utterance.encode(), usedforsecurity=False).hexdigest(), 16)
    snr = draw.uniform(*rule.snr_db)
    seconds = None if rule.reverberation_s is None else draw.uniform(*rule.reverberation_s)
    limited = bool(rule.low_pass_hz) and draw.random() < rule.low_pass_share
    cutoff = draw.choice(rule.low_pass_hz) if limited else None
    return Distortion(
        name, utterance, snr, noise % num_noises, seconds, cutoff, draw.getrandbits(32)
    )


def distort(speech: Tensor, name: str, utterance: str, noises: Sequence[Tensor]) -> Tensor:
    """Distort an utterance: reverberation, noise at a ratio to that, band limit, peak at most 1.

    Args:
        speech: (S,) float at 16 kHz.
        name: a key of `DISTORTIONS`.
        utterance: its id; every draw is a function of it and `name`.
        noises: recordings (N,) at 16 kHz; babble, music and natural sounds.

    Returns:
        (S,) float32.

    Example:
        >>> noise = torch.randn(32000, generator=torch.Generator().manual_seed(0))
        >>> distort(torch.ones(16000), "zoo-noise-easy", "abc/00001", [noise]).shape
        torch.Size([16000])
    """
    todo = plan(name, utterance, len(noises))
    draw = Random(todo.seed)
    if todo.reverberation_s is not None:
        speech = reverberate(speech, todo.reverberation_s, draw.getrandbits(32))
    noise = fit_length(noises[todo.noise], len(speech), draw)
    mixed = mix_at_snr(speech.double(), noise.double(), todo.snr_db)
    if todo.low_pass_hz is not None:
        mixed = low_pass(mixed, todo.low_pass_hz)
    peak = mixed.abs().max()
    return (mixed / peak if peak > 1 else mixed).to(torch.float32)


def room_response(seconds: float, seed: int, sample_rate: int = SAMPLE_RATE) -> Tensor:
    """A synthetic room: the direct sound, then noise that dies away exponentially.

    Args:
        seconds: reverberation time (fall by 60 dB).
        seed: of the echoes.
        sample_rate: Hz.

    Returns:
        (N,) float64; the direct sound is sample 0, so that speech is not delayed.
    """
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    echoes = np.random.default_rng(seed).standard_normal(len(time)) * np.exp(
        -_DECAY * time / seconds
    )
    echoes[time < _FIRST_ECHO_S] = 0.0
    response = echoes / np.sqrt((echoes**2).sum() * _DIRECT_TO_REVERBERANT)
    response[0] = 1.0
    return torch.from_numpy(response)


def reverberate(
    speech: Tensor, seconds: float, seed: int, sample_rate: int = SAMPLE_RATE
) -> Tensor:
    """Speech (S,) in a synthetic room, at its old power, not delayed, cut to its old length."""
    from scipy.signal import fftconvolve

    dry = speech.double().numpy()
    wet = fftconvolve(dry, room_response(seconds, seed, sample_rate).numpy())[: len(dry)]
    loud = np.sqrt((wet**2).mean())
    wet *= np.sqrt((dry**2).mean()) / loud if loud > 0 else 1.0
    return torch.from_numpy(wet).to(speech.dtype)


def low_pass(speech: Tensor, cutoff_hz: float, sample_rate: int = SAMPLE_RATE) -> Tensor:
    """Take away what lies above `cutoff_hz`: Butterworth of order 8, run both ways (no delay)."""
    from scipy.signal import butter, sosfiltfilt

    if not 0 < cutoff_hz < sample_rate / 2:
        raise MediaError(f"low pass at {cutoff_hz} Hz: expected 0 to {sample_rate / 2} Hz")
    sections = butter(_FILTER_ORDER, cutoff_hz, fs=sample_rate, output="sos")
    # scipy wants clips longer than its edge, which very short ones are not
    edge = min(len(speech) - 1, 3 * (2 * len(sections) + 1))
    filtered = sosfiltfilt(sections, speech.double().numpy(), padlen=edge)
    return torch.from_numpy(filtered.copy()).to(speech.dtype)
