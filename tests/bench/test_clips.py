"""What a task does to a clip before a model sees it: drawn by id, the same on every machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.bench.toy_clips import make_clips
from zoo.bench.adapters import adapt
from zoo.bench.clips import ClipLoader, partner_samples
from zoo.bench.dataset import Loaded
from zoo.bench.media import media_name
from zoo.bench.noises import noise_digest, noise_files
from zoo.bench.prefetch import Prefetched
from zoo.bench.samples import read_samples
from zoo.bench.task import Task, load_task
from zoo.errors import BenchError
from zoo.tasks import Caption, Speech


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return make_clips(tmp_path_factory.mktemp("clips"), videos=3, segments=2)


def loaded(task: str | Task, root: Path, index: int = 0, **options):
    task = load_task(task)
    samples = read_samples(task, root)
    return ClipLoader(task, root, samples, **options)(samples[index])


def level(clean, noisy) -> float:
    """Ratio of the speech to what was added, as far as the peak was not turned down."""
    gain = float((noisy @ clean) / (clean @ clean))
    noise = noisy - gain * clean
    return float(10 * torch.log10((gain * clean).square().mean() / noise.square().mean()))


@pytest.mark.parametrize("snr", [-5, 0, 10])
def test_babble_has_its_level_and_is_drawn_by_the_id(snr, root) -> None:
    clean = loaded("tiny-lrs3-asr", root).audio.waveform
    noisy = loaded(f"tiny-lrs3-asr-babble{snr}", root).audio.waveform
    again = loaded(f"tiny-lrs3-asr-babble{snr}", root).audio.waveform
    assert torch.equal(noisy, again) and noisy.abs().max() <= 1
    assert level(clean, noisy) == pytest.approx(snr, abs=0.5)
    other = loaded(f"tiny-lrs3-asr-babble{snr}", root, 1)
    assert not torch.equal(noisy[:1000], other.audio.waveform[:1000])


def test_levels_differ_in_strength_alone(root) -> None:
    clean = loaded("tiny-lrs3-asr", root).audio.waveform
    added = [loaded(f"tiny-lrs3-avsr-babble{snr}", root).audio.waveform - clean for snr in (5, 10)]
    ratio = added[0].norm() / added[1].norm()
    assert torch.allclose(added[0], added[1] * ratio, atol=1e-4)


def test_babble_of_a_user_and_of_nobody(root, tmp_path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 40_000)
    soundfile.write(tmp_path / "n.wav", noise, 16_000)
    files = noise_files(tmp_path)
    clean = loaded("tiny-lrs3-asr", root).audio.waveform
    noisy = loaded("tiny-lrs3-asr-babble0", root, noise=files).audio.waveform
    assert level(clean, noisy) == pytest.approx(0, abs=0.5)
    assert len(noise_digest(files)) == 64
    with pytest.raises(BenchError, match="no recording"):
        noise_files(tmp_path / "none")
    alone = make_clips(tmp_path / "alone", videos=1, segments=2)
    with pytest.raises(BenchError, match="--noise"):
        loaded("tiny-lrs3-asr-babble0", alone)


def test_corrupted_pictures_leave_the_sound(root) -> None:
    clean, hidden = (loaded(f"tiny-lrs3-avsr{n}", root) for n in ("", "-corrupted-video"))
    assert torch.equal(clean.audio.waveform, hidden.audio.waveform)
    assert not torch.equal(clean.video.frames, hidden.video.frames)
    again = loaded("tiny-lrs3-avsr-corrupted-video", root)
    assert torch.equal(hidden.video.frames, again.video.frames)


def test_computed_conditions(root) -> None:
    task = replace(
        load_task("tiny-lrs3-asr"), conditions=("clean", "zoo-noise-hard", "zoo-3dist-hard")
    )
    samples = read_samples(task, root)
    load = ClipLoader(task, root, samples)
    clean, noisy, worst = (load(samples[i]).audio.waveform for i in (0, 6, 12))
    assert samples[6].clip == samples[0].id.removeprefix("clean/")
    assert level(clean, noisy) < 5.1 and not torch.equal(noisy, worst)


def test_a_clip_may_be_a_part_of_its_file(root) -> None:
    task = load_task("tiny-lrs3-avsr")
    samples = read_samples(task, root)
    part = replace(samples[0], start_s=0.2, end_s=0.6)
    clip = ClipLoader(task, root, samples)(part)
    assert len(clip.video.frames) == 10 and len(clip.audio.waveform) == 6400
    whole = ClipLoader(task, root, samples)(samples[0])
    assert torch.equal(clip.video.frames, whole.video.frames[5:15])
    assert torch.equal(clip.audio.waveform, whole.audio.waveform[3200:9600])


def test_the_voice_is_of_another_clip_of_the_same_source(root) -> None:
    samples = read_samples(load_task("tiny-lrs3-v2s"), root)
    for sample in samples:
        assert sample.other != sample.sound and sample.cluster in sample.other
    assert loaded("tiny-lrs3-v2s", root).speaker is not None


def test_partners_are_of_other_sources(root) -> None:
    samples = read_samples(load_task("tiny-lrs3-vsr"), root)
    found = partner_samples(samples, 0)
    assert len(found) == len(samples)
    assert all(found[s.id].cluster != s.cluster for s in samples)
    assert partner_samples(samples[:2], 0) == {}


def test_a_face_is_a_clip_or_a_picture(root) -> None:
    task = load_task("tiny-lrs3-talking-face")
    clip = loaded(task, root)
    picture = loaded(replace(task, inputs=("face_picture", "audio")), root)
    assert torch.equal(clip.face.frames[0], picture.face.pixels) and clip.video is None


class Describer:
    """Implements SpeechCaptioner."""

    def describe(self, image, *, seed: int = 0) -> list[Caption]:
        return [Caption((1, 2), Speech(torch.ones(8), 16_000), f"{one}") for one in image]


class Translator:
    """Implements SpeechTranslator: speech, or the face that speaks where there is one."""

    def translate(self, speech, source_language, target_language, *, face=None, seed=0):
        assert (source_language, target_language) == ("en", "es")
        return list(speech) if face is None else [replace(f, speech=None) for f in face]


def test_captions_and_translations_become_outputs(root) -> None:
    task = load_task("tiny-lrs3-asr")
    captioning = replace(task, protocol="SpeechCaptioner")
    (output,) = adapt(Describer(), captioning).predict([Loaded(None, media="a dog")])
    assert output["text"] == "a dog" and len(output["speech"].waveform) == 8
    translating = replace(task, protocol="SpeechTranslator", languages=("en", "es"))
    heard = Loaded(None, media=loaded(translating, root))
    (output,) = adapt(Translator(), translating).predict([heard])
    assert torch.equal(output["speech"].waveform, heard.media.audio.waveform)
    seen = replace(translating, inputs=("audio", "face_clip"))
    (output,) = adapt(Translator(), seen).predict([Loaded(None, media=loaded(seen, root))])
    assert output["video"].speech is not None


def test_ids_become_plain_paths() -> None:
    assert media_name("clean/abc_-1/00001") == "clean/abc_-1/00001"
    assert media_name("../a b/..") == "_/a_b/_"


def test_prefetching_keeps_order_and_errors() -> None:
    class Loader:
        def __init__(self, items) -> None:
            self.items = items

        def __len__(self) -> int:
            return len(self.items)

        def __iter__(self):
            for item in self.items:
                if item is None:
                    raise OSError("worker died")
                yield item

    assert list(Prefetched(Loader(list(range(20))))) == list(range(20))
    assert len(Prefetched(Loader([1, 2]))) == 2
    broken = iter(Prefetched(Loader([1, 2, None])))
    assert [next(broken), next(broken)] == [1, 2]
    with pytest.raises(OSError, match="worker died"):
        next(broken)
    early = iter(Prefetched(Loader(list(range(100)))))
    assert next(early) == 0
    early.close()
