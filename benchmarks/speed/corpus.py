"""Times `zoo corpus make` and the data loader that reads the result.

Run: python benchmarks/speed/corpus.py [--clips 200] [--faces 100] [--workers 2]
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from zoo.data.corpora import make
from zoo.data.corpora.build import TRUTH
from zoo.data.speech_image import SpeechImageDataModule


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--faces", type=int, default=100, help="clips of tiny-lrs3")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "corpus"
        seconds = _timed(
            lambda: make("tiny-flickr8k", folder, clips=args.clips, workers=args.workers)
        )
        spoken = 5 * args.clips
        print(
            f"make: {args.clips} pictures, {spoken} recordings in {seconds:.1f} s "
            f"({spoken / seconds:.0f} recordings/s, {args.workers} workers)"
        )
        for bucket in (False, True):
            _load(folder, bucket)
    with tempfile.TemporaryDirectory() as scratch:
        _film(Path(scratch) / "faces", args.faces, args.workers)


def _film(folder: Path, clips: int, workers: int) -> None:
    """The goal is 1,000 clips in 180 seconds with two idle cores.

    On busy cores processor time says more; both hold the start of the workers, which weighs less
    the more clips there are.
    """
    before = _children()
    seconds = _timed(lambda: make("tiny-lrs3", folder, clips=clips, workers=workers))
    frames = 0
    for path in (folder / TRUTH).glob("*.json"):
        frames += sum(row["frames"] for row in json.loads(path.read_text(encoding="utf-8")))
    busy = _children() - before
    size = sum(path.stat().st_size for path in folder.rglob("*.mp4"))
    print(
        f"make tiny-lrs3: {clips} clips, {frames / 25:.0f} s of video in {seconds:.1f} s "
        f"({workers} workers, {busy / clips:.3f} s of processor time a clip): 1,000 clips in "
        f"{1000 * seconds / clips:.0f} s, on idle cores about {1000 * busy / clips / workers:.0f} s; "
        f"{size / frames * 25 / 1024:.0f} kB a second of video"
    )


def _children() -> float:
    """Processor seconds of the worker processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _load(folder: Path, bucket: bool) -> None:
    module = SpeechImageDataModule(
        str(folder), image_size=64, batch_size=32, num_workers=1, bucket=bucket
    )
    loader = module.train_dataloader()
    for _ in loader:  # starts the worker
        pass
    start, pairs, samples, padded = time.perf_counter(), 0, 0, 0
    for batch in loader:
        pairs += len(batch["id"])
        samples += int(batch["wav_len"].sum())
        padded += batch["wav"].numel()
    seconds = time.perf_counter() - start
    print(
        f"load (bucket={bucket}): {pairs / seconds:.0f} pairs/s with one worker, "
        f"{100 * (1 - samples / padded):.0f} % padding"
    )


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
