"""The visual quality discriminator of Wav2Lip (arXiv 2008.10010, section 3.3): is this lower half
of a face filmed or painted? Without normalisation layers; frames are judged one by one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from zoo.nn.wav2lip import Size, coarsest

_HALVINGS = 5


class LeakyConv(nn.Module):
    """Convolution and leaky ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: Size = 1,
        padding: int = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return F.leaky_relu(self.conv(x), 0.01)


class QualityDiscriminator(nn.Module):
    """Lower halves of faces -> logits.

    Args:
        channels: five widths.
        image_size: side S of the whole face.
    """

    def __init__(self, channels: Sequence[int], image_size: int = 96) -> None:
        super().__init__()
        first, second, third, fourth, last = channels
        side = coarsest(image_size, _HALVINGS)
        stages: list[list[nn.Module]] = [
            [LeakyConv(3, first, 7, padding=3)],
            _stage(first, second, 5, (1, 2)),
            _stage(second, third, 5, 2),
            _stage(third, fourth, 5, 2),
            _stage(fourth, last, 3, 2),
            _stage(last, last, 3, 2),
            [LeakyConv(last, last, side), LeakyConv(last, last, 1)],
        ]
        self.stages = nn.ModuleList(nn.Sequential(*stage) for stage in stages)
        self.head = nn.Conv2d(last, 1, 1)

    def forward(self, halves: Tensor) -> Tensor:
        """(N, 3, S / 2, S) BGR in [0, 1] -> logits (N,) of being filmed."""
        x = halves
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.head(x)
        return logits.flatten()


def _stage(in_channels: int, out_channels: int, kernel: int, stride: Size) -> list[nn.Module]:
    padding = kernel // 2
    return [
        LeakyConv(in_channels, out_channels, kernel, stride, padding),
        LeakyConv(out_channels, out_channels, kernel, padding=padding),
    ]
