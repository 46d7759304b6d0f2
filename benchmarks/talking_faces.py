"""What the shipped talking faces can do, on people and sentences that nothing was trained on.

    python benchmarks/talking_faces.py [--model wav2lip.tiny] [--beside "no memory=FOLDER" ...]
                                       [--clips 40] [--seed 20264] [--data DIR]
                                       [--strip FILE.png] [--cards]

Clips are made afresh: other seed, held-out voices, faces and sentences. Judges are
`judge_syncnet.tiny` and `judge_landmarks.tiny`, neither of which was a training loss. Printed with
95 % bootstrap intervals over recordings (people):

- LSE-D of the filmed clips, of generated ones with the right sound, and of the same pictures under
  another person's sound; mean of the quotients, clip by clip;
- mean absolute error in the mouth's rectangle of the face crop, beside that of copying the
  reference frame, which is half a clip away, and the quotient of both, clip by clip;
- distance of the mouth's landmarks from the filmed ones, both mouths centred (LMD);
- correlation of the mouth's opening in a generated clip with that drawn for the sound it was given
  (somebody else's sentence), and with that of the clip whose face it has; of filmed clips, which
  says what the landmark detector misses, and again of the generated ones without the clips whose
  filmed mouth it does not follow either (below 0.8);
- of a model with an audio-lip memory, what `lip_memory.py` finds.

`--beside` measures other weights on the same clips, such as an ablation, and prints their figures
and the differences, clip by clip.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from film_clips import Clip, correlation, opening_of, partner, read_clips, true_faces, under
from findings import Found, keep, of_means, pair, shipped, show
from lip_memory import lip_memory
from torch import Tensor

import zoo
from zoo.data.corpora import make
from zoo.hub.paths import checkout_folder
from zoo.metrics.lmd import LMD
from zoo.metrics.lse import LSE
from zoo.models.talking_face.animation import Animator
from zoo.nn.face_windows import generator_input
from zoo.nn.lip_sync_losses import mouth_region
from zoo.tasks import Video
from zoo.video import FPS, save_image

MODELS = ("wav2lip.tiny", "synctalkface.tiny")
STRIP = (6, 8)  # clips and frames
NAN = float("nan")
FOLLOWS = "opening, with the sound's own"
CLEAR = 0.8
"""A filmed mouth's opening correlates at least so with the drawn one where the detector sees it."""
Values = dict[str, list[float]]
"""Label -> a value for every clip, NaN where there is none."""
COMPARED = (
    "LSE-D, generated",
    "mouth L1",
    "mouth L1, generated / copying",
    "LMD, centred",
    FOLLOWS,
)
"""What is printed of other weights."""


def painted_faces(model: Animator, clip: Clip) -> tuple[Tensor, Tensor, Tensor]:
    """True, painted and reference faces (T, 3, S, S) of a clip under its own sound."""
    true = true_faces(model, clip)
    reference = true.roll(len(true) // 2, 0)
    windows = model.prepare(clip.path, clip.path).windows
    with torch.inference_mode():
        latent = model.encode_audio(windows[None])
        painted = model.generate(latent, generator_input(true, reference)[None])[0]
    return true, painted, reference


def compare(model: Animator, clips: Sequence[Clip], detector: Any, strip: Path | None) -> Values:
    """All numbers of a model, clip by clip."""
    lse = LSE("wav2lip-lrs", judge="judge_syncnet.tiny")
    lmd = LMD(judge="judge_landmarks.tiny")
    values: Values = defaultdict(list)
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
        true, painted, reference = painted_faces(model, clip)
        error, copied = (float(mouth_region(x - true).abs().mean()) for x in (painted, reference))
        values["mouth L1"].append(error)
        values["mouth L1, copying the reference"].append(copied)
        values["mouth L1, generated / copying"].append(error / copied)
        film = Video(clip.frames, FPS, None)
        values["LMD, centred"].append(lmd.score_sample(own, film)["lmd_centred"])
        seen, filmed = opening_of(detector, swapped), opening_of(detector, film)
        values["opening, filmed, with the sound's own"].append(correlation(filmed, clip.opening))
        cycle = np.arange(len(seen)) % len(clip.opening)
        follows = correlation(seen, other.opening)
        values[FOLLOWS].append(follows)
        clear = values["opening, filmed, with the sound's own"][-1] > CLEAR
        values[f"{FOLLOWS}, of faces that the detector sees"].append(follows if clear else NAN)
        values["opening, with the face's own"].append(correlation(seen, clip.opening[cycle]))
        if number < STRIP[0]:
            rows.append(strip_row(true, painted))
    if strip is not None:
        save_image(strip, torch.cat(rows, dim=1))
    return dict(values)


def strip_row(true: Tensor, painted: Tensor) -> Tensor:
    """Filmed, generated and twice their difference, one below the other."""
    places = torch.linspace(2, len(true) - 3, STRIP[1]).long()
    lines = (true[places], painted[places], 2 * (true - painted)[places].abs())
    picture = torch.cat([torch.cat(list(line), dim=2) for line in lines], dim=1)
    return (picture.flip(0).clamp(0, 1) * 255).byte()


def means(values: Values, clips: Sequence[Clip]) -> Found:
    """Means over clips with intervals over people."""
    found: Found = {}
    for name, column in values.items():
        rows = [(value, clip.source) for value, clip in zip(column, clips) if value == value]
        found[name] = of_means(name, *zip(*rows, strict=True))
    return found


def beside(label: str, own: Values, other: Values, clips: Sequence[Clip]) -> Found:
    """What other weights reach, and how far they are from a model's, clip by clip."""
    rows: Values = {}
    for name in COMPARED:
        rows[f"{label}: {name}"] = other[name]
        rows[f"{label}, difference: {name}"] = [b - a for a, b in zip(own[name], other[name])]
    return means(rows, clips)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="name or folder (default: the shipped)")
    parser.add_argument("--beside", action="append", type=pair, default=[], metavar="LABEL=FOLDER")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--seed", type=int, default=20264, help="one that nothing is trained on")
    parser.add_argument("--data", type=Path, help="a tiny-lrs3 of that seed, if there is one")
    parser.add_argument("--strip", type=Path, help="write filmed and generated faces as a picture")
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
        others = {
            label: compare(zoo.from_pretrained(folder).eval(), clips, detector, None)  # type: ignore[arg-type]
            for label, folder in args.beside
        }
        for name in args.model or shipped(MODELS):
            model: Any = zoo.from_pretrained(name).eval()
            values = compare(model, clips, detector, args.strip)
            found = means(values, clips)
            if hasattr(model, "addresses"):
                found |= lip_memory(model, clips, detector)
            for label, other in others.items():
                found |= beside(label, values, other, clips)
            show(f"{name}, {args.data or f'seed {args.seed}'}", found)
            if args.cards:
                command = (
                    f"python benchmarks/talking_faces.py --seed {args.seed} --clips {args.clips}"
                ) + "".join(f" --beside '{label}=FOLDER'" for label in others)
                keep(checkout_folder() / name, found, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
