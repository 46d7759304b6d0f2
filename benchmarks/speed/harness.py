"""What the runner adds to a bare loop over the model, for a model of 50 ms a sample.

    python benchmarks/speed/harness.py [--clips 1321] [--ms 50] [--batch-size 8] [--video] [--check]

The bare loop has the decoded clips in memory and calls the model batch by batch, nothing else. The
runner decodes clips of one second in worker processes, hashes them, writes records that survive a
kill, and scores at the end. The clips are recordings; with `--video` they are pictures of 224 x
224 too, of which one worker decodes some twenty clips a second on one core, so that a machine with
few cores is kept busy by that alone. Two ratios of seconds are printed:

- predicting: start of `run_task` to the last record, over the bare loop (limit 1.05);
- all: the whole of `run_task` with scoring and 10,000 resamples, over the bare loop.

The model waits, as one on an accelerator does; with `--busy` it computes on the processor.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.audio import save_audio
from zoo.bench import run_task
from zoo.bench.clips import ClipLoader
from zoo.bench.samples import form_batches, read_samples
from zoo.bench.task import load_task
from zoo.tasks import Speech, Transcript, Video
from zoo.video import save_video

SOUND, VIDEO = "tiny-lrs3-asr", "tiny-lrs3-avsr"
LIMIT = 1.05
RATE, FRAMES, SIZE = 16_000, 25, 224


class Slow(nn.Module):
    """A recogniser that takes a fixed time for every clip."""

    def __init__(self, seconds: float, busy: bool) -> None:
        super().__init__()
        self.seconds, self.busy = seconds, busy
        self.weight = nn.Parameter(torch.zeros(1))
        self.last = 0.0

    def transcribe(
        self, video: Sequence[Any] | None, audio: Sequence[Any] | None = None
    ) -> list[Transcript]:
        """One word a clip."""
        clips = len(video or audio or ())
        until = time.perf_counter() + self.seconds * clips
        if not self.busy:
            time.sleep(self.seconds * clips)
        while time.perf_counter() < until:
            pass
        self.last = time.perf_counter()
        return [Transcript("WORD") for _ in range(clips)]


def write_corpus(root: Path, clips: int) -> None:
    """One second of pictures and sound under many names, ten clips a video."""
    draw = torch.Generator().manual_seed(0)
    small = torch.rand(FRAMES, 3, SIZE // 8, SIZE // 8, generator=draw) * 255
    frames = nn.functional.interpolate(small, SIZE, mode="bilinear").to(torch.uint8)
    sound: Tensor = torch.rand(RATE, generator=draw) * 0.1
    one = save_video(root / "one.mp4", Video(frames, 25.0, Speech(sound, RATE)))
    wav = save_audio(root / "one.wav", sound, RATE)
    for number in range(clips):
        stem = root / "test" / f"video{number // 10:06d}" / f"{number % 10:05d}"
        stem.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(one, stem.with_suffix(".mp4"))
        shutil.copy(wav, stem.with_suffix(".wav"))
        stem.with_suffix(".txt").write_text("Text:  WORD\nConf:  5\n", encoding="utf-8")


def bare_loop(model: Slow, name: str, root: Path, batch_size: int) -> float:
    """Seconds of calling the model on clips that are in memory."""
    task = load_task(name)
    samples = read_samples(task, root)
    load = ClipLoader(task, root, samples)
    one = load(samples[0])
    batches = [[one] * len(batch) for batch in form_batches(samples, batch_size)]
    started = time.perf_counter()
    for batch in batches:
        model.transcribe(None, [clip.audio for clip in batch])
    return time.perf_counter() - started


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """Seconds of the bare loop, of predicting, and of all."""
    model = Slow(arguments.ms / 1000, arguments.busy)
    task = VIDEO if arguments.video else SOUND
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "corpus"
        write_corpus(root, arguments.clips)
        options = {"batch_size": arguments.batch_size, "accelerator": "cpu", "progress": False}
        run_task(model, task, root, Path(place) / "warm", limit=1, **options)
        bare = bare_loop(model, task, root, arguments.batch_size)
        started = time.perf_counter()
        run_task(model, task, root, Path(place) / "run", workers=arguments.workers, **options)
        return {
            "bare": bare,
            "predicting": model.last - started,
            "all": time.perf_counter() - started,
        }


def main() -> int:
    """Print the ratios; with --check the exit status is 1 beyond the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clips", type=int, default=1321, help="LRS3 test has 1321")
    parser.add_argument("--ms", type=float, default=50.0, help="milliseconds a clip")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--workers", type=int, help="decoding processes (default: as the runner)")
    parser.add_argument("--video", action="store_true", help="clips with pictures")
    parser.add_argument("--busy", action="store_true", help="compute instead of waiting")
    parser.add_argument("--check", action="store_true", help="fail beyond the limit")
    arguments = parser.parse_args()
    found = measure(arguments)
    print(f"bare loop        {found['bare']:7.2f} s for {arguments.clips} clips")
    for name in ("predicting", "all"):
        ratio = found[name] / found["bare"]
        print(f"{name:16} {found[name]:7.2f} s, ratio {ratio:.3f}")
    beyond = found["predicting"] / found["bare"] > LIMIT
    return int(arguments.check and beyond)


if __name__ == "__main__":
    sys.exit(main())
