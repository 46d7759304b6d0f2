"""From mouth crops to what the lip-reading networks see: grey, 88 x 88, normalised.

The AV-HuBERT, Auto-AVSR and AV-RelScore families share these numbers (mean and deviation of the
LRW pixels, 0.421 and 0.165).
"""

from __future__ import annotations

from random import Random

import torch
from torch import Tensor

from zoo.errors import MediaError

INPUT_SIZE = 88
MEAN, STD = 0.421, 0.165
# weights of red, green and blue in 1/2^15, as OpenCV rounds them
_GREY = (9798, 19235, 3735)
_SHIFT = 15


def to_grey(frames: Tensor) -> Tensor:
    """Frames (T, 3, H, W) uint8 RGB as luma (T, H, W) uint8, with OpenCV's integer arithmetic."""
    if frames.shape[-3] != 3 or frames.dtype != torch.uint8:
        raise MediaError(f"frames: expected (T, 3, H, W) uint8, got {tuple(frames.shape)}")
    wide = frames.to(torch.int32)
    red, green, blue = (weight * wide[..., c, :, :] for c, weight in enumerate(_GREY))
    luma = red + green + blue
    return ((luma + (1 << (_SHIFT - 1))) >> _SHIFT).to(torch.uint8)


def normalize(grey: Tensor) -> Tensor:
    """Grey values 0..255 as the networks take them; zeros afterwards are padding."""
    return (grey.to(torch.float32) / 255.0 - MEAN) / STD


def eval_input(grey: Tensor, size: int = INPUT_SIZE) -> Tensor:
    """The middle of grey crops (T, H, W) uint8, normalised: (T, size, size) float32."""
    height, width = _check(grey, size)
    # parity: round, then halve, then cut to an integer
    top, left = int(round(height - size) / 2), int(round(width - size) / 2)
    return normalize(grey[..., top : top + size, left : left + size])


def train_input(grey: Tensor, draw: Random, size: int = INPUT_SIZE) -> Tensor:
    """A random part of grey crops, mirrored half of the time, the same for the whole clip.

    Args:
        grey: (T, H, W) uint8.
        draw: where chance comes from; column, row and mirror are drawn in this order.
        size: side of the part.

    Returns:
        (T, size, size) float32, normalised.
    """
    height, width = _check(grey, size)
    left, top = draw.randint(0, width - size), draw.randint(0, height - size)
    part = grey[..., top : top + size, left : left + size]
    return normalize(part.flip(-1) if draw.random() < 0.5 else part)


def _check(grey: Tensor, size: int) -> tuple[int, int]:
    height, width = grey.shape[-2:]
    if min(height, width) < size:
        raise MediaError(f"mouth crops of {height} x {width} pixels: expected {size} or more")
    return height, width
