"""What the shipped talking faces can do, on people and sentences that nothing was trained on.

    python benchmarks/talking_faces.py [--model wav2lip.tiny] [--clips 40] [--seed 20264]
                                       [--data DIR] [--strip FILE.png] [--cards]

Clips are made afresh: other seed, held-out voices, faces and sentences. Judges are
`judge_syncnet.tiny` and `judge_landmarks.tiny`, neither of which was a training loss. Printed with
95 % bootstrap intervals over recordings (people):

- LSE-D of the filmed clips, of generated ones with the right sound, and of the same pictures under
  another person's sound; mean of the quotients, clip by clip;
- mean absolute error in the mouth's rectangle of the face crop, beside that of copying the
  reference frame, which is half a clip away, and the quotient of both, clip by clip;
- correlation of the mouth's opening in a generated clip with that drawn for the sound it was given
  (somebody else's sentence), and with that of the clip whose face it has; of filmed clips, which
  says what the landmark detector misses;
- of a model with an audio-lip memory, normalised mutual information of the slot in use and the
  phone that is heard, beside that of the slots in another order.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from findings import Found, keep, of_means, shipped, show
from numpy.typing import NDArray
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

import zoo
from zoo.audio import load_audio
from zoo.data.corpora import make
from zoo.data.drawn_truth import read_tracks
from zoo.hub.paths import checkout_folder
from zoo.metrics.lse import LSE
from zoo.models.talking_face.animation import Animator
from zoo.nn.face_windows import generator_input
from zoo.nn.lip_sync_losses import mouth_region
from zoo.tasks import Speech, Video
from zoo.video import FPS, load_video, save_image
from zoo.video.face_boxes import cut_faces

MODELS = ("wav2lip.tiny", "synctalkface.tiny")
SAMPLES_PER_FRAME = 640
UPPER_LIP, LOWER_LIP = 62, 66  # inner edges, of 68 points
STRIP = (6, 8)  # clips and frames
LEAST_FRAMES = 30  # for a correlation


@dataclass(frozen=True)
class Clip:
    """A filmed clip with what its corpus knows of it."""

    path: Path
    source: str
    frames: Tensor
    sound: Tensor
    opening: NDArray[np.float32]
    phones: list[tuple[str, float, float]]


def read_clips(data: Path) -> list[Clip]:
    """The test clips in which nothing hides the mouth."""
    truths = json.loads((data / "ground_truth" / "test.json").read_text(encoding="utf-8"))
    clips = []
    for truth in truths:
        path = data / f"{truth['id']}.mp4"
        if truth["occluder"] is not None or truth["frames"] < LEAST_FRAMES or not path.is_file():
            continue
        (opening,) = read_tracks(path, "opening")
        phones = [(name, start, end) for name, start, end in truth["phonemes"]]
        frames, sound = load_video(path).frames, load_audio(path)
        clips.append(Clip(path, str(path.parent.name), frames, sound, opening, phones))
    return clips


def partner(clips: Sequence[Clip], number: int) -> Clip:
    """The next clip of somebody else."""
    own = clips[number].source
    around = [clips[(number + k) % len(clips)] for k in range(1, len(clips))]
    return next(clip for clip in around if clip.source != own)


def correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    size = min(len(one), len(other))
    return float(np.corrcoef(one[:size], other[:size])[0, 1])


def opening_of(detector: Any, film: Video) -> NDArray[Any]:
    points: Any = detector.detect(film.frames).points
    return np.linalg.norm(points[:, LOWER_LIP] - points[:, UPPER_LIP], axis=1)


def under(film: Video, sound: Tensor) -> Video:
    """The pictures of a film with another sound, cut to the shorter."""
    size = min(len(film.frames), len(sound) // SAMPLES_PER_FRAME)
    other = Speech(sound[: size * SAMPLES_PER_FRAME], 16_000)
    return Video(film.frames[:size], film.fps, other)


def crops(model: Animator, clip: Clip) -> tuple[Tensor, Tensor, Tensor]:
    """True, painted and reference faces (T, 3, S, S) of a clip under its own sound."""
    paste = model.prepare(clip.path, clip.path)
    smooth = model.crop.antialias
    faces = cut_faces(paste.frames, paste.boxes, model.image_size, antialias=smooth)
    true = (faces.flip(1) / 255)[paste.order]
    reference = true.roll(len(true) // 2, 0)
    with torch.inference_mode():
        latent = model.encode_audio(paste.windows[None])
        painted = model.generate(latent, generator_input(true, reference)[None])[0]
    return true, painted, reference


def compare(model: Animator, clips: Sequence[Clip], strip: Path | None) -> Found:
    """All numbers of a model."""
    detector = zoo.from_pretrained("judge_landmarks.tiny").eval()
    lse = LSE("wav2lip-lrs", judge="judge_syncnet.tiny")
    values: dict[str, list[float]] = defaultdict(list)
    rows = []
    for number, clip in enumerate(clips):
        other = partner(clips, number)
        own: Any = model.animate(clip.path, clip.path)
        swapped: Any = model.animate(clip.path, other.path)
        real, right, wrong = (
            lse.score_sample(film)["lse_d"] for film in (clip.path, own, under(own, other.sound))
        )
        values["LSE-D, filmed"].append(real)
        values["LSE-D, generated"].append(right)
        values["LSE-D, generated, another's sound"].append(wrong)
        values["LSE-D, another's sound / right sound"].append(wrong / right)
        values["LSE-D, generated / filmed"].append(right / real)
        true, painted, reference = crops(model, clip)
        error, copied = (float(mouth_region(x - true).abs().mean()) for x in (painted, reference))
        values["mouth L1"].append(error)
        values["mouth L1, copying the reference"].append(copied)
        values["mouth L1, generated / copying"].append(error / copied)
        seen = opening_of(detector, swapped)
        filmed = opening_of(detector, Video(clip.frames, FPS, None))
        values["opening, filmed, with the sound's own"].append(correlation(filmed, clip.opening))
        cycle = np.arange(len(seen)) % len(clip.opening)
        values["opening, with the sound's own"].append(correlation(seen, other.opening))
        values["opening, with the face's own"].append(correlation(seen, clip.opening[cycle]))
        if number < STRIP[0]:
            rows.append(strip_row(true, painted))
    if strip is not None:
        save_image(strip, torch.cat(rows, dim=1))
    sources = [clip.source for clip in clips]
    return {name: of_means(name, found, sources) for name, found in values.items()}


def strip_row(true: Tensor, painted: Tensor) -> Tensor:
    """Filmed, generated and twice their difference, one below the other."""
    places = torch.linspace(2, len(true) - 3, STRIP[1]).long()
    lines = (true[places], painted[places], 2 * (true - painted)[places].abs())
    picture = torch.cat([torch.cat(list(line), dim=2) for line in lines], dim=1)
    return (picture.flip(0).clamp(0, 1) * 255).byte()


def phone_at(clip: Clip, frame: int) -> str:
    now = 1000 * (frame + 0.5) / FPS
    return next((name for name, start, end in clip.phones if start <= now < end), "")


def memory(model: Any, clips: Sequence[Clip]) -> Found:
    """What the slots of the memory stand for."""
    slots, phones, owners = [], [], []
    for clip in clips:
        windows = model.prepare(clip.path, clip.path).windows[None]
        with torch.inference_mode():
            chosen = model.addresses(model.encode_audio(windows))[0].argmax(dim=1).tolist()
        slots += chosen
        phones += [phone_at(clip, frame) for frame in range(len(chosen))]
        owners.append(clip.source)
    mixed = np.random.default_rng(0).permutation(slots)
    found = {"slot and phone": slots, "slot and phone, order changed": mixed}
    information = {
        f"mutual information, {name}": float(normalized_mutual_info_score(phones, chosen))
        for name, chosen in found.items()
    }
    size = len(slots)
    return {
        name: {"value": value, "low": float("nan"), "high": float("nan"), "n": size}
        for name, value in information.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="name or folder (default: the shipped)")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--seed", type=int, default=20264, help="one that nothing is trained on")
    parser.add_argument("--data", type=Path, help="a tiny-lrs3 of that seed, if there is one")
    parser.add_argument("--strip", type=Path, help="write filmed and generated faces as a picture")
    parser.add_argument("--cards", action="store_true", help="write the numbers into the cards")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = args.data or Path(scratch) / "corpus"
        if args.data is None:
            sizes = {"train": 1, "dev": 1, "test": 2 * args.clips}
            make("tiny-lrs3", data, seed=args.seed, clips=sizes)
        clips = read_clips(data)
        clips = clips[:: max(1, len(clips) // args.clips)][: args.clips]
        for name in args.model or shipped(MODELS):
            model: Any = zoo.from_pretrained(name).eval()
            found = compare(model, clips, args.strip)
            if hasattr(model, "addresses"):
                found |= memory(model, clips)
            show(f"{name}, {args.data or f'seed {args.seed}'}", found)
            if args.cards:
                command = (
                    f"python benchmarks/talking_faces.py --seed {args.seed} --clips {args.clips}"
                )
                keep(checkout_folder() / name, found, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
