"""What the shipped lip readers can do, on people and sentences that nothing was trained on.

    python benchmarks/lip_reading.py [--model akvsr.tiny] [--beside "no memory=FOLDER" ...]
                                     [--clips 160] [--seed 20269] [--data DIR]
                                     [--cards [--into NAME]]

Clips are made afresh: other seed, held-out voices, faces and sentences; of a model of Spanish,
Spanish ones. Printed with 95 % bootstrap intervals over people:

- word error rate from lips; of a model that also listens, from sound, and from both, clean and
  under babble of other clips, and the difference that the babbled sound makes to lips; of one that
  also takes units, from units of the recordings;
- of one with an audio memory (AKVSR), how many slots are in use: perplexity of the frames'
  attention, and of the slot that a frame attends most;
- normalised mutual information of that slot with the phone that is spoken, beside the same with
  the slots in another order;
- how often a classifier tells whose clip it is by how often each slot is attended most, and by the
  mean of the visual features that attend; it has learned from other clips of the same people.

`--beside` measures other weights of the same class on the same clips, such as an ablation, and
prints their word error rates and the differences, theirs less the model's, drawn together.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from findings import (
    Found,
    keep,
    of_difference,
    of_figure,
    of_means,
    pair,
    phone_at,
    plain,
    shipped,
    show,
)
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional as F

import zoo
from zoo.audio import load_audio
from zoo.audio.noise import babble, mix_at_snr
from zoo.data.corpora import make
from zoo.data.lrs3 import read_lrs3
from zoo.data.mtedx import read_mtedx
from zoo.hub.paths import checkout_folder
from zoo.metrics.base import Row
from zoo.metrics.wer import WER
from zoo.nn.memory_bridge import slot_perplexity
from zoo.tasks import Transcript
from zoo.video import FPS

MODELS = ("av_relscore.tiny", "akvsr.tiny", "lmdecoder.tiny-es")
LEVEL = -5  # dB
VOICES = 8
FOLDS = 5
ENGLISH = "en"
Rows = dict[str, list[Row]]
"""What the words are read from -> word errors of every clip."""


class Clips:
    """Test clips of one language with what their corpus knows of them."""

    def __init__(self, data: Path, language: str) -> None:
        english = language == ENGLISH
        self.clips = read_lrs3(data, "test") if english else read_mtedx(data, "test", language)
        self.wer = WER() if english else WER(normalizer="letters@1")  # as the harness has them
        path = data / "ground_truth" / "test.json"
        truths = {}
        for one in json.loads(path.read_text(encoding="utf-8")):
            for truth in one.get("segments", [one]):
                truths[truth["id"].removeprefix("test/")] = truth
        own = [truths[clip.id.removeprefix(f"{language}/")] for clip in self.clips]
        self.people = [str(truth["speaker"]) for truth in own]
        self.phones = [truth["phonemes"] for truth in own]
        self.films = [data / str(clip.video) for clip in self.clips]
        self.sounds = [load_audio(film) for film in self.films]

    @cached_property
    def noisy(self) -> list[Tensor]:
        """The sounds with babble of other people's clips."""
        found = []
        for number, (sound, person) in enumerate(zip(self.sounds, self.people)):
            others = [s for s, who in zip(self.sounds, self.people) if who != person]
            draw = Random(number)
            found.append(mix_at_snr(sound, babble(others, len(sound), draw, VOICES), LEVEL))
        return found

    @cache  # noqa: B019 - there is one set of clips a language
    def units(self, source: str) -> list[Tensor]:
        """Units (U,) of the recordings, 50 a second."""
        model: Any = zoo.from_pretrained(source).eval()
        return [model.extract(sound).expanded().ids for sound in self.sounds]

    def errors(self, read: Sequence[Transcript]) -> list[Row]:
        """Word errors of a text for each clip."""
        texts = zip(self.clips, self.people, read, strict=True)
        return self.wer.rows([(c.id, who, found.text, c.text) for c, who, found in texts])


def from_streams(model: Any, clips: Clips) -> Rows:
    """Word errors from lips and, where a model listens, from sound and both."""
    given: dict[str, dict[str, Any]] = {"lips": {"video": clips.films}}
    if "audio" in model.reads:
        for noise, sounds in (("", clips.sounds), (f", babble at {LEVEL} dB", clips.noisy)):
            given[f"sound{noise}"] = {"audio": sounds}
            given[f"both{noise}"] = {"video": clips.films, "audio": sounds}
    return {
        name: clips.errors(model.transcribe(**streams))
        for name, streams in given.items()
        if set(streams) <= set(model.reads)
    }


def from_units(model: Any, clips: Clips) -> Rows:
    """Word errors from units of the recordings, of a model that takes them."""
    if not hasattr(model, "transcribe_units"):
        return {}
    return {"units": clips.errors(model.transcribe_units(clips.units(model.config.unit_source)))}


def rates(rows: Rows, clips: Clips, label: str = "") -> Found:
    """Word error rates of all inputs."""
    found: Found = {}
    for name, own in rows.items():
        title = f"{label}WER (%), {name}"
        found[title] = of_figure(clips.wer.figures(own)[0], own, title)
    return found


def gain(rows: Rows, clips: Clips) -> Found:
    """What bad sound adds to lips: the difference of word error rates, where a model takes both."""
    noisy = f"both, babble at {LEVEL} dB"
    if noisy not in rows:
        return {}
    pair = rows[noisy], rows["lips"]
    title = f"WER (%), {noisy}, less that of lips"
    figures = clips.wer.figures(pair[0])[0], clips.wer.figures(pair[1])[0]
    return {title: of_difference(figures, pair, title)}


def beside(label: str, own: Rows, other: Rows, clips: Clips) -> Found:
    """What other weights reach, and how far they are from a model's."""
    found = rates(other, clips, f"{label}: ")
    for name, theirs in other.items():
        if name in own:
            title = f"{label}, difference: WER (%), {name}"
            figures = clips.wer.figures(theirs)[0], clips.wer.figures(own[name])[0]
            found[title] = of_difference(figures, (theirs, own[name]), title)
    return found


def audio_memory(model: Any, clips: Clips) -> Found:
    """Which slots are attended, and what they tell of phones and of people."""
    network = model.network
    means, counts, slots, weights = [], [], [], []
    for film in clips.films:
        lips = model.window.model_input(model.window.crops(film, "avhubert"))
        with torch.inference_mode():
            features = network.encoder(lips[None], None)
            weights.append(network.bridge.slot_weights(features, network.memory)[0])
        slots.append(F.one_hot(weights[-1].argmax(dim=1), weights[-1].shape[1]).float())
        means.append(features[0].mean(dim=0).numpy())
        counts.append(slots[-1].mean(dim=0).numpy())
    attended, chosen = torch.cat(weights), torch.cat(slots)
    return {
        "memory: slots in use, perplexity of the attention": perplexity(attended),
        "memory: slots in use, perplexity of the most attended": perplexity(chosen),
        **information([own.argmax(dim=1).numpy() for own in slots], clips),
        "memory: whose clip, by the slots": told(np.stack(counts), clips),
        "memory: whose clip, by the visual features": told(np.stack(means), clips),
        "memory: whose clip, by chance": plain(1 / len(set(clips.people)), len(clips.people)),
    }


def perplexity(weights: Tensor) -> dict[str, float]:
    """How many slots weights (N, K) of frames are spread over."""
    valid = torch.ones(1, len(weights), dtype=torch.bool)
    return plain(float(slot_perplexity(weights[None], valid)), len(weights))


def information(slots: Sequence[NDArray[Any]], clips: Clips) -> Found:
    """Normalised mutual information of the most attended slots with the phones."""
    frames = [(own, (k + 0.5) / FPS) for own, s in zip(clips.phones, slots) for k in range(len(s))]
    phones = [phone_at(own, second) for own, second in frames]
    chosen = np.concatenate(slots)
    mixed = np.random.default_rng(0).permutation(chosen)
    return {
        f"memory: {name}": plain(normalized_mutual_info_score(phones, order), len(chosen))
        for name, order in (
            ("information of slot and phone", chosen),
            ("the same, slots in another order", mixed),
        )
    }


def told(vectors: NDArray[Any], clips: Clips) -> dict[str, float]:
    """How often a linear classifier knows the person of a clip's vector."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    said = cross_val_predict(classifier, vectors, clips.people, cv=folds)
    right = [float(one == person) for one, person in zip(said, clips.people, strict=True)]
    return of_means("told", right, clips.people)


def measure(model: Any, others: dict[str, Any], clips: Clips) -> Found:
    """All figures of a model."""
    rows = from_streams(model, clips) | from_units(model, clips)
    found = rates(rows, clips) | gain(rows, clips)
    if getattr(model.network, "bridge", None) is not None:
        found |= audio_memory(model, clips)
    for label, other in others.items():
        found |= beside(label, rows, from_streams(other, clips) | from_units(other, clips), clips)
    return found


def make_corpus(data: Path, language: str, seed: int, count: int) -> None:
    """Film test clips of a language."""
    sizes = {"train": 1, "dev": 1, "test": count}
    if language == ENGLISH:
        make("tiny-lrs3", data, seed=seed, clips=sizes)
    else:
        make("tiny-mtedx", data, seed=seed, clips=sizes, languages=[language])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="name or folder (default: the shipped)")
    parser.add_argument("--beside", action="append", type=pair, default=[], metavar="LABEL=FOLDER")
    parser.add_argument("--clips", type=int, default=160)
    parser.add_argument("--seed", type=int, default=20269, help="one that nothing is trained on")
    parser.add_argument("--data", type=Path, help="a corpus of that seed, if there is one")
    parser.add_argument("--cards", action="store_true", help="write the numbers into the cards")
    parser.add_argument(
        "--into",
        metavar="NAME",
        help="into this checkpoint's card: one that the model started from",
    )
    args = parser.parse_args()
    besides: Any = {label: zoo.from_pretrained(folder).eval() for label, folder in args.beside}
    known: dict[str, Clips] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in args.model or shipped(MODELS):
            model: Any = zoo.from_pretrained(name).eval()
            language = model.language
            data = args.data or Path(scratch) / language
            if language not in known:
                if args.data is None:
                    make_corpus(data, language, args.seed, args.clips)
                known[language] = Clips(data, language)
            others = {k: other for k, other in besides.items() if other.slug == model.slug}
            found = measure(model, others, known[language])
            show(f"{name}, {args.data or f'seed {args.seed}'}", found)
            if args.cards:
                command = (
                    f"python benchmarks/lip_reading.py --seed {args.seed} --clips {args.clips}"
                ) + "".join(f" --beside '{label}=FOLDER'" for label in others)
                command += f" --model FOLDER --into {args.into}" if args.into else ""
                keep(checkout_folder() / (args.into or name), found, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
