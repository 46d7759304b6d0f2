"""SyncNet (Chung and Zisserman, "Out of time", ACCV-W 2016): do lips and sound belong together?

Two towers map 0.2 s of mouth (five frames) and of sound (20 MFCC columns) to one space. Kernels
of the lip tower span all five frames in the first layer and one frame after it, so it is written
with two-dimensional convolutions over 15 channels, which is the same sum and faster.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.errors import ConfigError

WINDOW = 5
"""Video frames in a window."""
COLUMNS = 20
"""MFCC columns (10 ms) in a window."""
IMAGE_SIZE = 224
"""Side of a frame in pixels."""
_EPSILON = 1e-6  # of torch's pairwise distance, added to every coordinate


class ConvBlock(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(
        self,
        channels: tuple[int, int],
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(*channels, kernel, stride, padding)
        self.norm = nn.BatchNorm2d(channels[1])

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return F.relu(self.norm(self.conv(x)))


class Head(nn.Module):
    """Linear, batch norm, ReLU, linear."""

    def __init__(self, in_size: int, hidden_size: int, out_size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(in_size, hidden_size)
        self.norm = nn.BatchNorm1d(hidden_size)
        self.out = nn.Linear(hidden_size, out_size)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C) -> (N, D)."""
        embedded: Tensor = self.out(F.relu(self.norm(self.hidden(x))))
        return embedded


def _pairs(first: int, channels: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip([first, *channels], channels))


class AudioTower(nn.Module):
    """Six convolutions over (coefficients, time)."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        *inner, last = _pairs(1, channels)
        blocks = [ConvBlock(pair, 3, padding=1) for pair in inner]
        self.blocks = nn.ModuleList([*blocks, ConvBlock(last, (5, 4))])

    def forward(self, mfcc: Tensor) -> Tensor:
        """(N, 1, 13, 20) -> (N, C)."""
        x = mfcc
        for i, block in enumerate(self.blocks):
            x = self.pool(i, block(x))
        return x.flatten(1)

    @staticmethod
    def pool(place: int, x: Tensor) -> Tensor:
        """Pooling that follows the block at `place`, if any."""
        if place == 1:
            return F.max_pool2d(x, 3, stride=(1, 2))
        return F.max_pool2d(x, 3, stride=2) if place == 4 else x


class LipTower(nn.Module):
    """Six convolutions over the picture; the first one sees all frames of the window.

    Args:
        channels: outputs of the convolutions.
        image_size: `IMAGE_SIZE`, or half of it for a small network that sees a part of a frame; it
            leaves out the first pooling, so that every later map has the published size.
    """

    def __init__(self, channels: Sequence[int], image_size: int = IMAGE_SIZE) -> None:
        super().__init__()
        if image_size not in (IMAGE_SIZE, IMAGE_SIZE // 2):
            raise ConfigError(
                f"image_size must be {IMAGE_SIZE} or {IMAGE_SIZE // 2}, not {image_size}"
            )
        self.pooled = (0, 4) if image_size == IMAGE_SIZE else (4,)
        first, second, *inner, last = _pairs(3 * WINDOW, channels)
        self.blocks = nn.ModuleList(
            [
                ConvBlock(first, 7, stride=2),
                ConvBlock(second, 5, stride=2, padding=1),
                *(ConvBlock(pair, 3, padding=1) for pair in inner),
                ConvBlock(last, 6),
            ]
        )

    def forward(self, windows: Tensor) -> Tensor:
        """(N, 3, 5, image_size, image_size) -> (N, C)."""
        # the fast layout of convolutions on every device; the values do not depend on it
        x = windows.flatten(1, 2).contiguous(memory_format=torch.channels_last)
        for i, block in enumerate(self.blocks):
            x = self.pool(i, block(x))
        return x.flatten(1)

    def pool(self, place: int, x: Tensor) -> Tensor:
        """Pooling that follows the block at `place`, if any."""
        if place == 1:
            return F.max_pool2d(x, 3, stride=2, padding=1)
        return F.max_pool2d(x, 3, stride=2) if place in self.pooled else x


class SyncNet(nn.Module):
    """Both towers with their heads.

    Args:
        audio_channels: outputs of the six convolutions over sound.
        lip_channels: outputs of the six convolutions over frames.
        head_size: hidden width of the heads.
        embedding_size: width of the common space.
        image_size: side of the frames, see `LipTower`.
    """

    def __init__(
        self,
        audio_channels: Sequence[int],
        lip_channels: Sequence[int],
        head_size: int,
        embedding_size: int,
        image_size: int = IMAGE_SIZE,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.audio_tower = AudioTower(audio_channels)
        self.lip_tower = LipTower(lip_channels, image_size)
        self.audio_head = Head(audio_channels[-1], head_size, embedding_size)
        self.lip_head = Head(lip_channels[-1], head_size, embedding_size)

    def embed_audio(self, mfcc: Tensor) -> Tensor:
        """Sound (N, 1, 13, 20) -> (N, D), not normalised."""
        embedded: Tensor = self.audio_head(self.audio_tower(mfcc))
        return embedded

    def embed_lips(self, windows: Tensor) -> Tensor:
        """Frames (N, 3, 5, image_size, image_size) in BGR, 0..255 -> (N, D), not normalised."""
        embedded: Tensor = self.lip_head(self.lip_tower(windows))
        return embedded

    def forward(self, windows: Tensor, mfcc: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (N, D) of lips and of sound."""
        return self.embed_lips(windows), self.embed_audio(mfcc)


def shifted_distances(lips: Tensor, sound: Tensor, max_shift: int = 15) -> Tensor:
    """Distance of each lip window from the sound around it.

    Args:
        lips: (N, D).
        sound: (N, D).
        max_shift: windows to either side; beyond the clip's ends the sound is a zero vector.

    Returns:
        (N, 2 * max_shift + 1); column k compares window i with sound i + k - max_shift.
    """
    padded = F.pad(sound, (0, 0, max_shift, max_shift))
    shifts = range(2 * max_shift + 1)
    columns = [F.pairwise_distance(lips, padded[k : k + len(lips)], eps=_EPSILON) for k in shifts]
    return torch.stack(columns, dim=1)
