"""The protocols of clips, texts and pictures as adapters: which argument a stream goes to.

An output may hold a `Speech` or a `Video`; who drives the adapter writes it to a file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from zoo.bench.clips import Clip
from zoo.bench.dataset import Loaded
from zoo.bench.task import Task
from zoo.errors import BenchError
from zoo.tasks import Speech, Transcript, Video

Output = dict[str, Any]


class ClipAdapter:
    """Base: the model, the task and the seed.

    Raises:
        BenchError: the model says that it does not read what the task gives.
    """

    def __init__(self, model: Any, task: Task, seed: int = 0) -> None:
        self.model, self.task, self.seed = model, task, seed

    def predict(self, batch: Sequence[Loaded]) -> list[Output]:
        """One output an item; items with a voice to copy are asked for apart from those without."""
        clips = [item.media for item in batch]
        if len({clip.speaker is None for clip in clips}) > 1:
            return [output for clip in clips for output in self.call([clip])]
        return self.call(clips)

    def call(self, clips: Sequence[Clip]) -> list[Output]:
        """Ask the model."""
        raise NotImplementedError


class RecognizerAdapter(ClipAdapter):
    """Text of lips, sound or both; a model may name what it reads in `reads`."""

    def __init__(self, model: Any, task: Task, seed: int = 0) -> None:
        super().__init__(model, task, seed)
        reads = getattr(model, "reads", None)
        if reads is not None and not set(task.inputs) <= set(reads):
            raise BenchError(
                f"{type(model).__name__} reads {' and '.join(sorted(reads))}, but {task.key} gives "
                f"{' and '.join(task.inputs)}"
            )

    def call(self, clips: Sequence[Clip]) -> list[Output]:
        """Transcribe; a stream that the task does not give is None."""
        found: list[Transcript] = self.model.transcribe(
            video=_stream(clips, "video"), audio=_stream(clips, "audio")
        )
        return [_transcript(one) for one in _counted(found, clips)]


class VideoToSpeechAdapter(ClipAdapter):
    """Speech of silent lips."""

    def call(self, clips: Sequence[Clip]) -> list[Output]:
        """Synthesize, in the voice of another recording where there is one."""
        found = self.model.synthesize(
            _stream(clips, "video"), speaker=_stream(clips, "speaker"), seed=self.seed
        )
        return [_speech(one) for one in _counted(found, clips)]


class TextToSpeechAdapter(ClipAdapter):
    """Speech of a text."""

    def call(self, clips: Sequence[Clip]) -> list[Output]:
        """Speak the reference text."""
        found = self.model.speak(
            [clip.text for clip in clips], reference=_stream(clips, "speaker"), seed=self.seed
        )
        return [_speech(one) for one in _counted(found, clips)]


class DubberAdapter(ClipAdapter):
    """Speech of a text in time with lips; without another recording the clip's own is the voice."""

    def call(self, clips: Sequence[Clip]) -> list[Output]:
        """Dub the reference text."""
        voices = _stream(clips, "speaker") or _stream(clips, "audio")
        if voices is None:
            raise ValueError("no recording of the speaker to dub with")
        texts = [clip.text for clip in clips]
        found = self.model.dub(texts, _stream(clips, "video"), voices, seed=self.seed)
        return [_speech(one) for one in _counted(found, clips)]


class TalkingFaceAdapter(ClipAdapter):
    """Video of a face and speech; the sound of the output is the speech that was given."""

    def call(self, clips: Sequence[Clip]) -> list[Output]:
        """Animate."""
        found: list[Video] = self.model.animate(
            _stream(clips, "face"), _stream(clips, "audio"), seed=self.seed
        )
        return [_video(one, clip) for one, clip in zip(_counted(found, clips), clips, strict=True)]


class TranslatorAdapter(ClipAdapter):
    """Speech (or a talking face) in another language."""

    def call(self, clips: Sequence[Clip]) -> list[Output]:
        """Translate from the task's first language to its second."""
        source, target = self.task.languages
        found = self.model.translate(
            _stream(clips, "audio"), source, target, face=_stream(clips, "face"), seed=self.seed
        )
        return [
            _video(one, clip) if isinstance(one, Video) else _speech(one)
            for one, clip in zip(_counted(found, clips), clips, strict=True)
        ]


class CaptionerAdapter(ClipAdapter):
    """Spoken descriptions of pictures."""

    def predict(self, batch: Sequence[Loaded]) -> list[Output]:
        """Describe; the words are kept where the model knows them."""
        found = self.model.describe([item.media for item in batch], seed=self.seed)
        return [
            {**_speech(one.speech), **({} if one.text is None else {"text": one.text})}
            for one in _counted(found, batch)
        ]


def _stream(clips: Sequence[Clip], name: str) -> list[Any] | None:
    """One stream of all clips, None where they have none."""
    found = [getattr(clip, name) for clip in clips]
    return None if any(one is None for one in found) else found


def _counted(found: Any, items: Sequence[Any]) -> list[Any]:
    """The outputs of a batch, one an item."""
    if not isinstance(found, list) or len(found) != len(items):
        what = f"{len(found)} items" if isinstance(found, list) else type(found).__name__
        raise ValueError(f"the model gave {what} for a list of {len(items)}")
    return found


def _transcript(found: Transcript) -> Output:
    if not isinstance(found.text, str):
        raise ValueError(f"a transcript's text is {type(found.text).__name__}, not str")
    score = float(found.score)
    return {"text": found.text, "score": score if math.isfinite(score) else None}


def _speech(found: Speech) -> Output:
    if not bool(torch.isfinite(found.waveform).all()):
        raise ValueError("the speech holds a value that is not finite")
    if not len(found.waveform):
        raise ValueError("the speech is empty")
    return {"speech": Speech(found.waveform.detach().float().cpu(), found.sample_rate)}


def _video(found: Video, clip: Clip) -> Output:
    speech = found.speech or clip.audio
    return {"video": replace(found, frames=found.frames.cpu(), speech=speech)}


BUILDERS: dict[str, Callable[[Any, Task, int], ClipAdapter]] = {
    "Recognizer": RecognizerAdapter,
    "VideoToSpeech": VideoToSpeechAdapter,
    "TextToSpeech": TextToSpeechAdapter,
    "Dubber": DubberAdapter,
    "TalkingFace": TalkingFaceAdapter,
    "SpeechTranslator": TranslatorAdapter,
    "SpeechCaptioner": CaptionerAdapter,
}
