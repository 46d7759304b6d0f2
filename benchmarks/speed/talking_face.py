"""Frames a second of `animate`, and what batching frames brings over one at a time.

Run: python benchmarks/speed/talking_face.py [--model SOURCE] [--seconds 8] [--threads 2]
The goal is 25 frames a second at tiny scale on two cores.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from zoo.errors import SourceError
from zoo.hub.load import from_pretrained
from zoo.models.talking_face.animation import Animator
from zoo.models.wav2lip_syncnet.config import Wav2LipConfig
from zoo.models.wav2lip_syncnet.module import Wav2Lip
from zoo.nn.face_windows import mel_windows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="checkpoint (default: an untrained tiny Wav2Lip)")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = load(args.model)
    face = torch.randint(0, 256, (3, 224, 224), dtype=torch.uint8)
    speech = torch.randn(round(args.seconds * 16_000)) * 0.1
    box = (40, 50, 190, 200)
    frames = len(model.animate(face, speech, box=box).frames)  # warms up
    whole = best(lambda: model.animate(face, speech, box=box))
    print(
        f"animate: {frames} frames of 224 x 224 in {whole:.2f} s, {frames / whole:.0f} frames/s "
        f"({args.threads} threads, {model.image_size} pixels)"
    )
    batched, single = generation(model, frames)
    print(
        f"generation alone: {frames / batched:.0f} frames/s in batches of {model.frames_at_once}, "
        f"{frames / single:.0f} one at a time: {single / batched:.1f} times as fast"
    )


def load(source: str | None) -> Animator:
    if source is None:
        return Wav2Lip(Wav2LipConfig.preset("tiny")).eval()
    model = from_pretrained(source)
    if not isinstance(model, Animator):
        raise SourceError(f"{source} animates no faces")
    return model


def generation(model: Animator, frames: int) -> tuple[float, float]:
    """Seconds for all frames, in batches and one at a time."""
    crops = torch.randint(0, 256, (frames, 3, model.image_size, model.image_size)).byte()
    windows = mel_windows(torch.randn(80, 4 * frames), torch.arange(frames))

    def painted(size: int) -> None:
        for rows in torch.split(torch.arange(frames), size):
            model.paint(crops[rows], windows[rows])

    return best(lambda: painted(model.frames_at_once)), best(lambda: painted(1))


def best(work: Callable[[], object], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
