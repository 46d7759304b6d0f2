"""ResNet-18 bodies over pictures or over sound, as the lip-reading papers use them.

Blocks of two 3-wide convolutions (arXiv 1512.03385). The papers differ in the widths and in the
activation: PReLU with a slope a channel (LRW models, AV-HuBERT), swish (Auto-AVSR, AV-RelScore) or
ReLU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Activation = Literal["prelu", "swish", "relu"]
_CONVS = {1: nn.Conv1d, 2: nn.Conv2d}
_NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}


def activation(kind: Activation, channels: int) -> nn.Module:
    """The activation after a convolution of `channels` outputs.

    Raises:
        ValueError: no such activation.
    """
    if kind == "prelu":
        return nn.PReLU(channels)
    if kind in ("swish", "relu"):
        return nn.SiLU(inplace=True) if kind == "swish" else nn.ReLU(inplace=True)
    raise ValueError(f"activation {kind!r} is not one of prelu, swish, relu")


class Shortcut(nn.Module):
    """A 1-wide convolution for where stride or width change."""

    def __init__(self, inputs: int, outputs: int, stride: int, dims: int) -> None:
        super().__init__()
        self.conv = _CONVS[dims](inputs, outputs, 1, stride, bias=False)
        self.norm = _NORMS[dims](outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, ...) -> (N, outputs, ... / stride)."""
        y: Tensor = self.norm(self.conv(x))
        return y


class ResidualBlock(nn.Module):
    """Two convolutions around which the input is added; activated after the sum."""

    def __init__(self, inputs: int, outputs: int, stride: int, kind: Activation, dims: int) -> None:
        super().__init__()
        conv, norm = _CONVS[dims], _NORMS[dims]
        self.conv1 = conv(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = norm(outputs)
        self.act1 = activation(kind, outputs)
        self.conv2 = conv(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = norm(outputs)
        self.act2 = activation(kind, outputs)
        changes = stride != 1 or inputs != outputs
        self.shortcut = Shortcut(inputs, outputs, stride, dims) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, ...) -> (N, outputs, ... / stride)."""
        y = self.act1(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        short: Tensor = x if self.shortcut is None else self.shortcut(x)
        return torch.as_tensor(self.act2(y + short))


class ResidualTrunk(nn.Sequential):
    """Stages of two blocks each; every stage but the first halves the resolution.

    Args:
        inputs: channels that come in.
        widths: channels of the stages.
        kind: activation.
        dims: 2 for pictures (N, C, H, W), 1 for sound (N, C, S).
    """

    def __init__(
        self,
        inputs: int,
        widths: Sequence[int] = (64, 128, 256, 512),
        kind: Activation = "prelu",
        dims: Literal[1, 2] = 2,
    ) -> None:
        stages = []
        for i, width in enumerate(widths):
            first = ResidualBlock(inputs, width, 1 if i == 0 else 2, kind, dims)
            stages.append(nn.Sequential(first, ResidualBlock(width, width, 1, kind, dims)))
            inputs = width
        super().__init__(*stages)
        initialise_convolutions(self)


def initialise_convolutions(module: nn.Module) -> None:
    """Draw the convolutions with the variance that ResNets start from (He et al., fan out)."""
    for part in module.modules():
        if isinstance(part, nn.Conv1d | nn.Conv2d | nn.Conv3d) and not part.weight.is_meta:
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
