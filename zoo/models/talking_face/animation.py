"""What every audio-driven talking-face model shares: from anybody's picture or video and a
recording to a film, by way of small face crops.

A model of this kind has two halves, `encode_audio` and `generate`; all else is here: finding the
face, cutting it out, the mel window of each frame, pasting the new face back, the sound, and the
mark that says that the film is generated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zoo.audio import as_waveform, load_audio, probe_audio
from zoo.audio.mel import mel_front_end
from zoo.errors import ConfigError, MediaError
from zoo.hub.module import ZooModule
from zoo.models.talking_face.config import CropConfig
from zoo.nn.face_windows import generator_input, mel_windows
from zoo.nn.modes import evaluation
from zoo.tasks import ImageLike, Picture, Speech, SpeechLike, Video, VideoLike
from zoo.video import FPS, as_image, load_video, probe_video
from zoo.video.face_boxes import (
    Boxes,
    cut_faces,
    given_boxes,
    landmark_boxes,
    paste_faces,
    track_boxes,
)
from zoo.video.generated import Mark, mark_video
from zoo.video.landmarks import LandmarkDetector, find_landmarks
from zoo.video.read import MAX_BYTES

FaceLike: TypeAlias = "ImageLike | VideoLike"
Box: TypeAlias = Sequence[float] | Tensor
PICTURES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"))
SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class Paste:
    """Everything known about one film before a frame of it is painted."""

    frames: Tensor
    """(N, 3, H, W) uint8, the N frames given, 1 for a picture."""
    boxes: Boxes
    """(N, 4) where the face is."""
    order: Tensor
    """(T,) which of the N frames each frame of the film is made of."""
    windows: Tensor
    """(T, 1, 80, 16) mel."""
    fps: float
    """Of the film."""
    speech: Speech
    """Its sound."""
    controls: Mapping[str, Tensor] = field(default_factory=dict)
    """Further arguments of `generate`, (T, ...) each."""


class Animator(ZooModule):
    """A model that makes faces speak; a subclass gives `encode_audio`, `generate` and these."""

    frames_at_once: int = 64

    @property
    def crop(self) -> CropConfig:
        """How faces are cut out."""
        raise NotImplementedError

    @property
    def image_size(self) -> int:
        """Side of a face in pixels."""
        raise NotImplementedError

    @property
    def mel_shift(self) -> int:
        """Frame, counted from its own, with which the mel window of a frame starts."""
        raise NotImplementedError

    @property
    def one_reference(self) -> bool:
        """Whether a film's first frame shows the looks of all, instead of each its own."""
        return False

    def encode_audio(self, mel: Tensor) -> Tensor:
        """Latents (B, T, C) of mel windows (B, T, 1, 80, 16), one a frame; gradients flow."""
        raise NotImplementedError

    def generate(self, latent: Tensor, faces: Tensor) -> Tensor:
        """Faces (B, T, 3, H, W) in [0, 1] from latents (B, T, C) and faces (B, T, 6, H, W).

        `faces` holds the target without its lower half and a reference (see
        `zoo.nn.face_windows.generator_input`); colours are in the order BGR, in and out.
        """
        raise NotImplementedError

    def animate(
        self,
        face: FaceLike | Sequence[FaceLike],
        speech: SpeechLike | Sequence[SpeechLike] | None = None,
        *,
        text: str | Sequence[str] | None = None,
        seed: int = 0,
        box: Box | None = None,
        landmarks: str | Path | LandmarkDetector | None = None,
        blend: bool = True,
        mark: Mark = "metadata",
        controls: Mapping[str, Tensor] | None = None,
    ) -> Video | list[Video]:
        """`face` saying `speech`.

        Args:
            face: a picture, or a video whose frames are used in turn, from the start again where
                the speech is longer; or a list.
            speech: the recording; a list for a list of faces.
            text: not for this model, which is driven by speech.
            seed: unused, nothing is drawn.
            box: the face as (left, top, right, bottom) in pixels, or one for each frame.
            landmarks: where else to find it: a file, "mediapipe", or a detector. With neither the
                picture is taken for a face track of the LRS kind.
            blend: fade the new mouth in; False replaces the whole box, as Wav2Lip does.
            mark: how the film says that it is generated: "metadata" (tags of the file),
                "visible" (also letters in a corner), "none".
            controls: what this model's `generate` takes besides, one row for all frames (C,) or
                one for each (T, C).

        Returns:
            The film, at the frame rate of the face (25 for a picture), as long as the speech,
            which is its sound. `save` writes it with its tags.

        Raises:
            MediaError: the face or the speech cannot be used, or no face is where it should be.
            ConfigError: `text` was given, or the model has no generator.
        """
        if text is not None or speech is None:
            raise ConfigError(f"{type(self).__name__} is driven by speech: give speech=, not text=")
        options: dict[str, Any] = {"box": box, "landmarks": landmarks, "controls": controls}
        if not isinstance(face, Sequence) or isinstance(face, str):
            if isinstance(speech, Sequence) and not isinstance(speech, str):
                raise MediaError("one face and a list of speeches: give a list of as many faces")
            return self._film(self.prepare(face, speech, **options), blend, mark)
        if not isinstance(speech, Sequence) or isinstance(speech, str) or len(face) != len(speech):
            raise MediaError(f"{len(face)} faces need a list of as many speeches")
        return [
            self._film(self.prepare(one, said, **options), blend, mark)
            for one, said in zip(face, speech, strict=True)
        ]

    def prepare(
        self,
        face: FaceLike,
        speech: SpeechLike,
        *,
        box: Box | None = None,
        landmarks: str | Path | LandmarkDetector | None = None,
        controls: Mapping[str, Tensor] | None = None,
    ) -> Paste:
        """Read everything, find the face and cut the mel into windows; nothing is painted yet.

        Raises:
            MediaError: as `animate`.
        """
        waveform = as_waveform(speech, SAMPLE_RATE)
        frames, fps = read_face(face)
        count = max(1, round(len(waveform) / SAMPLE_RATE * fps))
        _check_size(count, frames)
        if box is not None:
            boxes = given_boxes(box, frames)
        elif landmarks is not None:
            found = find_landmarks(frames, landmarks)
            boxes = landmark_boxes(found, self.crop.rule, frames)
        else:
            boxes = track_boxes(self.crop.rule, frames)
        mel = mel_front_end("wav2lip")(waveform)
        order = torch.arange(count)
        windows = mel_windows(mel, order + self.mel_shift, fps)
        used = slice(count)  # of a video that is longer than the speech
        order %= len(frames)
        given = {name: _rows(name, value, count) for name, value in (controls or {}).items()}
        return Paste(frames[used], boxes[used], order, windows, fps, as_speech(speech), given)

    def _film(self, paste: Paste, blend: bool, mark: Mark) -> Video:
        size, smooth = self.image_size, self.crop.antialias
        crops = cut_faces(paste.frames, paste.boxes, size, antialias=smooth)
        parts = [
            self._painted(paste, crops, rows, blend)
            for rows in torch.split(torch.arange(len(paste.order)), self.frames_at_once)
        ]
        video = Video(torch.cat(parts), paste.fps, paste.speech)
        return mark_video(video, mark, model=str(self.provenance.get("tag") or self.slug))

    def _painted(self, paste: Paste, crops: Tensor, rows: Tensor, blend: bool) -> Tensor:
        """The frames (n, 3, H, W) uint8 of the film whose numbers are `rows`."""
        source = paste.order[rows]
        controls = {name: value[rows] for name, value in paste.controls.items()}
        looks = crops[:1].expand_as(crops[source]) if self.one_reference else crops[source]
        faces = self.paint(crops[source], paste.windows[rows], controls, references=looks)
        boxes = paste.boxes[source.numpy()]
        return paste_faces(paste.frames[source], faces, boxes, blend=blend)

    def paint(
        self,
        crops: Tensor,
        windows: Tensor,
        controls: Mapping[str, Tensor] | None = None,
        *,
        references: Tensor | None = None,
    ) -> Tensor:
        """New faces for crops of a clip.

        Args:
            crops: (T, 3, S, S) uint8 RGB, whose lower halves are repainted.
            windows: (T, 1, 80, 16) mel.
            controls: further arguments of `generate`, (T, ...) each.
            references: (T, 3, S, S) uint8 RGB, whole faces; None: the crops themselves.

        Returns:
            (T, 3, S, S) float RGB in [0, 1], on the CPU.
        """
        with evaluation(self):
            like = next(self.parameters())
            bgr = crops.flip(1).to(like)[None] / 255
            looks = bgr if references is None else references.flip(1).to(like)[None] / 255
            latent = self.encode_audio(windows.to(like)[None])
            given = {k: v.to(like)[None] for k, v in (controls or {}).items()}
            painted = self.generate(latent, generator_input(bgr, looks), **given)[0]
        return painted.float().cpu().flip(1)


def read_face(face: FaceLike) -> tuple[Tensor, float]:
    """The frames (N, 3, H, W) uint8 of anything `animate` takes for a face, and its frame rate."""
    if isinstance(face, Video):
        return face.frames, face.fps
    if isinstance(face, Tensor) and face.ndim == 4:
        return Video(face, FPS).frames, FPS
    if isinstance(face, (str, Path)) and Path(face).suffix.lower() not in PICTURES:
        rate = probe_video(face).fps
        return load_video(face, rate).frames, rate
    if not isinstance(face, (str, Path, Image.Image, Tensor, Picture)):
        raise MediaError(
            "expected a face as a path, a picture, a tensor (3, H, W) or (T, 3, H, W), or a Video, "
            f"got {type(face).__name__}"
        )
    pixels = torch.from_numpy(np.array(as_image(face)))
    return pixels.permute(2, 0, 1)[None].contiguous(), FPS


def check_face(path: str | Path) -> None:
    """Raise `MediaError` unless a file is a picture or a video; reads its head only."""
    if Path(path).suffix.lower() in PICTURES:
        as_image(path)
    else:
        probe_video(path)


def as_speech(speech: SpeechLike) -> Speech:
    """The sound of a film: as it was recorded, at its own rate."""
    if isinstance(speech, Speech):
        return speech
    if isinstance(speech, Tensor):
        return Speech(speech.float(), SAMPLE_RATE)
    rate = probe_audio(speech).sample_rate
    return Speech(load_audio(speech, rate), rate)


def _rows(name: str, value: Tensor, count: int) -> Tensor:
    """A control for each of `count` frames, (T, C).

    Raises:
        ConfigError: it is neither one row nor one for each frame.
    """
    if value.ndim not in (1, 2) or (value.ndim == 2 and len(value) != count):
        raise ConfigError(
            f"{name}: expected one row (C,) or one for each of the {count} frames (T, C), got "
            f"{tuple(value.shape)}"
        )
    return value.expand(count, -1)


def _check_size(count: int, frames: Tensor) -> None:
    size = count * frames[0].numel()
    if size > MAX_BYTES:
        raise MediaError(
            f"{count} frames of {frames.shape[-1]} x {frames.shape[-2]} would take "
            f"{size / 2**30:.1f} GiB of memory; cut the speech or shrink the picture"
        )
