"""Pictures as H.264 holds them: brightness in every pixel, colour for every second one.

Drawing in this form from the start leaves half of the numbers out and nothing to convert later.
Values are linear in red, green and blue (BT.601) and zero for black; `packed` adds the offsets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Tint = tuple[float, float, float]
WHITE: Final[Tint] = (1.0, 1.0, 1.0)
_MATRIX: Final = torch.tensor(
    [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]
)
_BLACK, _GREY, _LUMA_SPAN, _CHROMA_SPAN = 16, 128, 219, 112


@dataclass(frozen=True)
class Planes:
    """Layers of pictures.

    Attributes:
        luma: (N, 1, H, W) brightness, or with coverage (0 to 1), (N, 2, H, W).
        chroma: (N, 2, H/2, W/2) the two colour differences, or with coverage, (N, 3, H/2, W/2).
    """

    luma: Tensor
    chroma: Tensor

    def clone(self, count: int) -> Planes:
        """The first layer `count` times over, to be written to."""
        return Planes(*(plane[:1].repeat(count, 1, 1, 1) for plane in (self.luma, self.chroma)))


def to_planes(layers: NDArray[Any], tint: Tint = WHITE) -> Planes:
    """Layers (N, H, W, 3) RGB, or (N, H, W, 4) RGBA with the colour already times alpha, 0 to 255.

    Args:
        layers: H and W even.
        tint: colour of the light, a factor for each of red, green and blue.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(layers.astype(np.float32))).permute(0, 3, 1, 2)
    full = torch.einsum("ij,njhw->nihw", _matrix(tint), pixels[:, :3])
    if pixels.shape[1] == 4:
        full = torch.cat([full, pixels[:, 3:] / 255], dim=1)
    return split(full)


def split(full: Tensor) -> Planes:
    """Planes of (N, 3 or 4, H, W): brightness, two colour differences, perhaps coverage."""
    keep = [0, *range(3, full.shape[1])]
    # halved like this, every pixel is the mean of four
    return Planes(
        full[:, keep].contiguous(), F.interpolate(full[:, 1:], scale_factor=0.5, mode="bilinear")
    )


def color_planes(color: Sequence[float], tint: Tint = WHITE) -> Tensor:
    """An opaque RGB colour as (4,): brightness, two colour differences, coverage."""
    values = _matrix(tint) @ torch.tensor(color, dtype=torch.float32)
    return torch.cat([values, torch.ones(1)])


def packed(luma: Tensor, chroma: Tensor) -> Tensor:
    """What the encoder takes (yuv420p): (N, 3H/2, W) uint8 of (N, H, W) and (N, 2, H/2, W/2).

    Both inputs are written to.
    """
    count, height, width = luma.shape
    whole = torch.empty((count, height + height // 2, width), dtype=torch.uint8)
    whole[:, :height] = luma.clamp_(0, _LUMA_SPAN).add_(_BLACK + 0.5)
    chroma.clamp_(-_CHROMA_SPAN, _CHROMA_SPAN).add_(_GREY + 0.5)
    whole[:, height:] = chroma.reshape(count, height // 2, width)
    return whole


def _matrix(tint: Tint) -> Tensor:
    return _MATRIX * torch.tensor(tint) / 255
