"""The task protocols and the results that save themselves."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.make_media import tone
from zoo.audio import load_audio
from zoo.errors import MediaError
from zoo.tasks import (
    PROTOCOLS,
    Caption,
    Keyword,
    Picture,
    Recognizer,
    Span,
    Speech,
    SpeechImageRetriever,
    TalkingFace,
    Transcript,
    Video,
    VideoGenerator,
    Word,
    implements,
    save_keywords,
    save_spans,
)
from zoo.video import load_image, load_video

SPEECH = Speech(torch.from_numpy(tone(0.5, 24000)), 24000)
FRAMES = torch.full((10, 3, 32, 48), 90, dtype=torch.uint8)


def test_the_ten_protocols() -> None:
    names = {protocol.__name__ for protocol in PROTOCOLS}
    assert names == {
        "Recognizer",
        "VideoToSpeech",
        "Dubber",
        "TextToSpeech",
        "SpeechTranslator",
        "TalkingFace",
        "SpeechImageRetriever",
        "SpeechCaptioner",
        "VideoGenerator",
        "SubtitleAligner",
    }


def test_protocols_tell_models_apart() -> None:
    class Reader:
        def transcribe(self, video: Any, audio: Any = None) -> Transcript:
            return Transcript("")

    for model in (Reader, Reader()):
        assert implements(model, Recognizer) and implements(model, "Recognizer")
        assert not implements(model, SpeechImageRetriever)
    for protocol in PROTOCOLS:
        assert not implements(object(), protocol) and not implements(object, protocol)


def test_methods_of_the_same_name_are_not_enough() -> None:
    class Face:
        def animate(
            self, face: Any, speech: Any = None, *, text: Any = None, seed: int = 0
        ) -> Any: ...

        def encode_audio(self, mel: Any) -> Any: ...

        def generate(self, latent: Any, faces: Any, address: Any = None) -> Any: ...

    class Film:
        @torch.inference_mode()
        def generate(
            self, prompt: Any, seconds: float, *, seed: int = 0, steps: int = 9
        ) -> Any: ...

    assert issubclass(Face, VideoGenerator)  # why there is `implements`
    for face, film in ((Face, Film), (Face(), Film())):
        assert implements(face, TalkingFace) and not implements(face, VideoGenerator)
        assert implements(film, VideoGenerator) and not implements(film, TalkingFace)


@pytest.mark.parametrize(
    ("method", "fits"),
    [
        (lambda self, video, audio=None: None, True),
        (lambda self, video=None, audio=None, *, language="en": None, True),
        (lambda self, *args, **named: None, True),
        (lambda self, video: None, False),  # no sound
        (lambda self, clip, audio=None: None, False),  # of another name
        (lambda self, video, audio=None, *, language: None, False),  # wants more
        (lambda self, video, audio: None, False),  # wants the sound
        (None, False),
    ],
)
def test_parameters_decide(method: Any, fits: bool) -> None:
    kind = type("Model", (), {"transcribe": method})
    assert implements(kind, Recognizer) is fits
    assert implements(kind(), Recognizer) is fits


def test_every_protocol_implements_itself() -> None:
    for protocol in PROTOCOLS:
        found = [one for one in PROTOCOLS if implements(protocol, one)]
        assert found == [protocol]


def test_importing_is_cheap() -> None:
    code = (
        "import sys, zoo.tasks; print(sorted({'torch', 'PIL', 'av', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("result", "field"),
    [
        (Transcript("a"), "text"),
        (Word("a", 0, 1, 1), "text"),
        (SPEECH, "waveform"),
        (Picture(FRAMES[0]), "pixels"),
        (Video(FRAMES, 25.0), "frames"),
        (Caption((1,), SPEECH), "units"),
        (Span(0, 1, "a"), "text"),
        (Keyword("a", 1.0, 0), "word"),
    ],
)
def test_results_are_frozen(result: Any, field: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(result, field, None)


def test_transcript(tmp_path: Path) -> None:
    transcript = Transcript("GUTEN TAG Ü", -1.5, (Word("GUTEN", 0.0, 0.4, 0.9),))
    path = transcript.save(tmp_path / "new" / "a.txt")
    assert path.read_text("utf-8") == "GUTEN TAG Ü\n"
    data = json.loads(transcript.save(tmp_path / "a.json").read_text("utf-8"))
    assert data["words"] == [{"text": "GUTEN", "start_s": 0.0, "end_s": 0.4, "confidence": 0.9}]
    assert (data["text"], data["score"]) == ("GUTEN TAG Ü", -1.5)


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_speech(tmp_path: Path, ending: str) -> None:
    assert SPEECH.duration_s == 0.5
    path = SPEECH.save(tmp_path / f"a.{ending}")
    torch.testing.assert_close(load_audio(path, 24000), SPEECH.waveform, rtol=0, atol=1e-4)


def test_video(tmp_path: Path) -> None:
    video = Video(FRAMES, 20.0, SPEECH)
    assert video.duration_s == 0.5
    back = load_video(video.save(tmp_path / "a.mp4"), fps=20, with_audio=True)
    assert back.frames.shape == FRAMES.shape
    assert back.speech is not None
    assert load_image(video.save(tmp_path / "a.png")).size == (48, 32)


def test_the_picture_at_a_time(tmp_path: Path) -> None:
    frames = torch.arange(10, dtype=torch.uint8)[:, None, None, None].expand(10, 3, 4, 4)
    video = Video(frames, 25.0)
    assert [int(video.picture(t).pixels[0, 0, 0]) for t in (-1, 0, 0.05, 0.12, 9)] == [
        0,
        0,
        1,
        3,
        9,
    ]
    path = video.picture(0.12).save(tmp_path / "a.png")
    assert load_image(path).getpixel((0, 0)) == (3, 3, 3)


def test_caption(tmp_path: Path) -> None:
    caption = Caption((3, 1, 4), SPEECH, "a dog")
    assert caption.save(tmp_path / "a.txt").read_text() == "a dog\n"
    assert Caption((3, 1, 4), SPEECH).save(tmp_path / "b.txt").read_text() == "3 1 4\n"
    data = json.loads(caption.save(tmp_path / "a.json").read_text())
    assert data == {"units": [3, 1, 4], "text": "a dog", "duration_s": 0.5}
    assert load_audio(caption.save(tmp_path / "a.wav"), 24000).shape == (12000,)


def test_spans_and_keywords(tmp_path: Path) -> None:
    spans = [Span(0.0, 1.0, "one"), Span(1.0, 2.5, "two")]
    data = json.loads(save_spans(tmp_path / "a.json", spans).read_text())
    assert [Span(**row) for row in data] == spans
    keywords = [Keyword("dog", 0.9, 0), Keyword("grass", 0.4, 1)]
    assert save_keywords(tmp_path / "k.txt", keywords).read_text() == "dog\ngrass\n"
    data = json.loads(save_keywords(tmp_path / "k.json", keywords).read_text())
    assert [Keyword(**row) for row in data] == keywords


@pytest.mark.parametrize(
    ("save", "message"),
    [
        (lambda p: Transcript("a").save(p / "a.wav"), r"a transcript cannot be saved as '\.wav'"),
        (lambda p: SPEECH.save(p / "a.mp4"), r"unknown audio ending; use one of \.wav"),
        (lambda p: Video(FRAMES, 25.0).save(p / "a.avi"), r"a video cannot be saved as '\.avi'"),
        (lambda p: Picture(FRAMES[0]).save(p / "a"), "unknown picture ending"),
        (lambda p: Caption((), SPEECH).save(p / "a"), "saved as 'a file without an ending'; use"),
        (lambda p: save_spans(p / "a.txt", []), r"use one of \.srt, \.vtt, \.json"),
        (lambda p: save_keywords(p / "a.csv", []), r"use one of \.txt, \.json"),
    ],
)
def test_unknown_endings(tmp_path: Path, save: Any, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        save(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Speech(torch.zeros(2, 5), 16000), r"must be \(S,\), got shape \(2, 5\); mix it"),
        (lambda: Speech(torch.zeros(5), 0), "sample_rate must be above 0, got 0"),
        (lambda: Video(FRAMES, 0), "fps must be above 0, got 0"),
        (lambda: Video(FRAMES[0], 25.0), r"Video.frames must be \(T, 3, H, W\)"),
        (lambda: Video(FRAMES.float(), 25.0), "must be uint8 in 0..255, got torch.float32"),
        (lambda: Picture(FRAMES), r"Picture.pixels must be \(3, H, W\)"),
    ],
)
def test_results_check_what_they_hold(make: Any, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        make()
