"""Clips of talking people: what the face corpora share, whatever their layout.

A clip is a plan (plain data, cheap) until `render` films it. The clips of one recording share the
person, the place, the light and the clothes.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.data.corpora import faces
from zoo.data.corpora.backdrop import OCCLUDERS, Look, draw_look
from zoo.data.corpora.espeak import Segment
from zoo.data.corpora.faces import Film
from zoo.data.corpora.grammar import Sentence, draw_sentence
from zoo.data.corpora.motion import MOODS, HeadTrack, head_track
from zoo.data.corpora.mouth import FPS, MouthTrack, mouth_track
from zoo.data.corpora.speakers import SAMPLE_RATE, Recording, record
from zoo.data.corpora.talkers import Talker, draw_talkers
from zoo.data.corpora.timbres import COUNT, drawn_name
from zoo.video import VideoWriter

CLIPS_A_VIDEO: Final = 5
HOP: Final = SAMPLE_RATE // FPS
SHORT_FRAMES: Final = 24
_OCCLUDED: Final = 0.12  # share of the clips
_MOODS: Final = (0.4, 0.2, 0.15, 0.1, 0.15)
_ID_SIGNS: Final = string.ascii_letters + string.digits + "-_"
# one thread: with more, the bytes would depend on the machine's cores
_ENCODING: Final = {"crf": "20", "preset": "ultrafast", "threads": "1"}
Quirk = Literal["", "short", "absent", "filler", "long"]


@dataclass(frozen=True)
class Recorded:
    """Somebody in front of a camera: the source of a few clips."""

    id: str
    talker: Talker
    look: Look


@dataclass(frozen=True)
class Clip:
    """One clip to film.

    Attributes:
        split: train, dev or test.
        video: where it comes from.
        number: place of the clip in its video, from 0.
        language: of the speech.
        sentences: what is said; one, but for long clips.
        mood: a key of `motion.MOODS`.
        occluder: what gets before the mouth, or None.
        wild: lively movement.
        quirk: what makes the clip unlike others: "short" says a name only, in "absent" the person
            leaves the picture, "filler" begins with um or oh, "long" has many sentences.
        entropy: seeds all that is left to chance.
        filmed: with pictures.
    """

    split: str
    video: Recorded
    number: int
    language: str
    sentences: tuple[Sentence, ...]
    mood: str
    occluder: str | None
    wild: bool
    quirk: Quirk
    entropy: tuple[int, ...]
    filler: str = ""
    filmed: bool = True

    @property
    def words(self) -> str:
        """What is said, in lower case without punctuation."""
        text = " ".join(sentence.words(self.language) for sentence in self.sentences)
        if self.quirk == "short":
            return text.split()[0]
        return f"{self.filler} {text}".strip()

    @property
    def speech(self) -> str:
        """The same as the voice gets it, with pauses between sentences."""
        if len(self.sentences) == 1 or self.quirk == "short":
            return self.words
        return ". ".join(sentence.words(self.language) for sentence in self.sentences)


@dataclass(frozen=True, eq=False)
class Rendered:
    """What a clip became: sound (S,) with 640 samples a frame, and the truth about it."""

    samples: NDArray[np.float32]
    words: list[Segment]
    truth: dict[str, Any] = field(repr=False)


def plan_clips(
    seed: int,
    stream: int,
    split: str,
    count: int,
    *,
    language: str = "en",
    wild: bool = False,
    sentences: int = 1,
    timbres: int = 0,
    filmed: bool = True,
    revoiced: int = 0,
) -> list[Clip]:
    """Draw `count` clips of a split.

    Dev and test say verbs of nouns that no training clip of any seed has, by timbres that none has.

    Args:
        seed: Draws everything; another seed gives other people and sentences.
        stream: Keeps apart what is drawn for different corpora and parts of them.
        split: "train", "dev" or "test".
        count: How many clips.
        language: One of `lexicon.LANGUAGES`.
        wild: Poor light, noise, blur and lively heads.
        sentences: How many to a clip.
        timbres: How many are drawn for the training people; 0 leaves them those of espeak-ng.
        filmed: With pictures.
        revoiced: Draws a timbre for each training clip alone, and changes nothing else of the
            plan; 0 leaves all clips of a person that person's.
    """
    rng = np.random.default_rng([seed, stream])
    talkers = draw_talkers(seed, language, timbres)[split]
    order = rng.permutation(len(talkers))
    clips: list[Clip] = []
    for number, first in enumerate(range(0, count, CLIPS_A_VIDEO)):
        talker = talkers[int(order[number % len(order)])]
        name = "".join(_ID_SIGNS[int(k)] for k in rng.integers(len(_ID_SIGNS), size=11))
        video = Recorded(name, talker, draw_look(rng, wild=wild))
        for place in range(min(CLIPS_A_VIDEO, count - first)):
            drawn = np.random.default_rng((seed, stream, first + place))
            entropy = (seed, stream, first + place)
            clip = _clip(drawn, split, video, place, language, wild, sentences, entropy)
            if revoiced and split == "train":
                clip = _revoiced(clip, revoiced)
            clips.append(replace(clip, filmed=filmed))
    return clips


def _revoiced(clip: Clip, number: int) -> Clip:
    # a generator of its own: whatever else is drawn for the clip stays
    timbre = int(np.random.default_rng([*clip.entropy, 16, number]).integers(COUNT))
    talker = clip.video.talker.in_timbre(drawn_name(timbre))
    return replace(clip, video=replace(clip.video, talker=talker))


def _clip(
    rng: np.random.Generator,
    split: str,
    video: Recorded,
    place: int,
    language: str,
    wild: bool,
    sentences: int,
    entropy: tuple[int, ...],
) -> Clip:
    said = [
        draw_sentence(rng, held_out=split != "train", language=language) for _ in range(sentences)
    ]
    thing = OCCLUDERS[int(rng.integers(len(OCCLUDERS)))] if rng.random() < _OCCLUDED else None
    return Clip(
        split=split,
        video=video,
        number=place,
        language=language,
        sentences=tuple(said),
        mood=str(rng.choice(list(MOODS), p=_MOODS)),
        occluder=thing,
        wild=wild,
        quirk="long" if sentences > 1 else "",
        entropy=entropy,
    )


def render(clip: Clip, stem: Path) -> Rendered:
    """Write `<stem>.mp4` and the ground truth `<stem>.npz`; returns sound, words and truth.

    Of a clip that is not filmed there is only the sound, in `<stem>.mp4`.

    The npz holds `landmarks` (T, 68, 2) in pixels, `opening` and `width` of the mouth (T,) in
    pixels of a face seen from the front, and `occluded` (T,).
    """
    rng = np.random.default_rng((*clip.entropy, 1))
    recording = record(clip.speech, clip.video.talker.in_mood(clip.mood), rng)
    samples = _whole_frames(recording.samples, SHORT_FRAMES if clip.quirk == "short" else 0)
    film = _film(clip, recording, len(samples) // HOP, rng)
    stem.parent.mkdir(parents=True, exist_ok=True)
    fps, path = FPS if clip.filmed else None, stem.with_name(f"{stem.name}.mp4")
    with VideoWriter(path, fps, sample_rate=SAMPLE_RATE, encoding=_ENCODING) as writer:
        if clip.filmed:
            with _one_thread():
                for pictures in faces.frames(film):
                    writer.write_planes(pictures)
        writer.write_sound(torch.from_numpy(samples))
    if clip.filmed:
        np.savez_compressed(stem.with_name(f"{stem.name}.npz"), **_tracks(film))  # type: ignore[arg-type]
    words = list(single_words(recording))
    return Rendered(samples, words, _truth(clip, recording, film, words))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Work is shared out to processes; threads of torch in each would fight for the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def single_words(recording: Recording) -> Iterator[Segment]:
    """Words with their times in the clip; what the voice runs together is cut by length."""
    for segment in recording.utterance.words:
        parts = segment.label.split()
        start, signs = recording.lead_ms + segment.start_ms, sum(map(len, parts))
        for part in parts:
            stop = start + (segment.end_ms - segment.start_ms) * len(part) / signs
            yield Segment(part.strip(".,"), start, stop)
            start = stop


def _whole_frames(samples: NDArray[np.float32], least: int) -> NDArray[np.float32]:
    """Room noise fills the last frame, and up to `least` frames."""
    missing = max(-len(samples) % HOP, least * HOP - len(samples))
    return np.pad(samples, (0, missing), mode="reflect")


def _film(clip: Clip, recording: Recording, frames: int, rng: np.random.Generator) -> Film:
    manner = np.random.default_rng([clip.entropy[0], 12, clip.video.talker.number])
    mouth: MouthTrack = mouth_track(
        recording.utterance.phonemes, recording.lead_ms, frames, rng, manner
    )
    head: HeadTrack = head_track(frames, rng, liveliness=1.4 if clip.wild else 1.0)
    return Film(
        who=clip.video.talker.face,
        look=clip.video.look,
        mood=clip.mood,
        mouth=mouth,
        head=head,
        occluder=clip.occluder,
        seed=int(rng.integers(2**31)),
        gaze=float(rng.normal(0, 0.9)),
        absent=(frames // 3, frames // 2) if clip.quirk == "absent" else (0, 0),
    )


def _tracks(film: Film) -> dict[str, NDArray[Any]]:
    lips, corner = film.lips(), film.occlusion()
    hidden = np.zeros(len(film), bool) if corner is None else corner[:, 1] < 165
    return {
        "landmarks": faces.landmarks(film).round(2).astype(np.float32),
        "opening": lips.opening.astype(np.float32),
        "width": lips.width.astype(np.float32),
        "occluded": hidden,
    }


def _truth(clip: Clip, recording: Recording, film: Film, words: list[Segment]) -> dict[str, Any]:
    lead = recording.lead_ms
    spoken = [
        Segment(p.label, lead + p.start_ms, lead + p.end_ms) for p in recording.utterance.phonemes
    ]
    face = asdict(film.who)
    del face["points"]
    return {
        "text": clip.words,
        "language": clip.language,
        "sentences": [asdict(sentence) for sentence in clip.sentences],
        "speaker": clip.video.talker.number,
        "voice": asdict(recording.voice),
        "face": face,
        "look": asdict(film.look),
        "emotion": clip.mood,
        "occluder": clip.occluder,
        "quirk": clip.quirk,
        "frames": len(film),
        "snr_db": recording.snr_db,
        "words": _times(words),
        "phonemes": _times(spoken),
    }


def _times(segments: list[Segment]) -> list[list[Any]]:
    return [[s.label, round(s.start_ms, 1), round(s.end_ms, 1)] for s in segments]
