"""What the detector is trained on: many views of few frames, and pictures without a face."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.models.judge_landmarks.views import Squares

_ZOOM = (0.6, 1.7)  # side of a view in sides of the frame
_TURN = 0.25  # radians either way
_BLOCKS = 4


def _uniform(like: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand_like(like)


def random_views(frames: Tensor) -> Squares:
    """Near and far, turned squares about the middle of frames (N, 3, H, W)."""
    whole = Squares.whole(frames)
    zoom = torch.exp(_uniform(whole.side, math.log(_ZOOM[0]), math.log(_ZOOM[1])))
    shift = 0.12 * torch.randn_like(whole.centre) * whole.side[:, None]
    return Squares(whole.centre + shift, whole.side * zoom, _uniform(whole.side, -_TURN, _TURN))


def jittered(faces: Squares) -> Squares:
    """Squares as a locator finds them: a little off."""
    shift = 0.05 * torch.randn_like(faces.centre) * faces.side[:, None]
    side = faces.side * torch.exp(0.08 * torch.randn_like(faces.side))
    return Squares(faces.centre + shift, side, _uniform(faces.side, -_TURN, _TURN))


def recoloured(frames: Tensor) -> Tensor:
    """Pictures (N, 3, H, W), 0..255, in another light, some of them less sharp."""
    gain = _uniform(frames[:, :, :1, :1], 0.75, 1.3)
    offset = 20 * torch.randn_like(frames[:, :1, :1, :1])
    noise = 5 * torch.rand_like(frames[:, :1, :1, :1]) * torch.randn_like(frames)
    coarse = F.avg_pool2d(frames, 2, ceil_mode=True)
    blurred = F.interpolate(coarse, frames.shape[-2:], mode="bilinear")
    dull = torch.rand_like(frames[:, :1, :1, :1]) < 0.3
    return (torch.where(dull, blurred, frames) * gain + offset + noise).clamp(0, 255)


def without_face(frames: Tensor, size: int) -> Tensor:
    """Pictures (N, 3, size, size) without a face, made of frames (N, 3, H, W) with one.

    A third of each kind: the blocks of a frame in disorder, a corner of it enlarged, noise.
    """
    third = len(frames) // 3
    sizes = [third, third, len(frames) - 2 * third]
    mixed, corners, noise = torch.split(frames, sizes)
    return torch.cat([_shuffled(mixed, size), _corners(corners, size), _noise(noise, size)])


def _shuffled(frames: Tensor, size: int) -> Tensor:
    block = size // _BLOCKS
    small = F.interpolate(frames, (block * _BLOCKS, block * _BLOCKS), mode="area")
    columns = F.unfold(small, block, stride=block)
    order = torch.randperm(columns.shape[-1], device=frames.device)
    mixed = F.fold(columns[..., order], small.shape[-2:], block, stride=block)
    return F.interpolate(mixed, (size, size))


def _corners(frames: Tensor, size: int) -> Tensor:
    height, width = frames.shape[-2:]
    side = 0.2 * max(height, width)
    which = torch.randint(0, 2, (len(frames), 2), device=frames.device)
    far = torch.tensor([width - side, height - side], device=frames.device)
    squares = Squares.upright(side / 2 + which * far, torch.full_like(frames[:, 0, 0, 0], side))
    return squares.view(frames, size)


def _noise(frames: Tensor, size: int) -> Tensor:
    """Plain to rough, of any colour."""
    coarse = torch.rand(len(frames), 3, 6, 6, device=frames.device)
    smooth = F.interpolate(coarse, (size, size), mode="bilinear")
    share = torch.rand(len(frames), 1, 1, 1, device=frames.device)
    return 255 * (share * smooth + (1 - share) * torch.rand_like(smooth))
