"""The detector: a locator finds the face in the whole frame, a pointer its landmarks in a crop."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.models.judge_landmarks.config import JudgeLandmarksConfig
from zoo.models.judge_landmarks.views import Squares

_SUPERSAMPLING = 2  # pixels looked at for one of the locator's, a side


class ConvNorm(nn.Sequential):
    """Convolution over 3 x 3 pixels, batch norm, ReLU."""

    def __init__(self, in_size: int, out_size: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_size, out_size, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(out_size),
            nn.ReLU(),
        )


class Residual(nn.Module):
    """Two convolutions, added to their input."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.body = nn.Sequential(ConvNorm(size, size), ConvNorm(size, size))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        added: Tensor = x + self.body(x)
        return added


class Locator(nn.Module):
    """Whether there is a face in a picture, and where."""

    def __init__(self, config: JudgeLandmarksConfig) -> None:
        super().__init__()
        sizes = (3, *config.locator_channels)
        self.body = nn.Sequential(*(ConvNorm(a, b, stride=2) for a, b in pairwise(sizes)))
        cells = (config.locator_size >> len(config.locator_channels)) ** 2
        self.head = nn.Sequential(
            nn.Linear(cells * sizes[-1], config.locator_hidden),
            nn.ReLU(),
            nn.Linear(config.locator_hidden, 4),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, 4): logit of a face, x and y of its middle, logarithm of its side.

        The picture reaches from -1 to 1; a side of 1 is half of the picture's.
        """
        found: Tensor = self.head(self.body(pictures).flatten(1))
        return found


class Pointer(nn.Module):
    """Landmarks of a face that fills the picture: the means of one heat map each."""

    def __init__(self, config: JudgeLandmarksConfig) -> None:
        super().__init__()
        fine, middle, coarse = config.channels
        self.stem = nn.Sequential(
            ConvNorm(3, config.stem_channels, 2),
            ConvNorm(config.stem_channels, fine, 2),
            Residual(fine),
        )
        self.to_middle = nn.Sequential(ConvNorm(fine, middle, 2), Residual(middle))
        self.to_coarse = nn.Sequential(ConvNorm(middle, coarse, 2), Residual(coarse))
        self.coarse_to_middle = nn.Conv2d(coarse, middle, 1)
        self.middle = Residual(middle)
        self.middle_to_fine = nn.Conv2d(middle, fine, 1)
        self.fine = Residual(fine)
        self.maps = nn.Conv2d(fine, config.num_points, 1)

    def forward(self, faces: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, P, 2) x and y between -1 and 1."""
        fine = self.stem(faces)
        middle = self.to_middle(fine)
        above = self.coarse_to_middle(self.to_coarse(middle))
        middle = self.middle(middle + F.interpolate(above, middle.shape[-2:]))
        fine = self.fine(fine + F.interpolate(self.middle_to_fine(middle), fine.shape[-2:]))
        return _means(self.maps(fine))


def _means(maps: Tensor) -> Tensor:
    """Mean place (N, P, 2) of the softmax of maps (N, P, H, W)."""
    weights = maps.float().flatten(2).softmax(dim=-1).view(maps.shape)
    places = [
        (torch.arange(size, device=maps.device) + 0.5) * 2 / size - 1 for size in maps.shape[-2:]
    ]
    x = (weights.sum(dim=2) * places[1]).sum(dim=-1)
    y = (weights.sum(dim=3) * places[0]).sum(dim=-1)
    return torch.stack([x, y], dim=-1)


class LandmarkNetwork(nn.Module):
    """Locator and pointer on pictures of one size."""

    def __init__(self, config: JudgeLandmarksConfig) -> None:
        super().__init__()
        self.config = config
        self.locator = Locator(config)
        self.pointer = Pointer(config)

    def locator_view(self, pictures: Tensor, squares: Squares) -> Tensor:
        """What the locator sees (N, 3, S, S) of squares in pictures (N, 3, H, W), 0..255."""
        view = squares.view(pictures, _SUPERSAMPLING * self.config.locator_size)
        return F.avg_pool2d(view, _SUPERSAMPLING)

    def locate(self, views: Tensor) -> Tensor:
        """The locator's (N, 4) of views, 0..255."""
        found: Tensor = self.locator(_centred(views))
        return found

    def pointer_view(self, pictures: Tensor, squares: Squares) -> Tensor:
        """What the pointer sees (N, 3, S, S) of squares in pictures (N, 3, H, W), 0..255."""
        return squares.view(pictures, self.config.crop_size)

    def point(self, views: Tensor) -> Tensor:
        """Landmarks (N, P, 2) in views, from -1 to 1."""
        found: Tensor = self.pointer(_centred(views))
        return found

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Face scores (N,) in [0, 1] and landmarks (N, P, 2) of pictures (N, 3, H, W), 0..255."""
        whole = Squares.whole(pictures)
        found = self.locate(self.locator_view(pictures, whole))
        middle = whole.outside(found[:, None, 1:3])[:, 0]
        # a wrong side must not make a view of nothing
        side = found[:, 3].clamp(-3, 1).exp() * whole.side / 2
        face = Squares.upright(middle, side * self.config.margin)
        return found[:, 0].sigmoid(), face.outside(self.point(self.pointer_view(pictures, face)))


def _centred(pictures: Tensor) -> Tensor:
    """0..255 as -1..1, in the fast layout of convolutions."""
    return (pictures / 127.5 - 1).contiguous(memory_format=torch.channels_last)
