"""LSE at full width, beside a literal loop over windows; then a folder of clips.

    python benchmarks/speed/lse.py [--windows 40] [--clips 8] [--seconds 2] [--repeat 5] [--check]

Random weights. The parts of a round run one after the other, so that whatever else the machine
does hits all of them; ratios are medians over rounds. The comparison on one clip counts processor
time, which other programs lengthen less than the time on the clock. Printed:

- literal loop / ours: one window at a time through the layers as they are defined (batch norms,
  rectifiers and all), beside `SyncNetJudge.embed_clip` (limit 1.3); and the same for the layers as
  the official code has them (three-dimensional kernels, batches of 20);
- for a folder of mp4 files: the network alone, reading and MFCC alone, both in turn, and with
  several clips in work, with the share of reading and MFCC that this hides.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from zoo.audio.mfcc import mfcc
from zoo.metrics.lse import LSE
from zoo.models.syncnet.config import SyncNetConfig
from zoo.models.syncnet.module import SyncNetJudge
from zoo.nn.syncnet import COLUMNS, WINDOW
from zoo.tasks import Speech, Video

LIMIT = 1.3
BATCH = 20
Rounds = dict[str, list[float]]


def random_judge() -> SyncNetJudge:
    """Full width, with statistics that a trained network could have."""
    torch.manual_seed(0)
    judge = SyncNetJudge(SyncNetConfig.v2())
    for layer in judge.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2.0)
    return judge.eval()


def windows_of(frames: Tensor, samples: NDArray[np.int16]) -> tuple[list[Tensor], list[Tensor]]:
    """The windows as the official code cuts them, in BGR, one tensor each."""
    count = min(len(frames), len(samples) // 640) - WINDOW
    bgr = frames.flip(1)
    columns = torch.from_numpy(mfcc(samples).T.astype(np.float32))
    lips = [bgr[i : i + WINDOW].transpose(0, 1)[None].float() for i in range(count)]
    return lips, [columns[None, None, :, 4 * i : 4 * i + COLUMNS] for i in range(count)]


@torch.inference_mode()
def literal_loop(
    judge: SyncNetJudge, frames: Tensor, samples: NDArray[np.int16]
) -> tuple[Tensor, Tensor]:
    """Each window on its own through the network as it is defined."""
    pairs = [judge(lips, sound) for lips, sound in zip(*windows_of(frames, samples), strict=True)]
    return torch.cat([pair[0] for pair in pairs]), torch.cat([pair[1] for pair in pairs])


def official_lips(judge: SyncNetJudge) -> nn.Sequential:
    """The lip tower with three-dimensional kernels, which is how it was published."""
    tower, layers = judge.network.lip_tower, []
    pools = {0: ((2, 2), (0, 0)), 1: ((2, 2), (1, 1)), 4: ((2, 2), (0, 0))}
    for place, block in enumerate(tower.blocks):
        deep, conv = WINDOW if place == 0 else 1, block.conv
        size = (deep, *conv.kernel_size)
        new = nn.Conv3d(
            conv.in_channels // deep, conv.out_channels, size, (1, *conv.stride), (0, *conv.padding)
        )
        new.weight.data = conv.weight.data.reshape(new.weight.shape)
        new.bias.data = conv.bias.data
        norm = nn.BatchNorm3d(conv.out_channels)
        norm.load_state_dict(block.norm.state_dict())
        layers += [new, norm, nn.ReLU()]
        if place in pools:
            stride, padding = pools[place]
            layers.append(nn.MaxPool3d((1, 3, 3), (1, *stride), (0, *padding)))
    return nn.Sequential(*layers).eval()


@torch.inference_mode()
def official_batches(
    judge: SyncNetJudge, tower: nn.Module, frames: Tensor, samples: NDArray[np.int16]
) -> tuple[Tensor, Tensor]:
    """Batches of 20 windows through the layers as published."""
    lips, sound = windows_of(frames, samples)
    seen, heard = [], []
    for start in range(0, len(lips), BATCH):
        features = tower(torch.cat(lips[start : start + BATCH])).flatten(1)
        seen.append(judge.network.lip_head(features))
        heard.append(judge.network.embed_audio(torch.cat(sound[start : start + BATCH])))
    return torch.cat(seen), torch.cat(heard)


def timed(
    parts: Mapping[str, Callable[[], object]],
    repeat: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Rounds:
    """Seconds of each part in every round; one round before the first warms everything."""
    rounds: Rounds = {name: [] for name in parts}
    for turn in range(repeat + 1):
        for name, part in parts.items():
            start = clock()
            part()
            if turn:
                rounds[name].append(clock() - start)
    return rounds


def ratio(rounds: Rounds, above: str, below: str) -> float:
    """Median over rounds, so that a disturbance of one round does not count."""
    pairs = zip(rounds[above], rounds[below], strict=True)
    return statistics.median(a / b for a, b in pairs)


def one_clip(judge: SyncNetJudge, windows: int, repeat: int) -> float:
    """Print the comparison on one clip; returns literal loop / ours."""
    frames, samples = random_clip(windows + WINDOW)
    tower = official_lips(judge)
    parts = {
        "literal loop": lambda: literal_loop(judge, frames, samples),
        "official layers, batches of 20": lambda: official_batches(judge, tower, frames, samples),
        "ours": lambda: judge.embed_clip(frames, samples),
    }
    rounds = timed(parts, repeat, time.process_time)
    expected = parts["ours"]()
    table = Table(title=f"one clip of {windows} windows, {torch.get_num_threads()} threads")
    for title in ("", "processor ms a window", "time / ours", "difference"):
        table.add_column(title)
    for name, part in parts.items():
        table.add_row(
            name,
            f"{1000 * statistics.median(rounds[name]) / windows:.1f}",
            f"{ratio(rounds, name, 'ours'):.2f}",
            f"{difference(part(), expected):.1e}",
        )
    Console().print(table)
    return ratio(rounds, "literal loop", "ours")


def difference(found: object, expected: object) -> float:
    """Largest difference of the embeddings relative to the largest value."""
    assert isinstance(found, tuple) and isinstance(expected, tuple)
    pairs = zip(found, expected, strict=True)
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


def random_clip(count: int) -> tuple[Tensor, NDArray[np.int16]]:
    """Frames (count, 3, 224, 224) and samples."""
    generator = torch.Generator().manual_seed(1)
    small = torch.randint(0, 256, (count, 3, 28, 28), generator=generator, dtype=torch.uint8)
    frames = small.repeat_interleave(8, 2).repeat_interleave(8, 3)
    samples = np.random.default_rng(1).normal(0, 3000, 640 * count).astype(np.int16)
    return frames, samples


def write_clips(folder: Path, count: int, seconds: float) -> list[str]:
    """Clips in the form of LRS: 224 x 224, 25 frames a second, mp4."""
    frames, samples = random_clip(round(25 * seconds))
    speech = Speech(torch.from_numpy(samples / 32768.0).float(), 16_000)
    paths = [folder / f"{i:03d}.mp4" for i in range(count)]
    for path in paths:
        Video(frames, 25.0, speech).save(path)
    return [str(path) for path in paths]


def folder(judge: SyncNetJudge, clips: list[str], workers: int, repeat: int) -> None:
    """Print what several workers gain over reading and judging in turn."""
    one, several = LSE(workers=1), LSE(workers=workers)
    for metric in (one, several):
        metric.use(judge)
    held = [one.prepare(clip) for clip in clips]
    sounds = [samples for _, samples in held]
    several_name = f"both, {workers} clips in work"
    rounds = timed(
        {
            "network alone": lambda: [judge.judge(*clip) for clip in held],
            "reading and MFCC alone": lambda: (
                [one.prepare(clip) for clip in clips],
                [mfcc(samples) for samples in sounds],
            ),
            "both in turn": lambda: one.score(clips),
            several_name: lambda: several.score(clips),
        },
        repeat,
    )
    table = Table(title=f"{len(clips)} mp4 files, {torch.get_num_threads()} threads")
    for title in ("", "ms a clip", "time / network alone"):
        table.add_column(title)
    for name, seconds in rounds.items():
        table.add_row(
            name,
            f"{1000 * statistics.median(seconds) / len(clips):.0f}",
            f"{ratio(rounds, name, 'network alone'):.2f}",
        )
    Console().print(table)
    gain = ratio(rounds, "both in turn", several_name)
    hidden = 1 - (ratio(rounds, several_name, "network alone") - 1) / ratio(
        rounds, "reading and MFCC alone", "network alone"
    )
    Console().print(
        f"in turn / {workers} at once: {gain:.2f}; hidden of reading and MFCC: {100 * hidden:.0f} %"
    )
    equal = one.score(clips[:2]) == several.score(clips[:2])
    Console().print(f"the same numbers: {'yes' if equal else 'up to rounding'}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=40)
    parser.add_argument("--clips", type=int, default=8, help="0 leaves out the folder")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a clip")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, help="of torch (default: its own choice)")
    parser.add_argument("--check", action="store_true", help="exit status 1 below the limit")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    judge = random_judge()
    gain = one_clip(judge, args.windows, args.repeat)
    if args.clips:
        with tempfile.TemporaryDirectory() as scratch:
            paths = write_clips(Path(scratch), args.clips, args.seconds)
            folder(judge, paths, args.workers, args.repeat)
    Console().print(f"literal loop / ours: {gain:.2f} (limit {LIMIT})")
    return 0 if gain >= LIMIT or not args.check else 1


if __name__ == "__main__":
    sys.exit(main())
