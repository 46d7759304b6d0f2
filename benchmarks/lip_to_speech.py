"""What the shipped lip-to-speech models can do, on people and sentences nothing was trained on.

    python benchmarks/lip_to_speech.py [--model lip2speech_unit.tiny] [--mel-only FOLDER]
                                       [--clips 60] [--seed 20267] [--data DIR] [--cards]

Clips are made afresh: other seed, held-out voices, faces and sentences. Every clip is spoken in the
voice of another recording of its speaker. Printed with 95 % bootstrap intervals over people:

- word error rate of judge_asr.tiny: recordings as they are; put together again from what the
  vocoder hears of them: units, voice and, if it hears one, mel (the ceiling); the model; its
  predicted mel through Griffin-Lim (the floor); with --mel-only also a model trained without units
  (`zoo train lip2speech_unit --ablation mel-only`), which speaks through a mel vocoder, and the
  difference to it; beside all of them that of the video-only recogniser on the same clips;
- how often speech is more like another recording of its own speaker than like one of somebody else
  (GE2E), beside the same share of the real recordings;
- LSE-D (judge_syncnet.tiny) of the clips with their own sound, with the speech made for them, and
  with the speech made for another clip.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from film_clips import SAMPLES_PER_FRAME, under
from findings import Found, keep, of_difference, of_figure, of_means, shipped, show
from torch import Tensor

import zoo
from zoo.audio import load_audio
from zoo.data.corpora import make
from zoo.data.lrs3 import read_lrs3
from zoo.data.speech_targets import PACKAGED_VOICES, embed_voice, load_speaker_encoder
from zoo.hub.paths import checkout_folder
from zoo.metrics.base import Row
from zoo.metrics.lse import LSE
from zoo.metrics.wer import WER
from zoo.tasks import Speech, Video
from zoo.video import FPS, load_video

MODELS = ("lip2speech_unit.tiny",)
RECOGNISER = "av_relscore.tiny"
RATE = 16_000


class Clips:
    """Recordings with, for each, another one of its speaker and one of somebody else."""

    def __init__(self, data: Path, count: int) -> None:
        every = read_lrs3(data, "test")
        people: dict[str, list[Any]] = defaultdict(list)
        for clip in every:
            people[clip.source].append(clip)
        several = [clip for clip in every if len(people[clip.source]) > 1]
        self.own = several[:: max(1, len(several) // count)][:count]
        paths = [data / str(clip.video) for clip in self.own]
        self.sounds = [load_audio(path) for path in paths]
        self.films = [load_video(path).frames for path in paths]
        self.sources = [clip.source for clip in self.own]
        self.voices = []
        """Another recording of each clip's speaker."""
        for clip in self.own:
            theirs = people[clip.source]
            another = theirs[(theirs.index(clip) + 1) % len(theirs)]
            self.voices.append(load_audio(data / str(another.video)))
        self.other = [self._somebody_else(k) for k in range(len(self.own))]

    def _somebody_else(self, number: int) -> int:
        around = [(number + k) % len(self.own) for k in range(1, len(self.own))]
        return next(k for k in around if self.sources[k] != self.sources[number])

    def texts_into_rows(self, heard: Sequence[str]) -> list[Row]:
        """Word errors of a text for each clip."""
        return WER().rows(
            [(c.id, c.source, said, c.text) for c, said in zip(self.own, heard, strict=True)]
        )


def measure(model: Any, mel_only: Any, recogniser: Any, clips: Clips) -> Found:
    """All figures of a model."""
    judge: Any = zoo.from_pretrained("judge_asr.tiny").eval()
    voices = [Speech(sound, RATE) for sound in clips.voices]

    def spoken(maker: Any) -> list[Tensor]:
        return [
            maker.synthesize(Video(film, FPS, None), speaker=voice).waveform
            for film, voice in zip(clips.films, voices, strict=True)
        ]

    made = spoken(model)
    again = [model.resynthesize(Speech(sound, RATE)).waveform for sound in clips.sounds]
    ways = {
        "recordings": clips.sounds,
        "resynthesized": again,
        "": made,
        "Griffin-Lim of its mel": spoken(model.ablated("griffin-lim")),
    }
    if mel_only is not None:
        ways["trained without units"] = spoken(mel_only)
    rows = {
        name: clips.texts_into_rows([judge.transcribe(audio=sound).text for sound in sounds])
        for name, sounds in ways.items()
    }
    read = [recogniser.transcribe(video=Video(film, FPS, None)).text for film in clips.films]
    rows["texts of the video-only recogniser"] = clips.texts_into_rows(read)
    found: Found = {}
    for name, own in rows.items():
        figure = WER().figures(own)[0]
        found[f"{name}, WER (%)" if name else "WER (%)"] = of_figure(figure, own, name)
    if mel_only is not None:
        figures = WER().figures(rows[""])[0], WER().figures(rows["trained without units"])[0]
        label = "WER (%), difference to training without units"
        pair = rows[""], rows["trained without units"]
        found[label] = of_difference(figures, pair, label)
    return found | speakers(clips, made) | in_time(clips, made)


def speakers(clips: Clips, made: Sequence[Tensor]) -> Found:
    """How often the right speaker is nearer than a wrong one."""
    encoder = load_speaker_encoder(PACKAGED_VOICES)
    theirs = [embed_voice(encoder, Speech(sound, RATE)) for sound in clips.voices]

    def right(sounds: Sequence[Tensor]) -> list[float]:
        vectors = [embed_voice(encoder, Speech(sound, RATE)) for sound in sounds]
        return [
            float(torch.dot(one, own) > torch.dot(one, theirs[other]))
            for one, own, other in zip(vectors, theirs, clips.other, strict=True)
        ]

    label = "share nearer to its own speaker"
    return {
        f"recordings, {label}": of_means("real", right(clips.sounds), clips.sources),
        label: of_means("made", right(made), clips.sources),
    }


def in_time(clips: Clips, made: Sequence[Tensor]) -> Found:
    """LSE-D of films with their own sound, the speech made for them, and for others."""
    lse = LSE("wav2lip-lrs", judge="judge_syncnet.tiny")

    def distances(sound: Callable[[int], Tensor]) -> list[float]:
        return [
            lse.score_sample(under(Video(film, FPS, None), sound(k)))["lse_d"]
            for k, film in enumerate(clips.films)
        ]

    ways = {
        "filmed": lambda k: clips.sounds[k],
        "speech made for it": lambda k: made[k],
        "speech made for another": lambda k: looped(made[clips.other[k]], len(made[k])),
    }
    return {
        f"LSE-D, {name}": of_means(name, distances(sound), clips.sources)
        for name, sound in ways.items()
    }


def looped(sound: Tensor, size: int) -> Tensor:
    """A sound again and again until it is long enough for a film."""
    size = max(size, SAMPLES_PER_FRAME)
    return sound.repeat(-(-size // len(sound)))[:size]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="name or folder (default: the shipped)")
    parser.add_argument("--mel-only", help="a model trained with first_training.unit_weight 0")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--seed", type=int, default=20267, help="one that nothing is trained on")
    parser.add_argument("--data", type=Path, help="a tiny-lrs3 of that seed, if there is one")
    parser.add_argument("--cards", action="store_true", help="write the numbers into the cards")
    args = parser.parse_args()
    recogniser = zoo.from_pretrained(RECOGNISER).eval()
    mel_only = zoo.from_pretrained(args.mel_only).eval() if args.mel_only else None
    with tempfile.TemporaryDirectory() as scratch:
        data = args.data or Path(scratch) / "corpus"
        if args.data is None:
            sizes = {"train": 1, "dev": 1, "test": args.clips}
            make("tiny-lrs3", data, seed=args.seed, clips=sizes)
        clips = Clips(data, args.clips)
        for name in args.model or shipped(MODELS):
            found = measure(zoo.from_pretrained(name).eval(), mel_only, recogniser, clips)
            show(f"{name}, {args.data or f'seed {args.seed}'}", found)
            if args.cards:
                command = (
                    f"python benchmarks/lip_to_speech.py --seed {args.seed} --clips {args.clips}"
                ) + (" --mel-only FOLDER" if args.mel_only else "")
                keep(checkout_folder() / name, found, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
