"""What a model can do: one protocol a task, and the small results the methods return.

A model class implements one or more of the protocols; the harness, the command line, the
notebooks and the demo page know only these, and ask `implements` whether a model can do one. Every
method takes one item or a list of them; a list is one padded batch and gives a list. Every
stochastic method takes `seed`, which belongs to the item, so that batching does not change a draw.
Importing this module is cheap (no torch).

Axes: `S` samples, `T` frames, `C` channels, `H W` space, `N` items, `D` embedding width.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from inspect import Parameter, Signature, isfunction, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from zoo.errors import MediaError

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

# What a caller may hand in. A bare waveform (S,) is taken to be at 16 kHz, a bare video tensor
# (T, 3, H, W) uint8 to be at 25 frames a second; `Speech` and `Video` carry their own rate.
SpeechLike: TypeAlias = "str | Path | Tensor | Speech"
VideoLike: TypeAlias = "str | Path | Tensor | Video"
ImageLike: TypeAlias = "str | Path | Image.Image | Tensor | Picture"
SubtitlesLike: TypeAlias = "str | Path | Sequence[Span]"


def _write_text(path: str | Path, text: str) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _write_json(path: str | Path, data: object) -> Path:
    return _write_text(path, json.dumps(data, ensure_ascii=False, indent=2) + "\n")


def _suffix(path: str | Path, allowed: Sequence[str], what: str) -> str:
    """The lower-case ending of `path`; `MediaError` when `what` cannot be saved like that."""
    suffix = Path(path).suffix.lower()
    if suffix not in allowed:
        raise MediaError(
            f"{path}: {what} cannot be saved as {suffix or 'a file without an ending'!r}; "
            f"use one of {', '.join(allowed)}"
        )
    return suffix


@dataclass(frozen=True)
class Word:
    """One recognised word with its time in the clip; `confidence` lies in [0, 1]."""

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """What was said; `score` is the model's total log probability of the text."""

    text: str
    score: float = 0.0
    words: tuple[Word, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data that `json` can write."""
        return asdict(self)

    def save(self, path: str | Path) -> Path:
        """Write the text (`.txt`) or everything (`.json`) and return the path."""
        if _suffix(path, (".txt", ".json"), "a transcript") == ".txt":
            return _write_text(path, self.text + "\n")
        return _write_json(path, self.to_dict())


@dataclass(frozen=True, eq=False)
class Speech:
    """A mono recording.

    Attributes:
        waveform: (S,) float32 in [-1, 1].
        sample_rate: samples a second.
    """

    waveform: Tensor
    sample_rate: int

    def __post_init__(self) -> None:
        shape = tuple(self.waveform.shape)
        if len(shape) != 1:
            raise MediaError(f"Speech.waveform must be (S,), got shape {shape}; mix it to mono")
        if self.sample_rate <= 0:
            raise MediaError(f"Speech.sample_rate must be above 0, got {self.sample_rate}")

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return int(self.waveform.shape[0]) / self.sample_rate

    def save(self, path: str | Path) -> Path:
        """Write `.wav` (16 bit), `.flac`, `.mp3` or `.ogg` and return the path."""
        from zoo.audio import save_audio

        return save_audio(path, self.waveform, self.sample_rate)


@dataclass(frozen=True, eq=False)
class Picture:
    """One RGB picture; `pixels` is (3, H, W) uint8."""

    pixels: Tensor

    def __post_init__(self) -> None:
        _check_pixels("Picture.pixels", self.pixels, "(3, H, W)")

    def save(self, path: str | Path) -> Path:
        """Write `.png` (lossless) or `.jpg` and return the path."""
        from zoo.video import save_image

        return save_image(path, self.pixels)


@dataclass(frozen=True, eq=False)
class Video:
    """Moving pictures, with their sound if there is any.

    Attributes:
        frames: (T, 3, H, W) uint8, RGB.
        fps: frames a second.
        speech: sound that starts with the first frame, or None.
        tags: words that `save` writes into the file, such as those of
            `zoo.video.generated.mark_video`.
    """

    frames: Tensor
    fps: float
    speech: Speech | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_pixels("Video.frames", self.frames, "(T, 3, H, W)")
        if not self.fps > 0:
            raise MediaError(f"Video.fps must be above 0, got {self.fps}")

    @property
    def duration_s(self) -> float:
        """Length of the picture track in seconds."""
        return int(self.frames.shape[0]) / self.fps

    def picture(self, time_s: float = 0.0) -> Picture:
        """The frame on screen at `time_s` seconds (clamped to the clip)."""
        last = int(self.frames.shape[0]) - 1
        return Picture(self.frames[min(max(int(time_s * self.fps + 1e-6), 0), last)])

    def save(self, path: str | Path) -> Path:
        """Write `.mp4` (H.264, sound as AAC), or `.png`: the first frame; return the path."""
        if _suffix(path, (".mp4", ".png"), "a video") == ".png":
            return self.picture().save(path)
        from zoo.video.write import save_video

        return save_video(path, self)


def _check_pixels(name: str, pixels: Tensor, want: str) -> None:
    shape = tuple(pixels.shape)
    if len(shape) != want.count(",") + 1 or shape[-3] != 3 or 0 in shape:
        raise MediaError(f"{name} must be {want} and not empty, got shape {shape}")
    if str(pixels.dtype) != "torch.uint8":
        raise MediaError(f"{name} must be uint8 in 0..255, got {pixels.dtype}")


@dataclass(frozen=True, eq=False)
class Caption:
    """A spoken description of a picture.

    Attributes:
        units: the speech units the model produced.
        speech: the same as sound.
        text: its words, where the model knows them.
    """

    units: tuple[int, ...]
    speech: Speech
    text: str | None = None

    def save(self, path: str | Path) -> Path:
        """Write the sound (`.wav`, `.flac`), the words (`.txt`) or units and words (`.json`)."""
        suffix = _suffix(path, (".wav", ".flac", ".txt", ".json"), "a caption")
        if suffix == ".json":
            data = {"units": list(self.units), "text": self.text}
            return _write_json(path, {**data, "duration_s": self.speech.duration_s})
        if suffix == ".txt":
            words = " ".join(map(str, self.units)) if self.text is None else self.text
            return _write_text(path, words + "\n")
        return self.speech.save(path)


@dataclass(frozen=True)
class Span:
    """One subtitle: `text` belongs to the time from `start_s` to `end_s` seconds."""

    start_s: float
    end_s: float
    text: str


def save_spans(path: str | Path, spans: Sequence[Span]) -> Path:
    """Write subtitles as `.srt`, `.vtt` or `.json` and return the path."""
    suffix = _suffix(path, (".srt", ".vtt", ".json"), "a list of subtitles")
    if suffix == ".json":
        return _write_json(path, [asdict(span) for span in spans])
    from zoo.text.subtitles import format_srt, format_vtt

    return _write_text(path, format_srt(spans) if suffix == ".srt" else format_vtt(spans))


@dataclass(frozen=True)
class Keyword:
    """A word of the vocabulary that the model hears in the speech.

    Attributes:
        word: the word (a sub-word of the text encoder, joined to readable form).
        score: how sure the model is, higher is surer; comparable within one model only.
        slot: which keyword of the utterance it is a candidate for.
    """

    word: str
    score: float
    slot: int


def save_keywords(path: str | Path, keywords: Sequence[Keyword]) -> Path:
    """Write the keywords of one utterance as `.txt` (a word a line) or `.json`."""
    if _suffix(path, (".txt", ".json"), "a list of keywords") == ".txt":
        return _write_text(path, "".join(f"{keyword.word}\n" for keyword in keywords))
    return _write_json(path, [asdict(keyword) for keyword in keywords])


@runtime_checkable
class Recognizer(Protocol):
    """Reads lips, with the sound's help where there is some."""

    def transcribe(
        self,
        video: VideoLike | Sequence[VideoLike],
        audio: SpeechLike | Sequence[SpeechLike] | None = None,
    ) -> Transcript | list[Transcript]:
        """What is said in `video`."""
        ...


@runtime_checkable
class VideoToSpeech(Protocol):
    """Gives a silent speaker a voice."""

    def synthesize(
        self,
        video: VideoLike | Sequence[VideoLike],
        speaker: SpeechLike | Sequence[SpeechLike] | None = None,
        *,
        seed: int = 0,
    ) -> Speech | list[Speech]:
        """The speech that belongs to the lips of `video`, in the voice heard in `speaker`."""
        ...


@runtime_checkable
class Dubber(Protocol):
    """Speaks a text in time with lips."""

    def dub(
        self,
        text: str | Sequence[str],
        video: VideoLike | Sequence[VideoLike],
        reference: SpeechLike | Sequence[SpeechLike],
        *,
        seed: int = 0,
    ) -> Speech | list[Speech]:
        """`text` in the voice heard in `reference`, in time with the lips of `video`."""
        ...


@runtime_checkable
class TextToSpeech(Protocol):
    """Speaks a text."""

    def speak(
        self,
        text: str | Sequence[str],
        reference: SpeechLike | Sequence[SpeechLike] | None = None,
        *,
        seed: int = 0,
    ) -> Speech | list[Speech]:
        """`text` as speech, in the voice heard in `reference` where one is given."""
        ...


@runtime_checkable
class SpeechTranslator(Protocol):
    """Speech of one language into speech of another."""

    def translate(
        self,
        speech: SpeechLike | Sequence[SpeechLike],
        source_language: str,
        target_language: str,
        *,
        face: ImageLike | VideoLike | Sequence[ImageLike | VideoLike] | None = None,
        seed: int = 0,
    ) -> Speech | Video | list[Speech] | list[Video]:
        """`speech` in another language (languages are ISO 639-1 codes).

        An audio-visual translator also takes the speaker's `face`, and then returns a `Video`
        whose `speech` is the translation.
        """
        ...


@runtime_checkable
class TalkingFace(Protocol):
    """Makes a face say something."""

    def animate(
        self,
        face: ImageLike | VideoLike | Sequence[ImageLike | VideoLike],
        speech: SpeechLike | Sequence[SpeechLike] | None = None,
        *,
        text: str | Sequence[str] | None = None,
        seed: int = 0,
    ) -> Video | list[Video]:
        """`face` saying `speech`, or `text` where the model is driven by text; give one of them."""
        ...

    def encode_audio(self, mel: Tensor) -> Tensor:
        """Latents (B, T, C) of the mel windows `mel` (B, T, 1, 80, 16), one a video frame."""
        ...

    def generate(self, latent: Tensor, faces: Tensor) -> Tensor:
        """Frames (B, T, 3, H, W) in [0, 1] from `latent` (B, T, C) and `faces` (B, T, 6, H, W)."""
        ...


@runtime_checkable
class SpeechImageRetriever(Protocol):
    """Puts speech and pictures into one space. A single item gives N = 1."""

    def embed_speech(self, speech: SpeechLike | Sequence[SpeechLike]) -> Tensor:
        """Unit-norm embeddings (N, D) of spoken descriptions."""
        ...

    def embed_image(self, image: ImageLike | Sequence[ImageLike]) -> Tensor:
        """Unit-norm embeddings (N, D) of pictures."""
        ...

    def keywords(
        self, speech: SpeechLike | Sequence[SpeechLike], top_k: int = 5
    ) -> list[list[Keyword]]:
        """The words heard, best first within each slot; one inner list an utterance."""
        ...


@runtime_checkable
class SpeechCaptioner(Protocol):
    """Describes a picture aloud."""

    def describe(
        self, image: ImageLike | Sequence[ImageLike], *, seed: int = 0
    ) -> Caption | list[Caption]:
        """A spoken description of `image`."""
        ...


@runtime_checkable
class VideoGenerator(Protocol):
    """Makes a video of a description."""

    def generate(
        self, prompt: str | Sequence[str], seconds: float, *, seed: int = 0
    ) -> Video | list[Video]:
        """A video of `prompt` that lasts `seconds`."""
        ...


@runtime_checkable
class SubtitleAligner(Protocol):
    """Finds when each subtitle is signed."""

    def align(
        self,
        signing: VideoLike | Sequence[VideoLike],
        subtitles: SubtitlesLike | Sequence[SubtitlesLike],
    ) -> list[Span] | list[list[Span]]:
        """The subtitles, in their order, with the times at which `signing` signs them."""
        ...


PROTOCOLS: tuple[type, ...] = (
    Recognizer,
    VideoToSpeech,
    Dubber,
    TextToSpeech,
    SpeechTranslator,
    TalkingFace,
    SpeechImageRetriever,
    SpeechCaptioner,
    VideoGenerator,
    SubtitleAligner,
)


def implements(model: object, protocol: type | str) -> bool:
    """Whether a model, or a class of models, has a protocol's methods and they take its parameters.

    `isinstance` and `issubclass` look at the names of the methods alone, which two protocols may
    share (`TalkingFace.generate` and `VideoGenerator.generate`).

    Args:
        model: an object or a class.
        protocol: one of `PROTOCOLS`, or its name.
    """
    if isinstance(protocol, str):
        protocol = next(one for one in PROTOCOLS if one.__name__ == protocol)
    methods = {name: x for name, x in vars(protocol).items() if name[0] != "_" and isfunction(x)}
    return all(_takes(model, name, signature(method)) for name, method in methods.items())


def _takes(model: object, name: str, wanted: Signature) -> bool:
    """Whether the method of this name can be called in every way in which `wanted` can."""
    method = getattr(model, name, None)
    if not callable(method):
        return False
    own = [None] if isinstance(model, type) and isfunction(method) else []  # in place of `self`
    offered, given = signature(method), list(wanted.parameters.values())[1:]
    by_name = {one.name: None for one in given if one.kind is Parameter.KEYWORD_ONLY}
    in_order = {one.name: None for one in given if one.name not in by_name}
    needed = [None for one in given if one.name in in_order and one.default is Parameter.empty]
    try:
        offered.bind(*own, *needed)
        offered.bind(*own, *in_order.values(), **by_name)
        offered.bind(*own, **in_order, **by_name)
    except TypeError:
        return False
    return True
