from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from zoo.data.corpora.espeak import Voice, languages, speak, variants
from zoo.data.corpora.speakers import ACCENTS, TIMBRES
from zoo.errors import ZooError

SENTENCE = "A big red ball, beside a small house."


def test_samples_do_not_depend_on_what_was_said_before() -> None:
    voice = Voice(variant="f2", pitch=60, rate=190)
    first = speak(SENTENCE, voice)
    speak("Something else altogether!", Voice(language="es", variant="m3"))
    speak(SENTENCE, Voice(variant="klatt"))
    second = speak(SENTENCE, voice)
    np.testing.assert_array_equal(first.samples, second.samples)
    assert first.phonemes == second.phonemes


def test_phonemes_and_words_have_times() -> None:
    said = speak(SENTENCE)
    length = 1e3 * len(said.samples) / said.sample_rate
    assert 1500 < length < 4000
    assert " ".join(w.label for w in said.words) == "A big red ball beside a small house"
    assert "".join(p.label for p in said.phonemes).startswith("ɐbˈɪɡ")
    for segments in (said.phonemes, said.words):
        for one, following in pairwise(segments):
            assert 0 <= one.start_ms < one.end_ms <= following.start_ms
        assert segments[-1].end_ms <= length + 1e-6
    ball, beside = said.words[3:5]
    assert beside.start_ms - ball.end_ms > 50  # the comma's pause belongs to neither


def test_times_fit_the_sound() -> None:
    said = speak("ball, box")
    silence = next(p for p in said.phonemes if not p.label)
    first, last = (round(ms * said.sample_rate / 1e3) for ms in (silence.start_ms, silence.end_ms))
    pause = np.abs(said.samples[first + 500 : last - 500]).max()
    assert pause < 0.02 * np.abs(said.samples).max()


def test_pitch_pace_and_tract() -> None:
    def seconds(voice: Voice) -> float:
        said = speak(SENTENCE, voice)
        return len(said.samples) / said.sample_rate

    plain = seconds(Voice())
    assert seconds(Voice(rate=120)) > 1.2 * plain
    assert seconds(Voice(tract=1.1)) == pytest.approx(plain, rel=0.05)
    assert speak("a", Voice(tract=1.1)).sample_rate == pytest.approx(22050 * 1.1)
    assert not np.array_equal(speak("a", Voice(pitch=70)).samples, speak("a", Voice()).samples)


@pytest.mark.parametrize("language", ["en-us", "en", "es", "fr", "it", "pt"])
def test_languages(language: str) -> None:
    said = speak("niño où città você", Voice(language=language, variant="f1"))
    assert [w.label for w in said.words] == ["niño", "où", "città", "você"]
    assert len(said.phonemes) >= 8


def test_words_said_as_one_are_one_segment() -> None:
    said = speak("a box on the street")
    assert [w.label for w in said.words] == ["a", "box", "on the", "street"]


def test_every_accent_and_timbre_of_the_corpora_exists() -> None:
    assert set(TIMBRES) <= set(variants())
    assert set(ACCENTS) <= {name.lower() for name in languages()}
    assert len(set(TIMBRES)) == len(TIMBRES)


@pytest.mark.parametrize(
    ("voice", "message"),
    [
        (Voice(variant="nobody"), r"no variant 'nobody'; there are: .*f1"),
        (Voice(language="tlh"), r"no language 'tlh'; there are: .*en-US"),
    ],
)
def test_unknown_voice(voice: Voice, message: str) -> None:
    with pytest.raises(ZooError, match=message):
        speak("hello", voice)
