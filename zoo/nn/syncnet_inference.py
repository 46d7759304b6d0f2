"""SyncNet's towers for inference: the same sums in an order that suits the machine.

Batch norms are folded into the convolutions before them. Pooling comes before the rectifier: the
two commute, and a pooled map has a quarter of the values. Frames are kept with channels last, so
that a window is a slice of them and no picture is copied five times. The first convolution, whose
maps outgrow the caches of a processor, takes one window at a time there, the others take a batch.
Windows share no arithmetic: each frame meets another slice of the kernel in each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.nn.syncnet import WINDOW, AudioTower, ConvBlock, LipTower

_RGB = 3
Pool = Callable[[int, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class FoldedBlock:
    """A convolution that includes the batch norm after it."""

    weight: Tensor
    bias: Tensor
    stride: tuple[int, ...]
    padding: tuple[int, ...]

    @classmethod
    def of(cls, block: ConvBlock) -> FoldedBlock:
        """Fold the statistics of a trained block; computed in float32."""
        conv, norm = block.conv, block.norm
        assert norm.running_mean is not None and norm.running_var is not None
        assert conv.bias is not None
        scale = norm.weight.float() / torch.sqrt(norm.running_var.float() + norm.eps)
        weight = conv.weight.float() * scale[:, None, None, None]
        bias = (conv.bias.float() - norm.running_mean.float()) * scale + norm.bias.float()
        dtype = conv.weight.dtype
        return cls(_channels_last(weight.to(dtype)), bias.to(dtype), conv.stride, _padding(conv))

    def __call__(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W'), not rectified."""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _padding(conv: torch.nn.Conv2d) -> tuple[int, ...]:
    assert not isinstance(conv.padding, str)
    return conv.padding


def _run(blocks: Iterable[FoldedBlock], pool: Pool, x: Tensor, first: int = 0) -> Tensor:
    for place, block in enumerate(blocks, first):
        x = pool(place, block(x)).relu_()
    return x


class FoldedAudioTower:
    """What `AudioTower` computes in eval mode; a snapshot of its weights."""

    def __init__(self, tower: AudioTower) -> None:
        self._blocks = [FoldedBlock.of(block) for block in _blocks_of(tower)]

    def __call__(self, mfcc: Tensor) -> Tensor:
        """(N, 1, 13, 20) -> (N, C)."""
        return _run(self._blocks, AudioTower.pool, _channels_last(mfcc)).flatten(1)


class FoldedLipTower:
    """What `LipTower` computes in eval mode, from frames; a snapshot of its weights."""

    def __init__(self, tower: LipTower) -> None:
        first, *rest = [FoldedBlock.of(block) for block in _blocks_of(tower)]
        self._first = FoldedBlock(
            _frames_first(first.weight), first.bias, first.stride, first.padding
        )
        self._rest, self._pool = rest, tower.pool

    def __call__(self, frames: Tensor) -> Tensor:
        """Features of every window of consecutive frames.

        Args:
            frames: (N + 4, 3, image_size, image_size) in BGR, 0..255.

        Returns:
            (N, C); row i sees frames i to i + 4.
        """
        count = len(frames) - WINDOW + 1
        pixels = frames.permute(2, 3, 0, 1).flatten(2)  # (H, W, 3 * frames)
        at_once = 1 if frames.device.type == "cpu" else count
        maps = [
            _run([self._first], self._pool, self._windows(pixels, start, start + at_once))
            for start in range(0, count, at_once)
        ]
        return _run(self._rest, self._pool, torch.cat(maps), first=1).flatten(1)

    def _windows(self, pixels: Tensor, start: int, stop: int) -> Tensor:
        """(stop - start, 15, H, W) with channels last, numbers as the weights are."""
        slices = pixels.unfold(2, _RGB * WINDOW, _RGB)[:, :, start:stop]  # (H, W, n, 15)
        return _channels_last(slices.permute(2, 3, 0, 1)).to(self._first.weight.dtype)


def _blocks_of(tower: AudioTower | LipTower) -> list[ConvBlock]:
    return [block for block in tower.blocks if isinstance(block, ConvBlock)]


def _frames_first(weight: Tensor) -> Tensor:
    """(O, 3 * 5, h, w) over colour, frame as the same over frame, colour."""
    kernel = weight.reshape(len(weight), _RGB, WINDOW, *weight.shape[2:]).transpose(1, 2)
    return _channels_last(kernel.flatten(1, 2))
