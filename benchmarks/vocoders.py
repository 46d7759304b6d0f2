"""How intelligible recordings stay on their way through the shipped vocoders.

    python benchmarks/vocoders.py [--model NAME ...] [--clips 100] [--seed 20265] [--data DIR]
                                  [--cards]

Clips are made afresh: other seed, held-out voices and sentences. A recording is taken apart (mel; or
units and voice; or all three) and put together again. A unit vocoder that may be told the pitch is
told the recording's, and measured once more without it ("pitch guessed"). Printed with 95 %
bootstrap intervals over recordings (people), beside the recordings as they are and Griffin-Lim of
their mel:

- word error rate of judge_asr.tiny;
- STOI and PESQ, where the vocoder keeps the recording's own timing and pitch; distance of the log
  mels;
- similarity of the speaker to the recording's (GE2E).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from findings import Found, keep, of_figure, of_means, shipped, show
from torch import Tensor

import zoo
from zoo.audio import load_audio
from zoo.audio.griffin_lim import through_mel
from zoo.data.corpora import make
from zoo.data.lrs3 import read_lrs3
from zoo.data.speech_targets import PACKAGED_VOICES, embed_voice, load_speaker_encoder
from zoo.hub.paths import checkout_folder
from zoo.metrics.pesq import PESQ
from zoo.metrics.stoi import STOI
from zoo.metrics.wer import WER
from zoo.nn.spectral_losses import MelLoss
from zoo.tasks import Speech

MODELS = (
    "mel_vocoder.tiny",
    "mel_vocoder.tiny-hifigan",
    "unit_vocoder.tiny",
    "unit_vocoder.tiny-km200",
    "lip2speech_unit.tiny",
)
RATE = 16_000
Way = Callable[[Speech], Any]
"""A recording in, `Speech` out."""


def measure(way: Way, clips: Sequence[Any], sounds: Sequence[Tensor], judges: Any) -> Found:
    """All figures of one way."""
    judge, voices = judges
    made = [way(Speech(sound, RATE)).waveform for sound in sounds]
    sources = [clip.source for clip in clips]
    heard = [judge.transcribe(audio=sound).text for sound in made]
    metric = WER()
    rows = metric.rows(
        [(c.id, c.source, text, c.text) for c, text in zip(clips, heard, strict=True)]
    )
    figure = metric.figures(rows)[0]
    found: Found = {"WER (%)": of_figure(figure, rows, figure.id)}
    pairs = [(Speech(a, RATE), Speech(b, RATE)) for a, b in zip(made, sounds, strict=True)]
    stoi, pesq, mel = STOI(), PESQ(), MelLoss()
    similar = [float(torch.dot(*(embed_voice(voices, one) for one in pair))) for pair in pairs]
    values = {
        "STOI": [stoi.score_sample(*pair)["stoi"] for pair in pairs],
        "PESQ": [next(iter(pesq.score_sample(*pair).values())) for pair in pairs],
        "log-mel L1": [float(mel(a[None], b[None])) for a, b in zip(made, sounds, strict=True)],
        "speaker similarity": similar,
    }
    return found | {name: of_means(name, own, sources) for name, own in values.items()}


def inverted(speech: Speech) -> Speech:
    """Through mel bands and back without a network."""
    return Speech(through_mel(speech.waveform), RATE)


def takes_pitch(model: Any) -> bool:
    """Whether a vocoder may be told the pitch, or not."""
    network = getattr(model.config, "network", None)
    return getattr(network, "f0", "none") == "optional"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="name or folder (default: the shipped)")
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20265, help="one that nothing is trained on")
    parser.add_argument("--data", type=Path, help="a tiny-lrs3 of that seed, if there is one")
    parser.add_argument("--cards", action="store_true", help="write the numbers into the cards")
    args = parser.parse_args()
    judges = zoo.from_pretrained("judge_asr.tiny").eval(), load_speaker_encoder(PACKAGED_VOICES)
    with tempfile.TemporaryDirectory() as scratch:
        data = args.data or Path(scratch) / "corpus"
        if args.data is None:
            make(
                "tiny-lrs3", data, seed=args.seed, clips={"train": 1, "dev": 1, "test": args.clips}
            )
        clips = read_lrs3(data, "test")
        clips = clips[:: max(1, len(clips) // args.clips)][: args.clips]
        sounds = [load_audio(data / clip.sound) for clip in clips]
        ways: dict[str, Way] = {"recordings": lambda one: one, "Griffin-Lim of the mel": inverted}
        beside = {name: measure(way, clips, sounds, judges) for name, way in ways.items()}
        for name, found in beside.items():
            show(name, found)
        for name in args.model or shipped(MODELS):
            model: Any = zoo.from_pretrained(name).eval()
            found = measure(model.resynthesize, clips, sounds, judges)
            where = args.data or f"seed {args.seed}"
            show(f"{name}, {where}", found)
            if takes_pitch(model):
                alone = measure(partial(model.resynthesize, pitch=False), clips, sounds, judges)
                show(f"{name}, pitch guessed, {where}", alone)
                found |= {f"pitch guessed, {k}": v for k, v in alone.items()}
            if args.cards:
                command = f"python benchmarks/vocoders.py --seed {args.seed} --clips {args.clips}"
                others = {f"{row}, {k}": v for row, own in beside.items() for k, v in own.items()}
                keep(checkout_folder() / name, found | others, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
