"""Clips as models of a task see them: decoded, distorted, with a stream taken away."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from zoo.bench.bootstrap import seed_of
from zoo.bench.noises import BABBLE, Noises
from zoo.bench.samples import COMPUTED, PICTURES, Sample
from zoo.bench.task import ABLATIONS, MODEL_ABLATIONS, Task
from zoo.errors import BenchError
from zoo.tasks import Picture, Speech, Video

if TYPE_CHECKING:
    from torch import Tensor

FPS: Final = 25.0
SAMPLE_RATE: Final = 16_000


@dataclass(frozen=True)
class Clip:
    """What a model is given of a sample; what the task does not give is None.

    Attributes:
        video: pictures at 25 frames a second, without sound.
        audio: sound at 16 kHz.
        speaker: another recording of the same person.
        face: whose face is to talk.
        text: what is said.
        partner: another clip, where a row pairs clips of different sources.
    """

    video: Video | None = None
    audio: Speech | None = None
    speaker: Speech | None = None
    face: Video | Picture | None = None
    text: str = ""
    partner: Clip | None = None

    @property
    def seconds(self) -> float | None:
        """Length of what was loaded."""
        for stream in (self.audio, self.video, self.face):
            if isinstance(stream, Speech | Video):
                return stream.duration_s
        return None


class ClipLoader:
    """Reads the files of a sample and does to them what the task says; made for worker processes.

    Args:
        task: its inputs, conditions and distortion.
        root: folder of the dataset.
        samples: all of the task.
        noise: noise recordings in place of babble made of the task's voices.
        ablation: a key of `zoo.bench.task.ABLATIONS`.
        inputs: what to load, where that is not the task's `inputs`.
        partners: give every clip the whole of a clip of another source as well.

    Raises:
        BenchError: an unknown ablation, or one that leaves nothing.
    """

    def __init__(
        self,
        task: Task,
        root: Path,
        samples: Sequence[Sample],
        *,
        noise: Sequence[Path] = (),
        ablation: str | None = None,
        inputs: Sequence[str] | None = None,
        partners: bool = False,
    ) -> None:
        self.inputs = tuple(task.inputs if inputs is None else inputs)
        _check_ablation(ablation, self.inputs)
        self.root, self.ablation = root, ablation
        self.distortion = dict(task.distortion)
        self.noises = Noises(root, samples, noise)
        shuffled = partners or ablation == "audio-shuffled"
        self.partners = partner_samples(samples, seed_of(task.key, "pairs")) if shuffled else {}
        self.gives_partner = partners
        if shuffled and not self.partners:
            raise BenchError("pairs of different clips need clips of at least two source videos")

    def files(self, sample: Sample) -> list[str]:
        """The files that a sample's input comes from."""
        names = [sample.media] if any(kind in self.inputs for kind in PICTURES) else []
        if "audio" in self.inputs:
            names.append(sample.distorted or sample.sound)
        if "speaker" in self.inputs and sample.other:
            names.append(sample.other)
        return list(dict.fromkeys(names))

    def digest(self, sample: Sample) -> str:
        """sha256 of the file, or over those of several."""
        found = [
            hashlib.sha256((self.root / n).read_bytes()).hexdigest() for n in self.files(sample)
        ]
        return found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest()

    def __call__(self, sample: Sample) -> Clip:
        """Decode and change.

        Raises:
            MediaError: a file cannot be read, or has no sound.
        """
        clip = Clip(
            video=self._video(sample) if "video" in self.inputs else None,
            audio=self._audio(sample) if "audio" in self.inputs else None,
            speaker=self._speaker(sample),
            face=self._face(sample),
            text=sample.text,
        )
        if self.gives_partner and sample.id in self.partners:
            other = self.partners[sample.id]
            clip = replace(clip, partner=Clip(audio=self._audio(other), text=other.text))
        return self._ablated(clip, sample)

    def _video(self, sample: Sample) -> Video:
        frames = load_pictures(self.root, sample)
        name = self.distortion.get("video")
        if name:
            from zoo.video.distortions import distort_video

            frames = distort_video(frames, name, sample.clip)
        return Video(frames, FPS)

    def _audio(self, sample: Sample) -> Speech:
        path = sample.distorted or sample.sound
        waveform = cut_sound(load_sound(self.root / path), sample)
        if sample.condition.startswith(COMPUTED):
            waveform = self._noisy(waveform, sample.condition, sample)
        name = self.distortion.get("audio")
        return Speech(self._noisy(waveform, name, sample) if name else waveform, SAMPLE_RATE)

    def _noisy(self, waveform: Tensor, name: str, sample: Sample) -> Tensor:
        if name == BABBLE:
            level = float(self.distortion["snr_db"])
            return self.noises.add_babble(waveform, sample.clip, sample.cluster, level)
        return self.noises.distort(waveform, name, sample.clip, sample.cluster)

    def _speaker(self, sample: Sample) -> Speech | None:
        if "speaker" not in self.inputs or not sample.other:
            return None
        return Speech(load_sound(self.root / sample.other), SAMPLE_RATE)

    def _face(self, sample: Sample) -> Video | Picture | None:
        if "face_clip" in self.inputs:
            return self._video(sample)
        return self._video(sample).picture() if "face_picture" in self.inputs else None

    def _ablated(self, clip: Clip, sample: Sample) -> Clip:
        if self.ablation == "audio-zeroed" and clip.audio is not None:
            return replace(clip, audio=Speech(clip.audio.waveform * 0, SAMPLE_RATE))
        if self.ablation == "audio-shuffled":
            return replace(clip, audio=self._audio(self.partners[sample.id]))
        if self.ablation == "audio-only":
            return replace(clip, video=None)
        return replace(clip, audio=None) if self.ablation == "video-only" else clip


def _check_ablation(ablation: str | None, inputs: Sequence[str]) -> None:
    if ablation is None:
        return
    if ablation not in ABLATIONS:
        raise BenchError(f"no ablation is called {ablation!r}; known: {', '.join(ABLATIONS)}")
    if ablation in MODEL_ABLATIONS:
        raise BenchError(f"this model cannot do {ablation!r}: it has no such part to leave out")
    needed = ("video", "audio") if ablation.endswith("only") else ("audio",)
    if not set(needed) <= set(inputs):
        raise BenchError(f"{ablation} needs a task with {' and '.join(needed)} as input")


def load_sound(path: Path) -> Tensor:
    """(S,) float32 at 16 kHz of a recording or a video."""
    from zoo.audio import load_audio

    return load_audio(path, SAMPLE_RATE)


def cut_sound(waveform: Tensor, sample: Sample) -> Tensor:
    """The part of a recording that is the sample's."""
    stop = None if sample.end_s is None else round(sample.end_s * SAMPLE_RATE)
    return waveform[round((sample.start_s or 0.0) * SAMPLE_RATE) : stop]


def load_pictures(root: Path, sample: Sample) -> Tensor:
    """(T, 3, H, W) uint8 of a sample at 25 frames a second, its part of the file."""
    from zoo.video import load_video

    frames = load_video(root / sample.media, FPS).frames
    stop = None if sample.end_s is None else int(sample.end_s * FPS)
    return frames[int((sample.start_s or 0.0) * FPS) : stop]


def partner_samples(samples: Sequence[Sample], seed: int) -> dict[str, Sample]:
    """Id -> a sample of another source under the same condition.

    Sources are put in a random order and each takes the clips of the next; empty where there is
    only one source.
    """
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.condition, sample.cluster), []).append(sample)
    sources = sorted({cluster for _, cluster in groups})
    if len(sources) < 2:
        return {}
    order = [sources[i] for i in np.random.default_rng(seed).permutation(len(sources))]
    following: Mapping[str, str] = dict(zip(order, order[1:] + order[:1], strict=True))
    found: dict[str, Sample] = {}
    for (condition, source), own in groups.items():
        theirs = groups[condition, following[source]]
        found |= {one.id: theirs[i % len(theirs)] for i, one in enumerate(own)}
    return found
