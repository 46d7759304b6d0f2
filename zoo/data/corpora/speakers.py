"""Speakers of the tiny corpora: an espeak-ng timbre with an accent, a pitch, a pace and a tract."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import soxr
from numpy.typing import NDArray

from zoo.data.corpora.espeak import Utterance, Voice, speak
from zoo.data.corpora.timbres import COUNT, drawn_name

SAMPLE_RATE = 16000
# timbres that sound like people: no whisper, robot, Klatt or comic voices, none that drags
_TIMBRES = (
    "Alex Alicia Andrea Andy Annie Denis Diogo Gene Henrique Hugo Jacky Lee Mario Michael Mike "
    "anika antonio belinda boris ed f1 f2 f3 f4 f5 grandma grandpa gustave ian iven iven2 john "
    "kaukovalta linda m1 m2 m3 m4 m5 m6 m7 m8 marcelo max michel miguel norbert pablo paul pedro "
    "quincy rob robert sandro shelby steph steph2 travis victor zac"
)
TIMBRES = tuple(_TIMBRES.split())
ACCENTS = ("en-us", "en-us", "en-us", "en", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc", "en-029")
HELD_OUT_TIMBRES = 8  # for dev, and as many for test


@dataclass(frozen=True)
class Speaker:
    """A numbered voice; every sentence varies its pitch and pace a little."""

    number: int
    voice: Voice


@dataclass(frozen=True)
class Recording:
    """A spoken sentence: samples (S,) float32 at 16 kHz, and the truth about it."""

    samples: NDArray[np.float32]
    utterance: Utterance
    voice: Voice
    lead_ms: float
    snr_db: float


def draw_speakers(
    seed: int, splits: tuple[str, str, str], timbres: int = 0
) -> dict[str, list[Speaker]]:
    """Disjoint speakers for a training and two held-out splits.

    The seed draws their accents, pitches, paces and tracts; which timbre belongs to which split
    is the same for every seed, so that no held-out voice of one corpus trains in another.

    Args:
        seed: draws everything else.
        splits: names of the three.
        timbres: training speakers with as many timbres of their own, drawn by the seed as well,
            in place of those with espeak-ng's.
    """
    order = [TIMBRES[int(k)] for k in np.random.default_rng(0).permutation(len(TIMBRES))]
    rng = np.random.default_rng([seed, 1])
    speakers = [Speaker(number + 1, _draw_voice(name, rng)) for number, name in enumerate(order)]
    train, dev, test = splits
    cut = len(speakers) - 2 * HELD_OUT_TIMBRES
    return {
        train: _drawn_speakers(seed, timbres, len(order)) if timbres else speakers[:cut],
        dev: speakers[cut : cut + HELD_OUT_TIMBRES],
        test: speakers[cut + HELD_OUT_TIMBRES :],
    }


def _drawn_speakers(seed: int, count: int, others: int) -> list[Speaker]:
    """Speakers of drawn timbres, numbered after the `others`."""
    rng = np.random.default_rng([seed, 15])
    numbers = rng.choice(COUNT, count, replace=False)
    return [
        Speaker(others + 1 + k, _draw_voice(drawn_name(int(number)), rng))
        for k, number in enumerate(numbers)
    ]


def _draw_voice(timbre: str, rng: np.random.Generator) -> Voice:
    return Voice(
        language=ACCENTS[int(rng.integers(len(ACCENTS)))],
        variant=timbre,
        pitch=int(rng.integers(30, 71)),
        pitch_range=int(rng.integers(35, 71)),
        rate=int(rng.integers(175, 211)),
        tract=round(float(rng.uniform(0.92, 1.08)), 3),
    )


def record(text: str, speaker: Speaker, rng: np.random.Generator) -> Recording:
    """Let a speaker say a sentence into a quiet room's microphone."""
    base = speaker.voice
    voice = replace(
        base,
        pitch=base.pitch + int(rng.integers(-5, 6)),
        rate=base.rate + int(rng.integers(-12, 13)),
    )
    utterance = speak(text, voice)
    speech = soxr.resample(utterance.samples, utterance.sample_rate, SAMPLE_RATE)
    before, after = (int(rng.uniform(0.05, 0.2) * SAMPLE_RATE) for _ in range(2))
    level = 10 ** (rng.uniform(-27, -19) / 20)
    samples = np.pad(speech * (level / max(_rms(speech), 1e-6)), (before, after))
    snr_db = round(float(rng.uniform(25, 45)), 2)
    samples = samples + rng.normal(0, level * 10 ** (-snr_db / 20), len(samples))
    samples = np.clip(samples, -0.999, 0.999).astype(np.float32)
    return Recording(samples, utterance, voice, 1e3 * before / SAMPLE_RATE, snr_db)


def _rms(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
