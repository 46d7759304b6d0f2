"""Adding noise to speech at a signal-to-noise ratio, and the noise recipes of published models.

Every recipe draws from a `random.Random` in a fixed order, so that an official seed gives the
official noise. Waveforms are (S,) float; the ratio is of mean powers over the whole clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from random import Random

import torch
from torch import Tensor

from zoo.errors import MediaError

TRAIN_LEVELS = (-5, 0, 5, 10, 15)  # dB, AV-RelScore; it has no clean level
_MIN_SILENCE = 800  # samples, AV-RelScore's shortest gap in the noise
_INT16 = torch.iinfo(torch.int16)


def power(waveform: Tensor) -> Tensor:
    """Mean square of (S,), computed in double."""
    return waveform.double().square().mean()


def mix_at_snr(speech: Tensor, noise: Tensor, snr_db: float) -> Tensor:
    """Add noise so that speech is `snr_db` louder than it.

    Args:
        speech: (S,) float.
        noise: (S,) float; `fit_length` brings it to S.
        snr_db: 10 log10 of the ratio of powers.

    Returns:
        (S,) of the dtype of `speech`; it may leave [-1, 1].

    Raises:
        MediaError: different lengths, or silence, which has no ratio to anything.
    """
    return (speech.double() + scale_to_snr(speech, noise, snr_db)).to(speech.dtype)


def scale_to_snr(speech: Tensor, noise: Tensor, snr_db: float) -> Tensor:
    """The noise (S,) float64 as loud as `mix_at_snr` adds it."""
    if speech.shape != noise.shape or speech.ndim != 1:
        raise MediaError(
            f"speech {tuple(speech.shape)} and noise {tuple(noise.shape)}: expected two waveforms "
            "(S,) of one length"
        )
    loud, noisy = power(speech), power(noise)
    if not loud > 0 or not noisy > 0:
        silent = "noise" if loud > 0 else "speech"
        raise MediaError(f"the {silent} is silent, so there is no signal-to-noise ratio")
    return noise.double() * (loud / noisy / 10 ** (snr_db / 10)).sqrt()


def fit_length(noise: Tensor, samples: int, draw: Random | None = None) -> Tensor:
    """Noise of any length as (samples,): repeated if short, a part if long.

    Args:
        noise: (N,).
        samples: wanted length.
        draw: chooses the part; None takes the start.
    """
    if noise.ndim != 1 or not len(noise):
        raise MediaError(f"noise: expected a waveform (S,), got shape {tuple(noise.shape)}")
    if len(noise) < samples:
        noise = noise.repeat(ceil(samples / len(noise)))
    start = draw.randint(0, len(noise) - samples) if draw is not None else 0
    return noise[start : start + samples]


def babble(voices: Sequence[Tensor], samples: int, draw: Random, count: int = 8) -> Tensor:
    """Several people talking at once: `count` utterances at equal power, each from a random place.

    Args:
        voices: waveforms (S,) of other speakers; never the clip itself.
        samples: wanted length.
        draw: chooses voices and places.
        count: how many talk.

    Returns:
        (samples,) float32.
    """
    audible = [voice for voice in voices if power(voice) > 0]
    if not audible:
        raise MediaError(f"babble: none of the {len(voices)} recordings has sound")
    chosen = draw.sample(audible, count) if len(audible) >= count else audible
    parts = [fit_length(voice / power(voice).sqrt(), samples, draw) for voice in chosen]
    return torch.stack(parts).sum(dim=0).to(torch.float32)


def avhubert_noise(speech: Tensor, noise: Tensor, snr_db: float) -> Tensor:
    """AV-HuBERT's training noise on 16-bit samples.

    Args:
        speech: (S,) int16.
        noise: (N,) int16, repeated or cut from its start.
        snr_db: ratio of the effective values.

    Returns:
        (S,) int16; a mixture that would clip is turned down as a whole.
    """
    clean = speech.float()
    noise = fit_length(noise.float(), len(clean))
    loudness = (clean.square().mean().sqrt(), noise.square().mean().sqrt())
    mixed = clean + noise * (loudness[0] / 10 ** (snr_db / 20) / loudness[1])
    high, low = float(mixed.max()), float(mixed.min())
    if high > _INT16.max or low < _INT16.min:
        mixed = mixed * (_INT16.max / high if high >= -low else _INT16.min / low)
    return mixed.to(torch.int16)  # parity: towards zero


def relscore_train_noise(
    speech: Tensor, noise: Tensor, draw: Random, snr_db: float | None = None
) -> Tensor:
    """AV-RelScore's training noise: one level, and half of the time four holes in the mixture.

    Args:
        speech: (S,) float.
        noise: (N,) float, N of at least S.
        draw: level (unless given), start, holes or not, their starts, their lengths.
        snr_db: level; None draws one of `TRAIN_LEVELS`.
    """
    level = draw.choice(TRAIN_LEVELS) if snr_db is None else snr_db
    mixed = mix_at_snr(speech, fit_length(noise, len(speech), draw), level)
    if draw.random() < 0.5:
        starts = draw.sample(range(len(mixed)), 4)
        for start, length in zip(starts, draw.choices(range(len(mixed) // 8), k=4)):
            mixed[start : start + length] = 0.0
    return mixed


def relscore_test_noise(
    speech: Tensor, noises: Sequence[Tensor], draw: Random, snr_db: float, *, gaps: bool = False
) -> Tensor:
    """The noise of AV-RelScore's corrupted test sets.

    Args:
        speech: (S,) float.
        noises: recordings (N,) of at least S samples.
        draw: recording, start, and with `gaps` their number, starts and lengths.
        snr_db: level over the whole clip, gaps not counted.
        gaps: silence one to five spans of the noise.
    """
    noise = scale_to_snr(speech, fit_length(draw.choice(noises), len(speech), draw), snr_db)
    if gaps:
        count = draw.randint(1, 5)
        longest = len(noise) // count // 2
        for start in draw.sample(range(len(noise) - longest + 1), count):
            # a clip too short for the shortest gap loses the longest that fits
            length = draw.choice(range(min(_MIN_SILENCE, longest), longest + 1))
            noise[start : start + length] = 0.0
    mixed = speech.double() + noise
    peak = mixed.max()  # parity: only the positive peak counts
    return (mixed / peak if peak > 1 else mixed).to(speech.dtype)
