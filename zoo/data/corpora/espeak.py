"""Speech from espeak-ng with phoneme and word times, the same samples whatever was said before.

The shared library comes in the `espeakng-loader` wheel and is driven through ctypes. It keeps its
state (flutter phase, oscillators, echo) in globals that neither a new voice nor
`espeak_Terminate` resets, so one sentence would change the next one's samples; it is therefore
unloaded and loaded again for every utterance, which costs about three milliseconds. The globals
also mean one speaker a process: parallel work goes to worker processes, never to threads.
"""

from __future__ import annotations

import _ctypes
import atexit
import ctypes
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

from zoo.data.corpora.timbres import definition, drawn_number
from zoo.errors import ZooError

# speak_lib.h: names as there
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE = 0x0001 | 0x0002 | 0x8000  # phoneme events, in IPA, and never call exit()
_CHARS_UTF8 = 1
_EVENT_END_OF_LIST, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_RATE, _PITCH, _RANGE = 1, 3, 4

_PUNCTUATION = ' ,.;:!?¡¿"()[]-\n\t'
_Mark = tuple[int, int, int, str]  # event type, sample, position in the text, phoneme


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # in characters, from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True, kw_only=True)
class Voice:
    """How a speaker sounds.

    Attributes:
        language: one of `languages()`, in any case, e.g. `"en-us"`, `"en"` (British), `"es"`, `"fr"`.
        variant: timbre, one of `variants()`, one that `zoo.data.corpora.timbres` draws, or None for
            the language's plain voice.
        pitch: 0 to 100, 50 is the variant's own.
        pitch_range: 0 (monotone) to 100, 50 is the variant's own.
        rate: words a minute, 80 to 450.
        tract: all resonances and the pitch times this (a shorter vocal tract is above 1), done by
            playing the samples faster; `rate` already allows for it.
    """

    language: str = "en-us"
    variant: str | None = None
    pitch: int = 50
    pitch_range: int = 50
    rate: int = 175
    tract: float = 1.0

    @property
    def name(self) -> str:
        """The name espeak-ng knows, `language+variant`.

        Raises:
            ZooError: There is no such language or variant.
        """
        language = _known(self.language, languages(), "language")
        if self.variant is None:
            return language
        if drawn_number(self.variant) is not None:
            return f"{language}+{self.variant}"
        return f"{language}+{_known(self.variant, variants(), 'variant')}"


@dataclass(frozen=True)
class Segment:
    """A phoneme (IPA, stress marks included; "" is silence) or a word, with its times.

    Words that are said as one ("on the") are one segment with both.
    """

    label: str
    start_ms: float
    end_ms: float


@dataclass(frozen=True)
class Utterance:
    """What was said: samples (S,) float32 in [-1, 1] at `sample_rate` Hz, and when."""

    samples: NDArray[np.float32]
    sample_rate: float
    phonemes: tuple[Segment, ...]
    words: tuple[Segment, ...]


@cache
def languages() -> tuple[str, ...]:
    """Names of the languages and accents that come with the library, sorted."""
    files = _data_folder().joinpath("lang").rglob("*")
    return tuple(sorted(p.name for p in files if p.is_file()))


@cache
def variants() -> tuple[str, ...]:
    """Names of the timbres that come with the library, sorted."""
    return tuple(sorted(p.name for p in _data_folder().joinpath("voices", "!v").iterdir()))


def speak(text: str, voice: Voice | None = None) -> Utterance:
    """Say one sentence.

    Args:
        text: What to say, in the voice's language.
        voice: Who says it; None is a plain American English voice.

    Raises:
        ZooError: The library cannot be loaded, does not know the voice, or fails.
    """
    voice = voice or Voice()
    chunks: list[bytes] = []
    events: list[_Mark] = []

    def collect(wav: ctypes._Pointer[ctypes.c_short], count: int, queue: ctypes.Array) -> int:  # type: ignore[type-arg]
        if wav and count > 0:
            chunks.append(ctypes.string_at(wav, 2 * count))
        events.extend(_read(queue))
        return 0

    callback = _Callback(collect)  # kept alive by this frame while the library may call it
    with _library(callback, _data_folder_for(voice.variant)) as (library, rate):
        _choose(library, voice)
        data = text.encode() + b"\0"
        if library.espeak_Synth(data, len(data), 0, 1, 0, _CHARS_UTF8, None, None) != 0:
            raise ZooError(f"espeak-ng could not say {text!r} with the voice {voice.name!r}")
    samples = np.frombuffer(b"".join(chunks), dtype="<i2").astype(np.float32) / np.float32(32768)
    rate = rate * voice.tract
    return Utterance(samples, rate, *_segments(events, text, len(samples), rate))


@contextmanager
def _library(callback: ctypes._FuncPointer, data: Path) -> Iterator[tuple[ctypes.CDLL, float]]:
    path = espeakng_loader.get_library_path()
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ZooError(f"cannot load espeak-ng from {path}: {error}") from error
    try:
        folder = str(data).encode()
        rate = library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, folder, _INITIALIZE)
        if rate <= 0:
            raise ZooError(f"espeak-ng does not start with its data folder {folder.decode()}")
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        library.espeak_SetSynthCallback(callback)
        yield library, float(rate)
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)


def _data_folder() -> Path:
    return Path(espeakng_loader.get_data_path())


def _data_folder_for(variant: str | None) -> Path:
    """Where espeak-ng finds a timbre."""
    number = drawn_number(variant)
    if number is None:
        return _data_folder()
    folder = _with_drawn_timbre()
    file = folder / "voices" / "!v" / str(variant)
    if not file.is_file():
        for other in file.parent.iterdir():  # espeak-ng reads all there are, and only 350
            other.unlink()
        file.write_text(definition(number), encoding="ascii")
    return folder


@cache
def _with_drawn_timbre() -> Path:
    """The library's data with room for a drawn timbre; goes when the process ends."""
    scratch = tempfile.TemporaryDirectory(prefix="zoo-espeak-")
    atexit.register(scratch.cleanup)
    folder = Path(scratch.name)
    (folder / "voices" / "!v").mkdir(parents=True)
    for entry in _data_folder().iterdir():
        if entry.name != "voices":
            (folder / entry.name).symlink_to(entry)
    return folder


def _known(name: str, names: tuple[str, ...], what: str) -> str:
    """The exact file name: espeak-ng ignores an unknown variant and may crash on a language."""
    if name in names:
        return name
    for exact in names if what == "language" else ():
        if exact.lower() == name.lower():
            return exact
    raise ZooError(f"espeak-ng has no {what} {name!r}; there are: {', '.join(names)}")


def _choose(library: ctypes.CDLL, voice: Voice) -> None:
    if library.espeak_SetVoiceByName(voice.name.encode()) != 0:
        raise ZooError(f"espeak-ng cannot load the voice {voice.name!r}")
    library.espeak_SetParameter(_RATE, round(voice.rate / voice.tract), 0)
    library.espeak_SetParameter(_PITCH, voice.pitch, 0)
    library.espeak_SetParameter(_RANGE, voice.pitch_range, 0)


def _read(queue: ctypes.Array) -> Iterator[_Mark]:  # type: ignore[type-arg]
    index = 0
    while (event := queue[index]).type != _EVENT_END_OF_LIST:
        label = ""
        if event.type == _EVENT_PHONEME:  # at most 8 bytes: a longer name is cut
            label = bytes(event.id.string).decode(errors="ignore")
        yield event.type, event.sample, event.text_position, label
        index += 1


def _segments(
    events: list[_Mark], text: str, count: int, rate: float
) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """Events mark starts: each phoneme and word ends where the next begins, or at a pause."""
    phonemes: list[Segment] = []
    starts = [(sample, label) for kind, sample, _, label in events if kind == _EVENT_PHONEME]
    for (start, label), (end, _) in zip(starts, [*starts[1:], (count, "")]):
        if end > start:
            phonemes.append(Segment(label, 1e3 * start / rate, 1e3 * end / rate))
    return tuple(phonemes), _words(events, text, count, rate, phonemes)


def _words(
    events: list[_Mark], text: str, count: int, rate: float, phonemes: list[Segment]
) -> tuple[Segment, ...]:
    """espeak-ng says some pairs as one word ("on the"): a label reaches to the next mark."""
    marks = [event[1:3] for event in events if event[0] == _EVENT_WORD]
    pauses = [phoneme.start_ms for phoneme in phonemes if not phoneme.label]
    words = []
    for (start, first), (end, last) in zip(marks, [*marks[1:], (count, len(text) + 1)]):
        begin, finish = 1e3 * start / rate, 1e3 * end / rate
        finish = min([finish, *(ms for ms in pauses if ms > begin)])
        words.append(Segment(text[first - 1 : last - 1].strip(_PUNCTUATION), begin, finish))
    return tuple(words)
