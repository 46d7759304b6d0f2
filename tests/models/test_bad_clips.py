"""Clips as users have them: without a face, of one frame, of a minute, at another rate, silent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.make_media import tone, write_clip
from tests.models import batches
from tests.models.test_all import model_class
from zoo.errors import MediaError
from zoo.models.avhubert.config import AVHuBERTModelConfig
from zoo.tasks import Picture, Speech, Transcript, Video
from zoo.video.landmarks import Landmarks

READERS = ("av_relscore", "avhubert", "akvsr", "lmdecoder")
FACES = ("wav2lip_syncnet", "synctalkface")
MINUTE = 60 * 25
every_reader = pytest.mark.parametrize("slug", READERS)
every_face = pytest.mark.parametrize("slug", FACES)


class Blind:
    """Finds no face, and remembers that it looked."""

    def __init__(self) -> None:
        self.frames = 0

    def detect(self, frames: Tensor) -> Landmarks:
        self.frames += len(frames)
        return Landmarks(np.full((len(frames), 68, 2), np.nan))


def build(slug: str, **changes: Any) -> Any:
    """The smallest model of its kind that can do its task, made ready."""
    torch.manual_seed(0)
    config: Any = batches.tiny_config(slug)
    if slug == "avhubert":
        small = {"search.beam": 2, "search.ctc_weight": 0.0}
        config = AVHuBERTModelConfig.preset("tiny_s2s", small)
    model = model_class(slug)(config.replace(**changes)).eval()
    if slug == "avhubert":
        batches.give_subwords(model)
    else:
        batches.prepare(slug, model)
    return model


def looking(slug: str) -> Any:
    """One that looks for the mouth, as models of the papers do."""
    if slug == "av_relscore":
        return build(slug, **{"input.mouth_preset": "av_relscore"})
    return build(slug, **{"window.mouths": "aligned"})


def short_texts(slug: str) -> Any:
    """One whose untrained decoder does not write a page about a minute."""
    if slug == "av_relscore":
        greedy = {"decoding.beam": 1, "decoding.ctc_weight": 0.0}
        return build(slug, **greedy, **{"encoder.num_layers": 1})
    return build(slug, **{"search.beam": 1, "search.max_length_share": 0.005})


def mouths(frames: int) -> Tensor:
    draw = torch.Generator().manual_seed(frames)
    return torch.randint(0, 256, (frames, 3, 96, 96), generator=draw, dtype=torch.uint8)


def tracks(frames: int) -> Tensor:
    """Faces as LRS has them, in noise."""
    return torch.randint(0, 256, (frames, 3, 128, 128), dtype=torch.uint8)


def slow_and_fast(frames: int) -> tuple[Tensor, Video]:
    clip = mouths(frames)
    return clip, Video(clip.repeat_interleave(2, dim=0), 50.0)


def other_end(clip: Tensor) -> Tensor:
    """The same until the last second."""
    changed = clip.clone()
    changed[-25:] = 255 - changed[-25:]
    return changed


# recognisers


@every_reader
def test_readers_refuse_a_clip_without_a_face(slug: str) -> None:
    blind = Blind()
    with pytest.raises(MediaError, match="none of the 5 frames has a face"):
        looking(slug).transcribe(tracks(5), landmarks=blind)
    assert blind.frames == 5
    # one whose window is fixed looks for nothing, and says so in the log: the track is read
    assert isinstance(build(slug).transcribe(tracks(5), landmarks=blind), Transcript)
    assert blind.frames == 5


@every_reader
def test_readers_read_one_frame(slug: str) -> None:
    found = build(slug).transcribe(mouths(1))
    assert all(0 <= word.start_s <= word.end_s <= 0.04 for word in found.words)


@every_reader
def test_readers_read_a_minute_to_its_end(slug: str) -> None:
    model, clip = short_texts(slug), mouths(MINUTE)
    whole, changed = model.transcribe(clip), model.transcribe(other_end(clip))
    assert all(0 <= word.end_s <= 60 for word in whole.words)
    assert whole.score != changed.score, "the last second counts"


@every_reader
def test_readers_bring_50_frames_a_second_to_25(slug: str) -> None:
    slow, fast = slow_and_fast(8)
    model = build(slug)
    assert model.transcribe(fast) == model.transcribe(slow)
    assert model.transcribe(Video(slow, 50.0)).score != model.transcribe(slow).score


@pytest.mark.parametrize("slug", ["av_relscore", "avhubert"])
def test_audio_visual_readers_do_without_the_sound(slug: str, tmp_path: Path) -> None:
    silent = write_clip(tmp_path / "silent.mp4", frames=6, size=(96, 96))
    model = build(slug)
    assert model.reads == ("video", "audio")
    assert isinstance(model.transcribe(silent), Transcript)
    with pytest.raises(MediaError, match=r"silent\.mp4: has pictures but no sound"):
        model.transcribe(silent, silent)


@every_reader
def test_readers_refuse_a_language_they_do_not_know(slug: str) -> None:
    model = build(slug)
    with pytest.raises(MediaError, match=f"knows '{model.language}' only, not 'tlh'"):
        model.transcribe(mouths(2), language="tlh")
    assert model.transcribe(mouths(2), language=model.language) == model.transcribe(mouths(2))


# lips to speech


def test_no_speech_of_a_clip_without_a_face() -> None:
    blind = Blind()
    with pytest.raises(MediaError, match="none of the 4 frames has a face"):
        looking("lip2speech_unit").synthesize(tracks(4), landmarks=blind)
    model = build("lip2speech_unit")
    assert len(model.synthesize(tracks(4), landmarks=blind).waveform) == 4 * 640
    assert blind.frames == 4


def test_speech_of_a_minute_follows_its_end() -> None:
    model, clip = build("lip2speech_unit"), mouths(MINUTE)
    whole, changed = model.synthesize(clip).waveform, model.synthesize(other_end(clip)).waveform
    assert len(whole) == len(changed) == 60 * 16_000
    assert bool(whole.isfinite().all())
    assert not torch.equal(whole[-16_000:], changed[-16_000:])


def test_speech_of_50_frames_a_second_is_that_of_25() -> None:
    slow, fast = slow_and_fast(6)
    model = build("lip2speech_unit")
    found = model.synthesize(fast).waveform
    assert len(found) == 6 * 640
    assert torch.equal(found, model.synthesize(slow).waveform)


def test_a_voice_needs_a_recording_with_sound(tmp_path: Path) -> None:
    silent = write_clip(tmp_path / "silent.mp4", frames=6, size=(96, 96))
    with pytest.raises(MediaError, match=r"silent\.mp4: has pictures but no sound"):
        build("lip2speech_unit").synthesize(mouths(3), str(silent))
    with pytest.raises(MediaError, match="no samples"):
        build("lip2speech_unit").synthesize(mouths(3), torch.zeros(0))


# talking faces


def said(seconds: float) -> Speech:
    return Speech(torch.from_numpy(tone(seconds, 16_000)), 16_000)


@every_face
def test_no_film_of_a_clip_without_a_face(slug: str) -> None:
    model = build(slug)
    for face in (tracks(1)[0], Video(tracks(4), 25.0)):
        with pytest.raises(MediaError, match="frames has a face"):
            model.animate(face, said(0.2), landmarks=Blind())


@every_face
def test_a_clip_of_one_frame_is_a_picture(slug: str) -> None:
    model, picture = build(slug), tracks(1)
    film = model.animate(Video(picture, 25.0), said(0.4))
    assert film.frames.shape == (10, 3, 128, 128)
    assert torch.equal(film.frames, model.animate(Picture(picture[0]), said(0.4)).frames)


@every_face
def test_a_film_of_a_minute_is_painted_to_its_end(slug: str) -> None:
    model, sound = build(slug), said(60.0)
    other = Speech(sound.waveform.clone(), 16_000)
    other.waveform[-16_000:] = torch.randn(16_000) * 0.1
    face = Video(torch.randint(0, 256, (10, 3, 64, 64), dtype=torch.uint8), 25.0)
    film, changed = model.animate(face, sound).frames, model.animate(face, other).frames
    assert len(film) == MINUTE
    assert torch.equal(film[:1470], changed[:1470])
    assert not torch.equal(film[-20:], changed[-20:])


@every_face
def test_a_face_at_50_frames_a_second_stays_at_50(slug: str) -> None:
    frames = tracks(30)
    film = build(slug).animate(Video(frames, 50.0), said(0.5))
    assert film.fps == 50 and film.frames.shape == (25, 3, 128, 128)
    assert film.duration_s == pytest.approx(0.5)
    assert torch.equal(film.frames[:, :, 0], frames[:25, :, 0]), "each frame once, in its turn"


@every_face
@pytest.mark.parametrize("samples", [401, 640, 3199])
def test_a_sound_shorter_than_a_window_makes_a_film(slug: str, samples: int) -> None:
    """A frame hears 0.2 s; less is filled up, down to one column of the mel."""
    film = build(slug).animate(tracks(1)[0], torch.randn(samples) * 0.1)
    assert len(film.frames) == max(1, round(samples / 640))
    with pytest.raises(MediaError, match="400 samples are too short"):
        build(slug).animate(tracks(1)[0], torch.randn(400))


@every_face
def test_speech_must_have_sound(slug: str, tmp_path: Path) -> None:
    silent = write_clip(tmp_path / "silent.mp4", frames=6, size=(64, 64))
    with pytest.raises(MediaError, match=r"silent\.mp4: has pictures but no sound"):
        build(slug).animate(tracks(1)[0], str(silent))
