"""HiFi-GAN generator (arXiv 2010.05646): features at a frame rate in, a waveform out.

One trunk serves the mel vocoders, the unit vocoders and the multi-input vocoder; they differ in
what is fed to it and in how far it goes up in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from math import prod
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.errors import ConfigError
from zoo.hub.config import ZooConfig
from zoo.nn.weight_norm import initialised, normed

SLOPE = 0.1
# parity: the official code leaves the slope before the last convolution at PyTorch's default
TAIL_SLOPE = 0.01


@dataclass(frozen=True, kw_only=True)
class HiFiGANConfig(ZooConfig):
    """Sizes of a generator; the defaults are those of the released unit vocoders."""

    PRESETS: ClassVar[tuple[str, ...]] = ("units_16k", "mel_16k", "mel_22k", "multi_input")

    channels: int = 512
    """After the first convolution; halved (rounding down) by every step up."""
    rates: tuple[int, ...] = (5, 4, 4, 2, 2)
    """Factors in time of the steps up; their product is the number of samples a frame gives."""
    kernels: tuple[int, ...] = (11, 8, 8, 4, 4)
    """Kernel sizes of the steps up."""
    block_kernels: tuple[int, ...] = (3, 7, 11)
    """Kernel sizes of the residual blocks whose outputs are averaged after every step."""
    block_dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    """Their dilations."""
    block: Literal["1", "2"] = "1"
    """Kind of residual block: pairs of convolutions ("1"), or single ones ("2")."""
    initial_std: float | None = 0.01
    """Standard deviation of the weights before training; None leaves PyTorch's own draw (ours)."""

    def __post_init__(self) -> None:
        if len(self.rates) != len(self.kernels):
            raise ConfigError(f"rates {self.rates} and kernels {self.kernels} differ in number")
        if len(self.block_kernels) != len(self.block_dilations):
            raise ConfigError("block_kernels and block_dilations differ in number")
        if any(k < u or (k - u) % 2 for u, k in zip(self.rates, self.kernels, strict=True)):
            raise ConfigError(f"kernels {self.kernels} do not fit rates {self.rates}")
        if self.channels < 2 ** len(self.rates):
            raise ConfigError(f"channels {self.channels} cannot be halved {len(self.rates)} times")

    @property
    def hop(self) -> int:
        """Samples a frame."""
        return prod(self.rates)

    @classmethod
    def units_16k(cls) -> HiFiGANConfig:
        """Units of 20 ms at 16 kHz."""
        return cls()

    @classmethod
    def mel_16k(cls) -> HiFiGANConfig:
        """Mel frames of 10 ms at 16 kHz."""
        return cls(rates=(5, 4, 4, 2), kernels=(11, 8, 8, 4))

    @classmethod
    def mel_22k(cls) -> HiFiGANConfig:
        """HiFi-GAN V1: mel frames of 256 samples."""
        return cls(rates=(8, 8, 2, 2), kernels=(16, 16, 4, 4))

    @classmethod
    def multi_input(cls) -> HiFiGANConfig:
        """Lip2Speech-Unit: features of 10 ms at 16 kHz in five steps."""
        return cls(rates=(5, 4, 2, 2, 2), kernels=(11, 8, 4, 4, 4))


class HiFiGAN(nn.Module):
    """The generator.

    Args:
        in_channels: features a frame.
        config: sizes.

    Example:
        >>> HiFiGAN(80, HiFiGANConfig.mel_16k())(torch.zeros(1, 80, 3)).shape
        torch.Size([1, 1, 480])
    """

    def __init__(self, in_channels: int, config: HiFiGANConfig) -> None:
        super().__init__()
        std = config.initial_std
        widths = [config.channels // 2**i for i in range(len(config.rates) + 1)]
        self.conv_pre = normed(nn.Conv1d(in_channels, widths[0], 7, padding=3))
        self.ups = nn.ModuleList(
            normed(initialised(nn.ConvTranspose1d(*io, kernel, rate, (kernel - rate) // 2), std))
            for io, kernel, rate in zip(pairwise(widths), config.kernels, config.rates, strict=True)
        )
        kind = PairedBlock if config.block == "1" else SingleBlock
        shapes = list(zip(config.block_kernels, config.block_dilations, strict=True))
        self.resblocks = nn.ModuleList(
            kind(width, kernel, dilations, std)
            for width in widths[1:]
            for kernel, dilations in shapes
        )
        self.num_blocks = len(shapes)
        self.conv_post = normed(initialised(nn.Conv1d(widths[-1], 1, 7, padding=3), std))

    def forward(self, x: Tensor) -> Tensor:
        """Waveforms (B, 1, T * hop) in (-1, 1) of features (B, C, T)."""
        x = self.conv_pre(x)
        for i, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, SLOPE))
            blocks = self.resblocks[i * self.num_blocks : (i + 1) * self.num_blocks]
            x = reduce(torch.add, [block(x) for block in blocks]) / len(blocks)
        return torch.tanh(self.conv_post(F.leaky_relu(x, TAIL_SLOPE)))


class PairedBlock(nn.Module):
    """Residual block 1: for each dilation a dilated and a plain convolution."""

    def __init__(
        self, channels: int, kernel: int, dilations: Sequence[int], std: float | None
    ) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(_same_conv(channels, kernel, d, std) for d in dilations)
        self.convs2 = nn.ModuleList(_same_conv(channels, kernel, 1, std) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x = x + plain(F.leaky_relu(dilated(F.leaky_relu(x, SLOPE)), SLOPE))
        return x


class SingleBlock(nn.Module):
    """Residual block 2: one convolution for each dilation."""

    def __init__(
        self, channels: int, kernel: int, dilations: Sequence[int], std: float | None
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_same_conv(channels, kernel, d, std) for d in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        for conv in self.convs:
            x = x + conv(F.leaky_relu(x, SLOPE))
        return x


def _same_conv(channels: int, kernel: int, dilation: int, std: float | None) -> nn.Conv1d:
    padding = (kernel - 1) * dilation // 2
    conv = nn.Conv1d(channels, channels, kernel, padding=padding, dilation=dilation)
    return normed(initialised(conv, std))
