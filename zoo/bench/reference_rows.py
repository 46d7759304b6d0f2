"""Rows that no model makes: the ceiling, the floor and controls of a task, scored like a model.

`zoo bench run --model baseline.NAME` makes one. They read the originals, so they say what a score
is worth: `reference` is what perfect output gets from this metric chain, `shuffled` what output
gets that has nothing to do with the input.

| name | text | speech | video |
|---|---|---|---|
| reference | the reference | the original recording | the original clip |
| shuffled | of another clip | of another clip | original pictures, another clip's sound |
| silence | empty | silence | original pictures, silence |
| still | - | - | the first picture, the original sound |
| griffin-lim | - | the original through mel bands and Griffin-Lim | - |
| resynthesis=SOURCE | - | the original through a vocoder checkpoint | - |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import torch

from zoo.bench.clips import FPS, SAMPLE_RATE, Clip
from zoo.bench.dataset import Loaded
from zoo.bench.task import Task
from zoo.errors import BenchError
from zoo.tasks import Speech, Video

if TYPE_CHECKING:
    from torch import Tensor

PREFIX: Final = "baseline."
_TITLES: Final = {
    "reference": "originals",
    "shuffled": "shuffled pairs",
    "silence": "silence",
    "still": "still picture",
    "griffin-lim": "Griffin-Lim of the original",
}
_ROLES: Final = {"reference": "ceiling", "shuffled": "floor", "silence": "floor", "still": "floor"}
_RESYNTHESIS: Final = "resynthesis="
# protocol -> what is scored
OUTPUTS: Final = {
    "Recognizer": "text",
    "VideoToSpeech": "speech",
    "TextToSpeech": "speech",
    "Dubber": "speech",
    "TalkingFace": "video",
}
_MAKES: Final = {
    "text": ("reference", "shuffled", "silence"),
    "speech": ("reference", "shuffled", "silence", "griffin-lim"),
    "video": ("reference", "shuffled", "silence", "still"),
}
_INPUTS: Final = {"text": (), "speech": ("audio",), "video": ("video", "audio")}


class ReferenceRow:
    """One row; stands in for both a model and its adapter.

    Args:
        name: `baseline.` and a name of the table above.

    Raises:
        BenchError: no row has this name.
    """

    batch_invariant = True

    def __init__(self, name: str) -> None:
        self.row = name.removeprefix(PREFIX)
        if self.row not in _TITLES and not self.row.startswith(_RESYNTHESIS):
            known = ", ".join(PREFIX + row for row in (*_TITLES, f"{_RESYNTHESIS}SOURCE"))
            raise BenchError(f"no reference row is called {name!r}; known: {known}")
        self._vocode: Callable[[Speech], Speech] | None = None

    @property
    def title(self) -> str:
        """Its name in tables."""
        checkpoint = self.row.removeprefix(_RESYNTHESIS)
        return _TITLES.get(self.row, f"original through {checkpoint}")

    @property
    def role(self) -> str:
        """What its figures bound, or "control"."""
        return _ROLES.get(self.row, "control")

    @property
    def partners(self) -> bool:
        """Whether it pairs clips."""
        return self.row == "shuffled"

    def inputs(self, task: Task) -> tuple[str, ...]:
        """What it reads of a clip.

        Raises:
            BenchError: the row is not defined for this task.
        """
        kind = OUTPUTS.get(task.protocol, "")
        known = _MAKES.get(kind, ())
        if self.row not in known and not (kind == "speech" and self.row not in _TITLES):
            raise BenchError(
                f"{task.key} has no row {PREFIX}{self.row}: {', '.join(known) or 'none at all'}"
            )
        return _INPUTS[kind]

    def predict(self, batch: Sequence[Loaded], task: Task) -> list[dict[str, Any]]:
        """The row's output of every sample."""
        kind = OUTPUTS[task.protocol]
        make = {"text": self._text, "speech": self._speech, "video": self._video}[kind]
        return [{kind: make(item.media)} for item in batch]

    def _text(self, clip: Clip) -> str:
        if self.row == "shuffled":
            assert clip.partner is not None
            return clip.partner.text
        return clip.text if self.row == "reference" else ""

    def _speech(self, clip: Clip) -> Speech:
        assert clip.audio is not None
        if self.row == "shuffled":
            assert clip.partner is not None and clip.partner.audio is not None
            return clip.partner.audio
        if self.row == "silence":
            return Speech(torch.zeros_like(clip.audio.waveform), SAMPLE_RATE)
        if self.row == "griffin-lim":
            from zoo.audio.griffin_lim import through_mel

            return Speech(through_mel(clip.audio.waveform), SAMPLE_RATE)
        return clip.audio if self.row == "reference" else self._resynthesize(clip.audio)

    def _resynthesize(self, speech: Speech) -> Speech:
        """Through a checkpoint's `resynthesize(speech) -> Speech`."""
        if self._vocode is None:
            from zoo.hub.load import from_pretrained

            source = self.row.removeprefix(_RESYNTHESIS)
            model: Any = from_pretrained(source)
            if not hasattr(model, "resynthesize"):
                raise BenchError(f"{source} has no method resynthesize(speech)")
            self._vocode = model.resynthesize
        return self._vocode(speech)

    def _video(self, clip: Clip) -> Video:
        assert clip.video is not None
        frames: Tensor = clip.video.frames
        if self.row == "still":
            frames = frames[:1].expand(len(frames), -1, -1, -1)
        return Video(frames, FPS, self._speech(clip) if self.row != "still" else clip.audio)


def is_reference_row(model: Any) -> bool:
    """Whether a `--model` names a row of this module."""
    return isinstance(model, str) and model.startswith(PREFIX)
