"""How good the judges of the tiny corpora are, on clips they were not trained on.

    python benchmarks/judges.py [--clips 150] [--seed 20260] [--only asr] [--data DIR] [--cards]

Clips are made afresh: other seed, held-out voices, faces and sentences. Printed with 95 % bootstrap
intervals over recordings (people):

- judge_asr: word and character error rates of clean sound, and of sound that a judge should
  tolerate (quieter, band-limited, some noise) or reject (backwards, heavy noise); by voice; word
  times.
- judge_syncnet: how often a planted offset of -10..10 frames is found, within one frame, in three
  seconds of a clip; how often the right sound is nearer than another clip's.
- judge_landmarks: distance from the points that the faces were drawn by, in pixels of 224 and in
  percent of the distance between the eyes; right decisions on frames with and without a face.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from findings import Found, keep, of_figure, of_means, show
from torch import Tensor

import zoo
from zoo.audio import load_audio
from zoo.audio.distortions import low_pass
from zoo.audio.noise import mix_at_snr
from zoo.data.corpora import make
from zoo.data.corpora.clips import CLIPS_A_VIDEO, plan_clips, render
from zoo.data.lrs3 import read_lrs3
from zoo.data.utterances import Utterance
from zoo.hub.paths import checkout_folder
from zoo.metrics.cer import CER
from zoo.metrics.lse import LSE
from zoo.metrics.wer import WER
from zoo.models.judge_landmarks.augment import without_face
from zoo.models.judge_landmarks.module import relative_errors
from zoo.video import load_video

SYNC_STREAM = 90  # no corpus draws its clips from it
OFFSETS = range(-10, 11)
FRAMES = 75
SAMPLES = 640
FEWEST = 8  # clips of a voice for a figure of its own


def of_texts(metric: WER | CER, heard: Sequence[str], clips: Sequence[Utterance]) -> Any:
    """Error rate in percent with its interval."""
    rows = metric.rows(
        [(c.id, c.source, text, c.text) for c, text in zip(clips, heard, strict=True)]
    )
    figure = metric.figures(rows)[0]
    return of_figure(figure, rows, figure.id)


# recognition


def noisy(sound: Tensor, snr_db: float) -> Tensor:
    noise = torch.randn(len(sound), generator=torch.Generator().manual_seed(len(sound)))
    return mix_at_snr(sound, noise, snr_db)


CONDITIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "clean": lambda sound: sound,
    "20 dB quieter": lambda sound: 0.1 * sound,
    "below 4 kHz": lambda sound: low_pass(sound, 4000.0),
    "white noise, 20 dB": lambda sound: noisy(sound, 20.0),
    "white noise, 0 dB": lambda sound: noisy(sound, 0.0),
    "backwards": lambda sound: sound.flip(0),
}


def recognition(judge: Any, data: Path) -> Found:
    """Error rates by condition, and the error of word times."""
    clips = read_lrs3(data, "test")
    sounds = [load_audio(data / clip.sound) for clip in clips]
    found: Found = {}
    for name, change in CONDITIONS.items():
        heard = [judge.transcribe(audio=change(sound)) for sound in sounds]
        texts = [transcript.text for transcript in heard]
        found[f"WER, {name} (%)"] = of_texts(WER(), texts, clips)
        if name == "clean":
            found["CER, clean (%)"] = of_texts(CER(), texts, clips)
            found |= by_voice(texts, clips, data)
            found |= word_times(heard, clips, data)
    return found


def truths_of(data: Path) -> dict[str, Any]:
    """What the corpus knows of its test clips, by id without the split."""
    truths = json.loads((data / "ground_truth" / "test.json").read_text(encoding="utf-8"))
    return {truth["id"].removeprefix("test/"): truth for truth in truths}


def by_voice(texts: Sequence[str], clips: Sequence[Utterance], data: Path) -> Found:
    """Word error rates of clean sound, voice by voice."""
    truths, groups = truths_of(data), defaultdict(list)
    for text, clip in zip(texts, clips, strict=True):
        variant = truths[clip.id.removeprefix("test/")]["voice"]["variant"]
        groups[variant].append((text, clip))
    return {
        f"WER, clean, voice {voice} (%)": of_texts(WER(), *zip(*groups[voice], strict=True))
        for voice in sorted(groups)
        if len(groups[voice]) >= FEWEST
    }


def word_times(heard: Sequence[Any], clips: Sequence[Utterance], data: Path) -> Found:
    """Distance of the start of a word from the true one, where all words are right."""
    words = {name: truth["words"] for name, truth in truths_of(data).items()}
    errors, sources = [], []
    for transcript, clip in zip(heard, clips, strict=True):
        true = words.get(clip.id.removeprefix("test/"), [])
        if [w.text for w in transcript.words] == [word.upper() for word, _, _ in true]:
            apart = [abs(1e3 * w.start_s - t[1]) for w, t in zip(transcript.words, true)]
            errors.append(float(np.mean(apart)))
            sources.append(clip.source)
    return {"word starts, mean distance (ms)": of_means("words", errors, sources)}


# lips and sound


def long_clips(folder: Path, seed: int, count: int) -> Iterator[tuple[str, Path]]:
    """Clips of three sentences by people held out, one of each recording; (source, file)."""
    clips = plan_clips(seed, SYNC_STREAM, "test", CLIPS_A_VIDEO * count, sentences=3)
    for k, clip in enumerate(clips[::CLIPS_A_VIDEO]):
        render(clip, folder / f"{k:04d}")
        yield clip.video.id, folder / f"{k:04d}.mp4"


def shifted(frames: Tensor, samples: Any, offset: int) -> tuple[Tensor, Any]:
    """Three seconds of a clip, with the sound `offset` frames early; nothing is padded."""
    edge = max(map(abs, OFFSETS))
    start = (edge + offset) * SAMPLES
    middle = frames[edge : edge + FRAMES]
    return middle, samples[start : start + len(middle) * SAMPLES]


def synchronisation(judge: Any, folder: Path, seed: int, count: int) -> Found:
    """Offsets found, and whether the right sound is nearer."""
    metric = LSE("wav2lip-lrs", judge="judge_syncnet.tiny")
    near, exact, sources, pairs, confidence = [], [], [], [], []
    last: Any = None
    for k, (source, path) in enumerate(long_clips(folder, seed, count)):
        frames, samples = metric.prepare(path)
        offset = OFFSETS[k % len(OFFSETS)]
        part = shifted(frames, samples, offset)
        if len(frames) < FRAMES + 2 * max(OFFSETS):
            continue
        away = abs(judge.judge(*part).offset - offset)
        near.append(100.0 * (away <= 1))
        exact.append(100.0 * (away == 0))
        sources.append(source)
        right = judge.judge(*shifted(frames, samples, 0))
        confidence.append(right.confidence)
        if last is not None:
            wrong = judge.judge(*shifted(frames, last, 0))
            pairs.append(100.0 * (right.confidence > wrong.confidence))
        last = samples
    return {
        "offset found, +-1 frame (%)": of_means("near", near, sources),
        "offset found exactly (%)": of_means("exact", exact, sources),
        "own sound above another clip's by LSE-C (%)": of_means("pairs", pairs, sources[1:]),
        "LSE-C of true pairs": of_means("lse_c", confidence, sources),
    }


# landmarks


def landmarks(judge: Any, data: Path) -> Found:
    """Errors of points, and decisions."""
    pixels, shares, mouths, right, sources = [], [], [], [], []
    small, rejected = [], []
    for clip in read_lrs3(data, "test"):
        assert clip.video is not None
        frames = load_video(data / clip.video).frames
        with np.load((data / clip.video).with_suffix(".npz")) as tracks:
            truth = torch.from_numpy(tracks["landmarks"].astype(np.float32))[: len(frames)]
        frames = frames[: len(truth)]
        scores, points = judge.score_and_points(frames)
        errors = torch.linalg.vector_norm(points - truth, dim=-1)
        pixels.append(float(errors.mean()))
        shares.append(100 * float(relative_errors(points, truth).mean()))
        mouths.append(float(errors[:, 48:].mean()))
        right.append(100 * float((scores >= judge.config.threshold).float().mean()))
        reduced = torch.nn.functional.interpolate(frames[::8].float(), (96, 96), mode="area")
        found = judge.score_and_points(reduced.round().byte())[1]
        expected = (truth[::8] + 0.5) * 96 / frames.shape[-1] - 0.5
        small.append(100 * float(relative_errors(found, expected).mean()))
        torch.manual_seed(len(frames))
        empty = without_face(frames[::4].float(), 224).round().byte()
        rejected.append(100 * float((judge.score_and_points(empty)[0] < 0.5).float().mean()))
        sources.append(clip.source)
    return {
        "distance (pixels of 224)": of_means("pixels", pixels, sources),
        "distance (% of the eyes')": of_means("shares", shares, sources),
        "distance, mouth (pixels of 224)": of_means("mouths", mouths, sources),
        "distance in frames of 96 x 96 (% of the eyes')": of_means("small", small, sources),
        "faces found (%)": of_means("faces", right, sources),
        "pictures without a face refused (%)": of_means("refused", rejected, sources),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("asr", "syncnet", "landmarks"))
    parser.add_argument("--clips", type=int, default=150)
    parser.add_argument("--seed", type=int, default=20260, help="one that nothing is trained on")
    parser.add_argument("--data", type=Path, help="a tiny-lrs3 of that seed, if there is one")
    parser.add_argument("--folder", type=Path, help="of the judges (default: the shipped ones)")
    parser.add_argument("--cards", action="store_true", help="write the numbers into the cards")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = args.data or Path(scratch) / "corpus"
        if args.data is None and args.only != "syncnet":
            make(
                "tiny-lrs3", data, seed=args.seed, clips={"train": 1, "dev": 1, "test": args.clips}
            )
        for short in ("asr", "syncnet", "landmarks"):
            if args.only not in (None, short):
                continue
            name = f"judge_{short}.tiny"
            judge = zoo.from_pretrained(args.folder / name if args.folder else name).eval()
            if short == "asr":
                found = recognition(judge, data)
            elif short == "syncnet":
                found = synchronisation(judge, Path(scratch), args.seed, args.clips)
            else:
                found = landmarks(judge, data)
            show(f"{name}, seed {args.seed}", found)
            if args.cards:
                command = f"python benchmarks/judges.py --seed {args.seed}"
                keep(checkout_folder() / name, found, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
