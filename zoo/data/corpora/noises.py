"""Noise for tests: babble, music and wind, made of nothing that any training clip holds."""

from __future__ import annotations

from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from zoo.data.corpora.espeak import speak
from zoo.data.corpora.grammar import draw_sentence
from zoo.data.corpora.speakers import SAMPLE_RATE
from zoo.data.corpora.talkers import Talker, draw_talkers

Sound = NDArray[np.float32]
SECONDS: Final = 12
_BABBLERS: Final = 8
_SCALE: Final = (0, 2, 4, 7, 9, 12)  # semitones


def make_noises(seed: int) -> list[Sound]:
    """Six recordings (N,) at 16 kHz: three of babble, two of music, one of wind."""
    talkers = draw_talkers(seed)["dev"]
    rng = np.random.default_rng([seed, 40])
    babbles = [_babble(talkers, rng) for _ in range(3)]
    return [*babbles, _music(rng), _music(rng), _wind(rng)]


def _babble(talkers: list[Talker], rng: np.random.Generator) -> Sound:
    chosen = rng.choice(len(talkers), _BABBLERS, replace=False)
    return _leveled(sum((_monologue(talkers[int(k)], rng) for k in chosen), _silence()))


def _monologue(talker: Talker, rng: np.random.Generator) -> Sound:
    text = ". ".join(draw_sentence(rng, held_out=False).words("en") for _ in range(SECONDS))
    said = speak(text, talker.speaker.voice)
    samples = _leveled(soxr.resample(said.samples, said.sample_rate, SAMPLE_RATE))
    return np.roll(np.resize(samples, SECONDS * SAMPLE_RATE), int(rng.integers(SAMPLE_RATE)))


def _music(rng: np.random.Generator) -> Sound:
    """A tune of plucked notes over a slow bass."""
    mix = _silence()
    for beat, low in ((0.25, 52), (0.5, 40), (1.0, 33)):
        length = int(beat * SAMPLE_RATE)
        times = np.arange(length) / SAMPLE_RATE
        for start in range(0, len(mix) - length, length):
            pitch = low + _SCALE[int(rng.integers(len(_SCALE)))]
            tone = 440 * 2 ** ((pitch - 69) / 12)
            waves = sum(np.sin(2 * np.pi * k * tone * times) / k**1.5 for k in range(1, 7))
            mix[start : start + length] += (waves * np.exp(-3 * times / beat)).astype(np.float32)
    return _leveled(mix)


def _wind(rng: np.random.Generator) -> Sound:
    count = SECONDS * SAMPLE_RATE
    spectrum = np.fft.rfft(rng.normal(size=count))
    spectrum /= np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE), 40) ** 0.8
    gusts = 1 + 0.6 * np.sin(2 * np.pi * np.linspace(0, SECONDS / 3, count) + rng.uniform(0, 6))
    return _leveled((np.fft.irfft(spectrum, count) * gusts).astype(np.float32))


def _silence() -> Sound:
    return np.zeros(SECONDS * SAMPLE_RATE, np.float32)


def _leveled(samples: Sound) -> Sound:
    level: Sound = (0.05 * samples / np.sqrt(np.mean(np.square(samples)))).astype(np.float32)
    return level
