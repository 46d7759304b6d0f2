"""ECAPA-TDNN over the hidden states of a speech encoder (Desplanques et al. 2020).

The small form that UniSpeech put on WavLM for speaker verification: the hidden states are mixed,
normalised over time and read by three dilated blocks; attentive mean and deviation give one
vector. Names of the layers are those of the released file.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_EPSILON = 1e-6
_FLOOR = 1e-9  # of a variance, before its root


class ConvReluNorm(nn.Module):
    """Convolution over time, ReLU, batch norm; the length stays."""

    def __init__(self, in_size: int, out_size: int, kernel: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv1d(in_size, out_size, kernel, padding=padding)
        self.bn = nn.BatchNorm1d(out_size)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C', T)."""
        normed: Tensor = self.bn(F.relu(self.conv(x)))
        return normed


class Res2Conv(nn.Module):
    """Groups of channels, each convolved after the result of the one before is added to it."""

    def __init__(self, channels: int, kernel: int, dilation: int, scale: int) -> None:
        super().__init__()
        width, padding = channels // scale, dilation * (kernel // 2)
        count = scale - 1
        self.convs = nn.ModuleList(
            nn.Conv1d(width, width, kernel, padding=padding, dilation=dilation)
            for _ in range(count)
        )
        self.bns = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        *groups, last = x.chunk(len(self.convs) + 1, dim=1)
        found: list[Tensor] = []
        for group, conv, norm in zip(groups, self.convs, self.bns, strict=True):
            mixed = group + found[-1] if found else group
            found.append(norm(F.relu(conv(mixed))))
        return torch.cat([*found, last], dim=1)


class Squeeze(nn.Module):
    """Gates of the channels from their means over time."""

    def __init__(self, channels: int, bottleneck: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, bottleneck)
        self.linear2 = nn.Linear(bottleneck, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        gates = torch.sigmoid(self.linear2(F.relu(self.linear1(x.mean(dim=2)))))
        return x * gates[:, :, None]


class Block(nn.Module):
    """Res2Net between two plain layers, squeezed, around a shortcut."""

    def __init__(self, channels: int, dilation: int, scale: int, bottleneck: int) -> None:
        super().__init__()
        self.Conv1dReluBn1 = ConvReluNorm(channels, channels)
        self.Res2Conv1dReluBn = Res2Conv(channels, 3, dilation, scale)
        self.Conv1dReluBn2 = ConvReluNorm(channels, channels)
        self.SE_Connect = Squeeze(channels, bottleneck)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        inner = self.Conv1dReluBn2(self.Res2Conv1dReluBn(self.Conv1dReluBn1(x)))
        result: Tensor = self.SE_Connect(inner) + x
        return result


class AttentiveStatistics(nn.Module):
    """Mean and deviation over time, weighted by an attention of each channel."""

    def __init__(self, channels: int, bottleneck: int) -> None:
        super().__init__()
        self.linear1 = nn.Conv1d(channels, bottleneck, 1)
        self.linear2 = nn.Conv1d(bottleneck, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, 2 C)."""
        weights = torch.softmax(self.linear2(torch.tanh(self.linear1(x))), dim=2)
        mean = (weights * x).sum(dim=2)
        variance = (weights * x.square()).sum(dim=2) - mean.square()
        return torch.cat([mean, variance.clamp(min=_FLOOR).sqrt()], dim=1)


class ECAPA(nn.Module):
    """From hidden states to a vector.

    Args:
        num_states: hidden states that are mixed.
        state_size: their width.
        channels: of the blocks.
        embedding_size: of the result.
        scale: groups of a Res2Net.
        bottleneck: of the gates and of the attention.
    """

    def __init__(
        self,
        num_states: int,
        state_size: int,
        channels: int = 512,
        embedding_size: int = 256,
        scale: int = 8,
        bottleneck: int = 128,
    ) -> None:
        super().__init__()
        self.feature_weight = nn.Parameter(torch.zeros(num_states))
        self.instance_norm = nn.InstanceNorm1d(state_size)
        self.layer1 = ConvReluNorm(state_size, channels, 5, 2)
        self.layer2 = Block(channels, 2, scale, bottleneck)
        self.layer3 = Block(channels, 3, scale, bottleneck)
        self.layer4 = Block(channels, 4, scale, bottleneck)
        joined = 3 * channels
        self.conv = nn.Conv1d(joined, joined, 1)
        self.pooling = AttentiveStatistics(joined, bottleneck)
        self.bn = nn.BatchNorm1d(2 * joined)
        self.linear = nn.Linear(2 * joined, embedding_size)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """Hidden states, (B, T, C) each, -> vectors (B, D), not normalised."""
        weights = torch.softmax(self.feature_weight, dim=0)
        mixed = torch.einsum("l,lbtc->bct", weights, torch.stack(list(states)))
        x = self.layer1(self.instance_norm(mixed + _EPSILON))
        first = self.layer2(x)
        second = self.layer3(first)
        third = self.layer4(second)
        joined = F.relu(self.conv(torch.cat([first, second, third], dim=1)))
        embedded: Tensor = self.linear(self.bn(self.pooling(joined)))
        return embedded
