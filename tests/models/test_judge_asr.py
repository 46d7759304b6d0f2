"""The recogniser of the tiny corpora: features, decoding, transcription, and the shipped weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.models.fresh_clips import Said, recordings
from zoo.audio.variation import Variation, changed_speed, coloured_noise
from zoo.errors import MediaError
from zoo.metrics.asr import ASRWER
from zoo.metrics.wer import WER
from zoo.models.judge_asr import alphabet
from zoo.models.judge_asr.config import JudgeASRConfig
from zoo.models.judge_asr.module import JudgeASR
from zoo.models.judge_asr.network import SpeechFeatures
from zoo.nn.greedy_ctc import greedy_symbols
from zoo.tasks import Recognizer, Speech, Video

SHIPPED = "judge_asr.tiny"


@pytest.fixture(scope="module")
def model() -> JudgeASR:
    torch.manual_seed(0)
    return JudgeASR(JudgeASRConfig.tiny()).eval()


@pytest.fixture(scope="module")
def judge() -> JudgeASR:
    return JudgeASR.from_pretrained(SHIPPED)


@pytest.fixture(scope="module")
def said() -> list[Said]:
    return recordings(96)


def path_of(symbols: list[int]) -> Tensor:
    """Log probabilities (1, T, 5) of which `symbols` are the best path."""
    return torch.nn.functional.one_hot(torch.tensor([symbols]), 5).float().log_softmax(-1)


def test_best_path() -> None:
    found = greedy_symbols(path_of([0, 1, 1, 0, 1, 2, 2, 2, 0]), torch.tensor([9]))[0]
    assert [(s.id, s.start, s.stop) for s in found] == [(1, 1, 3), (1, 4, 5), (2, 5, 8)]
    assert greedy_symbols(path_of([1, 1, 2]), torch.tensor([2]))[0][-1].id == 1
    assert greedy_symbols(path_of([0, 0]), torch.tensor([2])) == [[]]


def test_text_survives_the_alphabet() -> None:
    ids = alphabet.encode("the boat's  4 oars")
    outputs = torch.nn.functional.one_hot(torch.tensor([ids]), alphabet.SIZE).float()
    symbols = greedy_symbols(outputs.log_softmax(-1), torch.tensor([len(ids)]))[0]
    assert alphabet.decode(symbols) == "THE BOAT'S 4 OARS"
    words = alphabet.words(symbols, 0.02)
    assert [word.text for word in words] == ["THE", "BOAT'S", "4", "OARS"]
    assert words[1].start_s == pytest.approx(0.08)
    assert words[1].end_s == pytest.approx(0.2)


def test_features_ignore_level_and_what_is_far_below_the_speech() -> None:
    features = SpeechFeatures(80, 6.5)
    time = torch.arange(8000) / 16000
    tone = 0.3 * torch.sin(2 * torch.pi * 440 * time) * (time % 0.2 < 0.1)
    lengths = torch.tensor([8000])
    loud, frames = features(tone[None], lengths)
    assert loud.shape == (1, 50, 80)
    assert frames.tolist() == [50]
    quiet, _ = features(0.1 * tone[None], lengths)
    torch.testing.assert_close(loud, quiet, atol=2e-2, rtol=0)
    hiss, _ = features((tone + 1e-5 * torch.randn(8000))[None], lengths)
    torch.testing.assert_close(loud, hiss, atol=2e-2, rtol=0)


def test_it_hears_the_sound_of_a_video_and_nothing_else(model: JudgeASR) -> None:
    assert isinstance(model, Recognizer)
    frames, sound = torch.zeros(25, 3, 8, 8, dtype=torch.uint8), 0.1 * torch.randn(16000)
    speech = Speech(sound, 16000)
    assert model.transcribe(Video(frames, 25.0, speech)) == model.transcribe(audio=speech)
    assert model.transcribe(Video(frames, 25.0), sound) == model.transcribe(audio=sound)
    with pytest.raises(MediaError, match="only hears"):
        model.transcribe(Video(frames, 25.0))
    with pytest.raises(MediaError, match="only hears"):
        model.transcribe()
    with pytest.raises(MediaError, match="40 ms"):
        model.transcribe(audio=torch.zeros(600))
    assert model.transcribe(audio=[]) == []


def test_variation_is_mild_and_drawn_by_the_generator() -> None:
    speech = 0.1 * torch.sin(torch.arange(16000) / 9)
    vary = Variation()
    first = vary(speech, np.random.default_rng(3))
    assert torch.equal(first, vary(speech, np.random.default_rng(3)))
    sizes = [len(vary(speech, np.random.default_rng(k))) for k in range(20)]
    assert min(sizes) > 16000 / 1.15
    assert max(sizes) < 16000 / 0.86
    assert len(changed_speed(speech, 1.25)) == 12800
    noise = coloured_noise(16000, 2.0, np.random.default_rng(0))
    spectrum = torch.fft.rfft(noise).abs()
    assert spectrum[100:200].mean() > 10 * spectrum[4000:8000].mean()


def wer(judge: JudgeASR, said: list[Said], sounds: list[Tensor]) -> float:
    heard = [transcript.text for transcript in judge.transcribe(audio=sounds)]
    return next(iter(WER().score(heard, [one.text for one in said]).values()))


def test_shipped_it_understands_held_out_people_and_sentences(
    judge: JudgeASR, said: list[Said]
) -> None:
    assert wer(judge, said, [one.sound for one in said]) < 5.0


def test_shipped_it_punishes_bad_speech(judge: JudgeASR, said: list[Said]) -> None:
    assert wer(judge, said, [one.sound.flip(0) for one in said]) > 80.0
    noise = torch.Generator().manual_seed(0)
    loud = [one.sound + 0.1 * torch.randn(len(one.sound), generator=noise) for one in said]
    assert wer(judge, said, loud) > 30.0


def test_shipped_it_times_words(judge: JudgeASR, said: list[Said]) -> None:
    apart = []
    for one, found in zip(said, judge.transcribe(audio=[one.sound for one in said]), strict=True):
        assert found.score < 0
        assert all(0 <= word.confidence <= 1 for word in found.words)
        if found.text == one.text:
            apart += [w.start_s - start for w, start in zip(found.words, one.starts, strict=True)]
    assert np.abs(np.median(apart)) < 0.08
    assert np.percentile(np.abs(apart), 90) < 0.15


def test_shipped_it_is_the_judge_of_a_metric(said: list[Said], tmp_path: Path) -> None:
    metric = ASRWER(judge=SHIPPED)
    assert metric.available() is None
    paths = [Speech(one.sound, 16000).save(tmp_path / f"{k}.wav") for k, one in enumerate(said[:4])]
    found = metric.score(paths, [one.text for one in said[:4]])
    assert found.keys() >= {f"asr_wer[norm=lrs@1,asr={SHIPPED}]"}
    assert all(0 <= value <= 100 for value in found.values())
