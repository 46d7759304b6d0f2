"""Square views of pictures: cut, turned, mirrored, enlarged; and points that move with them.

Coordinates are in pixels, 0 at the middle of the first one, as landmarks are given everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

# the person's right is the picture's left: point k of the mirrored face was point MIRROR[k]
_PAIRS = (
    *((k, 16 - k) for k in range(8)),
    *((17 + k, 26 - k) for k in range(5)),
    *((31, 35), (32, 34)),
    *((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),
    *((48, 54), (49, 53), (50, 52), (59, 55), (58, 56), (60, 64), (61, 63), (67, 65)),
)
_OTHER = dict(_PAIRS) | {b: a for a, b in _PAIRS}
MIRROR = tuple(_OTHER.get(k, k) for k in range(68))


@dataclass(frozen=True, eq=False)
class Squares:
    """One square in each of N pictures.

    Attributes:
        centre: (N, 2) x and y.
        side: (N,) pixels.
        angle: (N,) radians by which the square is turned.
    """

    centre: Tensor
    side: Tensor
    angle: Tensor

    @classmethod
    def upright(cls, centre: Tensor, side: Tensor) -> Squares:
        """Squares that are not turned."""
        return cls(centre, side, torch.zeros_like(side))

    @classmethod
    def around(cls, points: Tensor) -> Squares:
        """The smallest upright squares around points (N, P, 2)."""
        low, high = points.amin(dim=1), points.amax(dim=1)
        return cls.upright((low + high) / 2, (high - low).amax(dim=1))

    @classmethod
    def whole(cls, pictures: Tensor) -> Squares:
        """The smallest squares around all of each of pictures (N, C, H, W)."""
        count, (height, width) = len(pictures), pictures.shape[-2:]
        centre = torch.tensor([(width - 1) / 2, (height - 1) / 2], device=pictures.device)
        side = torch.full((count,), float(max(height, width)), device=pictures.device)
        return cls.upright(centre.expand(count, 2), side)

    def scaled(self, factor: Tensor | float) -> Squares:
        """Squares with other sides."""
        return replace(self, side=self.side * factor)

    def __getitem__(self, rows: Tensor) -> Squares:
        return Squares(self.centre[rows], self.side[rows], self.angle[rows])

    def _axes(self) -> Tensor:
        """(N, 2, 2): the square's half axes as columns."""
        cos, sin = self.angle.cos(), self.angle.sin()
        rows = [torch.stack([cos, -sin], dim=-1), torch.stack([sin, cos], dim=-1)]
        return torch.stack(rows, dim=1) * self.side[:, None, None] / 2

    def view(self, pictures: Tensor, size: int) -> Tensor:
        """What the squares hold: (N, C, size, size) of pictures (N, C, H, W) float; 0 outside."""
        height, width = pictures.shape[-2:]
        scale = torch.tensor([2 / width, 2 / height], device=pictures.device)
        middle = (self.centre + 0.5) * scale - 1
        matrix = torch.cat([self._axes() * scale[:, None], middle[..., None]], dim=-1)
        shape = [len(pictures), pictures.shape[1], size, size]
        grid = F.affine_grid(matrix.to(pictures.dtype), shape, align_corners=False)
        return F.grid_sample(pictures, grid, align_corners=False)

    def inside(self, points: Tensor) -> Tensor:
        """Points (N, P, 2) of the pictures in the squares, which reach from -1 to 1."""
        places: Tensor = torch.linalg.solve(self._axes(), (points - self.centre[:, None]).mT)
        return places.mT

    def outside(self, places: Tensor) -> Tensor:
        """Places (N, P, 2) in the squares as points of the pictures."""
        return (self._axes() @ places.mT).mT + self.centre[:, None]


def mirrored(pictures: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (N, C, H, W) and their landmarks (N, 68, 2) in a mirror."""
    flipped = points[:, MIRROR, :].clone()
    flipped[..., 0] = pictures.shape[-1] - 1 - flipped[..., 0]
    return pictures.flip(-1), flipped
