"""Samples to look at and listen to: clips, what models were given of them and what they made."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from zoo.bench.gallery_parts import envelope, file_name, is_showable
from zoo.bench.records import Record, read_records
from zoo.bench.result import Result
from zoo.bench.samples import Sample, load_references
from zoo.bench.task import Task, load_task
from zoo.bench.text_diff import Piece, diff_words
from zoo.errors import MediaError
from zoo.tasks import Speech, Video

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.bench.clips import Clip, ClipLoader

log = logging.getLogger(__name__)

_FPS: Final = 25.0
_STRIP: Final = 8  # pictures in a strip
_STRIP_HEIGHT: Final = 72


@dataclass(frozen=True)
class Player:
    """A file to play; addresses are relative to the page, "" where there is none."""

    video: str = ""
    audio: str = ""
    poster: str = ""
    """The first frame of the video."""
    strip: str = ""
    """A picture of frames that lie evenly over the video."""
    difference: str = ""
    """The same frames, each pixel twice as bright as it differs from the original's."""
    peaks: tuple[float, ...] = ()
    """Envelope of the sound, in [0, 1]."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to play."""
        return not (self.video or self.audio)


@dataclass(frozen=True)
class ClipAnswer:
    """What one system makes of a clip."""

    model: str
    anchor: str
    player: Player = Player()
    diff: tuple[Piece, ...] = ()
    text: str = ""
    error: str = ""


@dataclass(frozen=True)
class ClipSample:
    """One clip: the original, what models were given where it is something else, the answers."""

    id: str
    text: str
    speaker: str
    condition: str
    original: Player
    given: Player
    answers: tuple[ClipAnswer, ...]


def build_clips(results: Sequence[Result], out: Path, count: int) -> list[ClipSample]:
    """Copy the media of `count` clips under `out/media` and collect every system's answer.

    Clips are spread over the sources. Returns nothing where no result knows its run folder and
    data, or where the task's licence does not let its media be copied.
    """
    usable = [result for result in results if is_showable(result)]
    if not usable:
        return []
    folder, root = usable[0].folder, usable[0].data_root
    assert folder is not None and root is not None
    samples = [sample for sample in load_references(folder) if sample.kind == "clip"]
    if not samples:
        return []
    task = load_task(usable[0].task)
    shelf = _Shelf(task, root, out, samples)
    runs = [(result, read_records(result.folder)) for result in usable if result.folder]
    return [_sample(sample, shelf, runs) for sample in _spread(samples, count)]


def _spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Clips that lie evenly over the task, conditions included."""
    places = np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int)
    return [samples[place] for place in places]


def _sample(
    sample: Sample, shelf: _Shelf, runs: Sequence[tuple[Result, Mapping[str, Record]]]
) -> ClipSample:
    return ClipSample(
        id=sample.id,
        text=sample.text,
        speaker=sample.speaker,
        condition=sample.condition,
        original=shelf.original(sample),
        given=shelf.given(sample),
        answers=tuple(_answer(sample, shelf, result, records) for result, records in runs),
    )


def _answer(
    sample: Sample, shelf: _Shelf, result: Result, records: Mapping[str, Record]
) -> ClipAnswer:
    answer = ClipAnswer(result.model, f"{result.task}/{result.model}/{sample.id}")
    record = records.get(sample.id, {"error": {"message": "no record"}})
    output = record.get("output")
    if not output:
        error = record.get("error") or {"message": "no output"}
        return replace(answer, error=str(error["message"]))
    assert result.folder is not None
    text = str(output.get("text", ""))
    diff = shelf.diff(sample.text, text) if "text" in output else ()
    return replace(
        answer,
        text=text,
        diff=diff,
        player=shelf.made(sample, result.folder, output, answer.anchor),
    )


class _Shelf:
    """Puts media next to the page, each once, under neutral names."""

    def __init__(self, task: Task, root: Path, out: Path, samples: Sequence[Sample]) -> None:
        self.task, self.root, self.folder = task, root, out / "media"
        self._samples = samples
        self._loaders: dict[tuple[str, ...], ClipLoader] = {}

    def original(self, sample: Sample) -> Player:
        """The clip as it was recorded."""
        clean = replace(sample, distorted="", condition="clean")
        return self._play(clean, replace(self.task, distortion={}), "original", pictures=True)

    def given(self, sample: Sample) -> Player:
        """What models hear and see, where it was changed; empty otherwise."""
        if not self.task.distortion and sample.condition == "clean":
            return Player()
        return self._play(sample, self.task, "given", pictures="video" in self.task.inputs)

    def made(self, sample: Sample, run: Path, output: Mapping[str, Any], anchor: str) -> Player:
        """The media of an output; speech for silent lips is put to the original pictures."""
        for kind in ("video", "speech"):
            if isinstance(output.get(kind), Mapping):
                path = run / str(output[kind]["path"])
                try:
                    return self._made(sample, path, kind, anchor)
                except (MediaError, OSError) as error:
                    log.warning("%s is not shown: %s", path, error)
        return Player()

    def _made(self, sample: Sample, path: Path, kind: str, anchor: str) -> Player:
        from zoo.audio import load_audio
        from zoo.video import load_video

        if kind == "video":
            name = file_name(anchor, ".mp4")
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, self.folder / name)
            video = load_video(path, _FPS)
            poster, strip = self._pictures(video.frames, anchor)
            difference = self._difference(sample, video.frames, anchor)
            return Player(f"media/{name}", poster=poster, strip=strip, difference=difference)
        waveform = load_audio(path)
        speech = Speech(waveform, 16_000)
        if "video" not in self.task.inputs:
            return self._sound(speech, anchor)
        clip = self._clip(sample, replace(self.task, distortion={}), ("video",))
        assert clip.video is not None
        player = self._film(Video(clip.video.frames, _FPS, speech), anchor)
        return replace(player, strip="")

    def diff(self, reference: str, text: str) -> tuple[Piece, ...]:
        """Both texts under the task's rule, aligned."""
        from zoo.text import get_normalizer

        rule = get_normalizer(self.task.metrics.get("wer", {}).get("normalizer", "none"))
        return diff_words(rule(reference), rule(text))

    def _play(self, sample: Sample, task: Task, what: str, *, pictures: bool) -> Player:
        has_pictures = not sample.media.lower().endswith((".wav", ".flac"))
        inputs = ("video", "audio") if pictures and has_pictures else ("audio",)
        try:
            clip = self._clip(sample, task, inputs)
        except (MediaError, OSError) as error:
            log.warning("%s is not shown: %s", sample.id, error)
            return Player()
        name = f"{task.key}/{what}/{sample.id}"
        if clip.video is None:
            assert clip.audio is not None
            return self._sound(clip.audio, name)
        return self._film(Video(clip.video.frames, _FPS, clip.audio), name)

    def _clip(self, sample: Sample, task: Task, inputs: tuple[str, ...]) -> Clip:
        from zoo.bench.clips import ClipLoader

        key = (*inputs, str(sorted(task.distortion.items())))
        if key not in self._loaders:
            self._loaders[key] = ClipLoader(task, self.root, self._samples, inputs=inputs)
        return self._loaders[key](sample)

    def _film(self, video: Video, name: str) -> Player:
        file = file_name(name, ".mp4")
        video.save(self.folder / file)
        peaks = () if video.speech is None else envelope(video.speech.waveform)
        poster, strip = self._pictures(video.frames, name)
        return Player(f"media/{file}", poster=poster, strip=strip, peaks=peaks)

    def _sound(self, speech: Speech, name: str) -> Player:
        file = file_name(name, ".wav")
        speech.save(self.folder / file)
        return Player(audio=f"media/{file}", peaks=envelope(speech.waveform))

    def _difference(self, sample: Sample, frames: Tensor, name: str) -> str:
        """Address of a row of differences from the original; "" where it has another size."""
        clean = replace(sample, distorted="", condition="clean")
        clip = self._clip(clean, replace(self.task, distortion={}), ("video",))
        assert clip.video is not None
        filmed = clip.video.frames[: len(frames)]
        if filmed.shape != frames[: len(filmed)].shape:
            return ""
        apart = (frames[: len(filmed)].int() - filmed.int()).abs()
        return self._pictures((2 * apart).clamp(max=255).byte(), f"{name}/difference")[1]

    def _pictures(self, frames: Tensor, name: str) -> tuple[str, str]:
        """Addresses of the first frame and of a row of thumbnails."""
        from PIL import Image

        places = np.linspace(0, len(frames) - 1, min(_STRIP, len(frames))).round().astype(int)
        pictures = [Image.fromarray(frames[p].permute(1, 2, 0).cpu().numpy()) for p in places]
        width = max(1, round(_STRIP_HEIGHT * pictures[0].width / pictures[0].height))
        strip = Image.new("RGB", (width * len(pictures), _STRIP_HEIGHT))
        for i, picture in enumerate(pictures):
            strip.paste(picture.resize((width, _STRIP_HEIGHT)), (width * i, 0))
        self.folder.mkdir(parents=True, exist_ok=True)
        poster, row = file_name(name, "-first.jpg"), file_name(name, ".jpg")
        pictures[0].save(self.folder / poster, quality=85)
        strip.save(self.folder / row, quality=82)
        return f"media/{poster}", f"media/{row}"
