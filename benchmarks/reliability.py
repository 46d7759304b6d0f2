"""Whether AV-RelScore's scores follow how far each stream can be trusted.

    python benchmarks/reliability.py [--model av_relscore.tiny] [--clips 40] [--seed 20268]
                                     [--data DIR] [--cards]

Clips are made afresh: other seed, held-out voices, faces and sentences. Printed with 95 % bootstrap
intervals over people:

- the mean score of the frames in which a thing hides part of the mouth (the paper's test
  corruption), of the other frames of the same clip, and the difference, clip by clip;
- the mean score of the sound clean and under babble of several voices, and Spearman's rank
  correlation of score and noise level, clip by clip.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from film_clips import Clip, read_clips
from findings import Found, keep, of_means, shipped, show
from scipy.stats import spearmanr
from torch import Tensor

import zoo
from zoo.audio.noise import babble, mix_at_snr
from zoo.data.corpora import make
from zoo.hub.paths import checkout_folder
from zoo.tasks import Speech, Video
from zoo.video import FPS
from zoo.video.distortions import occlude

MODELS = ("av_relscore.tiny",)
LEVELS = (10, 5, 0, -5)  # dB
VOICES = 8
RATE = 16_000


def measure(model: Any, clips: Sequence[Clip], detector: Any) -> Found:
    """All figures of a model."""
    values: dict[str, list[float]] = defaultdict(list)
    for number, clip in enumerate(clips):
        draw = Random(number)
        film, hidden = occluded(clip, detector, draw)
        sound = Speech(clip.sound, RATE)
        scores = model.reliability(film, sound).video
        hidden = hidden[: len(scores)]
        values["lips, score of hidden frames"].append(float(scores[hidden].mean()))
        values["lips, score of clear frames"].append(float(scores[~hidden].mean()))
        lost = scores[hidden].mean() - scores[~hidden].mean()
        values["lips, hidden less clear"].append(float(lost))

        clear = Video(clip.frames, FPS, None)
        others = [other.sound for other in clips if other.source != clip.source]
        noise = babble(draw.sample(others, VOICES), len(clip.sound), draw, VOICES)
        heard = [float(model.reliability(clear, sound).audio.mean())]
        values["sound, score when clean"].append(heard[0])
        for level in LEVELS:
            mixed = Speech(mix_at_snr(clip.sound, noise, level), RATE)
            heard.append(float(model.reliability(clear, mixed).audio.mean()))
            values[f"sound, score at {level} dB"].append(heard[-1])
        rank = spearmanr(range(len(heard)), heard).statistic
        values["sound, rank correlation of score and noise"].append(float(rank))
    sources = [clip.source for clip in clips]
    return {name: of_means(name, column, sources) for name, column in values.items()}


def occluded(clip: Clip, detector: Any, draw: Random) -> tuple[Video, Tensor]:
    """The film with a thing before the mouth for a while, and which frames (T,) bool it changed."""
    hidden = occlude(clip.frames, draw, detector.detect(clip.frames))
    return Video(hidden, FPS, None), (hidden != clip.frames).flatten(1).any(dim=1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="name or folder (default: the shipped)")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--seed", type=int, default=20268, help="one that nothing is trained on")
    parser.add_argument("--data", type=Path, help="a tiny-lrs3 of that seed, if there is one")
    parser.add_argument("--cards", action="store_true", help="write the numbers into the cards")
    args = parser.parse_args()
    detector = zoo.from_pretrained("judge_landmarks.tiny").eval()
    with tempfile.TemporaryDirectory() as scratch:
        data = args.data or Path(scratch) / "corpus"
        if args.data is None:
            sizes = {"train": 1, "dev": 1, "test": 2 * args.clips}
            make("tiny-lrs3", data, seed=args.seed, clips=sizes)
        clips = read_clips(data)
        clips = clips[:: max(1, len(clips) // args.clips)][: args.clips]
        for name in args.model or shipped(MODELS):
            found = measure(zoo.from_pretrained(name).eval(), clips, detector)
            show(f"{name}, {args.data or f'seed {args.seed}'}", found)
            if args.cards:
                command = (
                    f"python benchmarks/reliability.py --seed {args.seed} --clips {args.clips}"
                )
                keep(checkout_folder() / name, found, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
