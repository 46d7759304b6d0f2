"""A small corpus in the LRS3 layout, and deterministic models that solve most of it.

A clip says a colour, which its pictures have, and a number, which is the pitch of its sound: the
colour can only be seen and the number only be heard.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.bench.toy import COLOURS, colour_of
from zoo.audio import as_waveform
from zoo.bench import Result, run_task, score_run
from zoo.tasks import Speech, Transcript, Video
from zoo.video import as_video, save_video

RATE = 16_000
NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
SIZE = 96  # as ready-cropped mouths are


def make_clips(root: Path, videos: int = 3, segments: int = 3, seed: int = 0) -> Path:
    """Write `videos * segments` test clips, with a training clip so that the layout is whole."""
    rng = np.random.default_rng(seed)
    for number in range(videos * segments):
        video, segment = divmod(number, segments)
        stem = root / "test" / f"video{video:06d}" / f"{segment + 1:05d}"
        _write(stem, number % len(COLOURS), (3 * number + 1) % len(NUMBERS), rng)
    _write(root / "trainval" / "video999999" / "50001", 0, 0, rng)
    return root


def make_voxmm(root: Path, videos: int = 2, segments: int = 2) -> Path:
    """The same in the LRS-VoxMM layout; under its conditions another number is heard."""
    import soundfile

    rng = np.random.default_rng(1)
    for number in range(videos * segments):
        video, segment = divmod(number, segments)
        name = f"test/video{video:06d}/{segment:05d}"
        _write(root / "original" / name, number, number, rng)
        for shift, tree in enumerate(("noise_easy", "noise_hard", "3dist_easy", "3dist_hard")):
            path = root / tree / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            wrong = number + 1 if shift % 2 else number
            soundfile.write(path, _tone(wrong, 25 * 640, rng), RATE)
    return root


def make_mtedx(root: Path, language: str = "es", segments: int = 4) -> Path:
    """Two talks in the mTEDx layout; the last segment of each was not filmed."""
    import soundfile

    rng = np.random.default_rng(2)
    base = root / f"{language}-{language}" / "data" / "test"
    (base / "wav").mkdir(parents=True)
    (base / "txt").mkdir()
    times, lines = [], []
    for talk in ("aa", "bb"):
        sound = []
        for number in range(segments):
            name = f"{talk}_{number:04d}"
            if number < segments - 1:
                _write(base / "video" / talk / name, number, number, rng)
                (base / "video" / talk / f"{name}.txt").unlink()
            sound.append(_tone(number, RATE, rng))
            times.append(f"{name} {talk} {number}.00 {number + 1}.00\n")
            lines.append(f"¡{COLOURS[number].title()}, {NUMBERS[number]}!\n")
        soundfile.write(base / "wav" / f"{talk}.flac", np.concatenate(sound), RATE)
    (base / "txt" / "segments").write_text("".join(times), encoding="utf-8")
    (base / "txt" / f"test.{language}").write_text("".join(lines), encoding="utf-8")
    return root


def _write(stem: Path, colour: int, number: int, rng: np.random.Generator) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    count = int(rng.integers(20, 30))
    frames = torch.from_numpy(_pictures(colour, count, rng))
    sound = torch.from_numpy(_tone(number, count * 640, rng)).float()
    save_video(stem.with_suffix(".mp4"), Video(frames, 25.0, Speech(sound, RATE)))
    text = f"Text:  {COLOURS[colour]} {NUMBERS[number]}\n".upper()
    stem.with_suffix(".txt").write_text(f"{text}Conf:  5\n", encoding="utf-8")


def _pictures(colour: int, count: int, rng: np.random.Generator):
    rgb = np.array(colorsys.hsv_to_rgb((colour + 0.5) / len(COLOURS), 0.9, 0.8)) * 255
    noisy = rgb[None, :, None, None] + rng.normal(0, 6, (count, 3, SIZE, SIZE))
    return noisy.clip(0, 255).astype(np.uint8)


def _tone(number: int, samples: int, rng: np.random.Generator):
    time = np.arange(samples) / RATE
    # tones that come and go, so that there is something like speech in it
    envelope = 0.5 + 0.5 * np.sin(2 * np.pi * 3 * time)
    return 0.3 * envelope * np.sin(2 * np.pi * _pitch(number) * time) + rng.normal(0, 1e-3, samples)


def _pitch(number: int) -> float:
    return 400.0 + 200.0 * number


JUDGED = (
    "zoo.metrics.asr._Judged",
    "zoo.metrics.dnsmos.DNSMOS",
    "zoo.metrics.lmd.LMD",
    "zoo.metrics.lse.LSE",
    "zoo.metrics.speaker_similarity.SpeakerSimilarity",
)


@contextmanager
def without_judges() -> Iterator[None]:
    """No network judges tones and colours: seconds a clip, and threads that no fork survives."""
    with pytest.MonkeyPatch.context() as patch:
        for name in JUDGED:
            patch.setattr(f"{name}.available", lambda self: "left out of this test")
        yield


def clip_run(model, task: str, root: Path, out: Path, **options) -> Result:
    """`run_task` on the CPU without worker processes, progress bar or judges."""
    defaults = {"accelerator": "cpu", "workers": 0, "progress": False, "batch_size": 4}
    with without_judges():
        return run_task(model, task, root, out, **{**defaults, **options})


def clip_score(folder: Path, root: Path | None = None, **options) -> Result:
    """`score_run` without judges."""
    with without_judges():
        return score_run(folder, root, **options)


class ToyReader(nn.Module):
    """Implements Recognizer: the colour it sees, the number it hears."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(float(gain)))
        self.seen: list[int] = []
        self.given: list[tuple[bool, bool]] = []

    def transcribe(self, video, audio=None) -> list[Transcript]:
        count = len(video if video is not None else audio)
        self.seen.append(count)
        self.given.append((video is not None, audio is not None))
        return [
            Transcript(" ".join(self._words(video, audio, i)), score=-float(i))
            for i in range(count)
        ]

    def _words(self, video, audio, index: int) -> list[str]:
        words = []
        if video is not None:
            words.append(colour_of(_hue(as_video(video[index]).frames)))
        if audio is not None:
            words.append(_heard(as_waveform(audio[index])))
        return [word for word in words if word]


class ToyVoice(nn.Module):
    """Implements VideoToSpeech: a tone for the colour, as loud as the voice it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def synthesize(self, video, speaker=None, *, seed: int = 0) -> list[Speech]:
        return [
            self._one(one, None if speaker is None else speaker[i]) for i, one in enumerate(video)
        ]

    def _one(self, video, speaker) -> Speech:
        frames = as_video(video).frames
        number = round(_hue(frames) * len(COLOURS) - 0.5)
        loudness = 0.2 if speaker is None else float(as_waveform(speaker).square().mean().sqrt())
        time = torch.arange(len(frames) * 640) / RATE
        return Speech(loudness * torch.sin(2 * torch.pi * _pitch(number) * time), RATE)


class ToyFace(nn.Module):
    """Implements TalkingFace: the face, brighter where the speech is loud."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def animate(self, face, speech=None, *, text=None, seed: int = 0) -> list[Video]:
        return [self._one(f, s) for f, s in zip(face, speech, strict=True)]

    def _one(self, face, speech) -> Video:
        frames, wave = as_video(face).frames, as_waveform(speech)
        loud = wave[: len(frames) * 640].unfold(0, 640, 640).square().mean(1).sqrt()
        count = min(len(loud), len(frames))
        bright = frames[:count].float() * (0.9 + 0.2 * loud[:count])[:, None, None, None]
        return Video(bright.clamp(0, 255).to(torch.uint8), 25.0, speech)

    def encode_audio(self, mel: Tensor) -> Tensor:
        return mel

    def generate(self, latent: Tensor, faces: Tensor) -> Tensor:
        return faces


def _hue(frames: Tensor) -> float:
    red, green, blue = (frames.double().mean((0, 2, 3)) / 255).tolist()
    return colorsys.rgb_to_hsv(red, green, blue)[0]


def _heard(wave: Tensor) -> str:
    if not bool(wave.any()):
        return ""
    pitch = torch.fft.rfft(wave).abs().argmax().item() * RATE / len(wave)
    return NUMBERS[max(0, min(round((pitch - 400) / 200), len(NUMBERS) - 1))]
