"""HiFi-GAN's discriminators (arXiv 2010.05646): over periods and over scales of a waveform."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from zoo.hub.config import ZooConfig
from zoo.nn.hifigan import SLOPE
from zoo.nn.weight_norm import normed

# channels, kernel, stride, groups of the convolutions of a scale discriminator at full width
_SCALE_LAYERS = (
    (128, 15, 1, 1),
    (128, 41, 2, 4),
    (256, 41, 2, 16),
    (512, 41, 4, 16),
    (1024, 41, 4, 16),
    (1024, 41, 1, 16),
    (1024, 5, 1, 1),
)
_PERIOD_CHANNELS = (32, 128, 512, 1024, 1024)


@dataclass(frozen=True)
class Judgement:
    """What one discriminator says of a batch.

    Attributes:
        score: (B, N); towards 1 is real.
        features: outputs of all its layers, the last one included.
    """

    score: Tensor
    features: tuple[Tensor, ...]


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(ZooConfig):
    """Which discriminators, and how wide; the defaults are HiFi-GAN's."""

    PRESETS: ClassVar[tuple[str, ...]] = ("hifigan", "tiny")

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    """Periods in samples, one discriminator each."""
    num_scales: int = 3
    """Scales: the waveform itself, then averaged by two once, twice, ..."""
    width: float = 1.0
    """Factor on all channels."""

    @classmethod
    def hifigan(cls) -> DiscriminatorConfig:
        """The published ones, 71 M parameters."""
        return cls()

    @classmethod
    def tiny(cls) -> DiscriminatorConfig:
        """A sixteenth of the width."""
        return cls(periods=(2, 3, 5), num_scales=2, width=1 / 16)


class Discriminators(nn.Module):
    """All discriminators of a vocoder."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.periods = MultiPeriodDiscriminator(config.periods, config.width)
        self.scales = MultiScaleDiscriminator(config.num_scales, config.width)

    def forward(self, waveform: Tensor) -> list[Judgement]:
        """Judge waveforms (B, 1, S)."""
        return [*self.periods(waveform), *self.scales(waveform)]


class MultiPeriodDiscriminator(nn.Module):
    """One discriminator a period.

    Args:
        periods: in samples.
        width: factor on all channels.
    """

    def __init__(self, periods: Iterable[int] = (2, 3, 5, 7, 11), width: float = 1.0) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(PeriodDiscriminator(p, width) for p in periods)

    def forward(self, waveform: Tensor) -> list[Judgement]:
        """Judge waveforms (B, 1, S)."""
        return [judge(waveform) for judge in self.discriminators]


class PeriodDiscriminator(nn.Module):
    """Sees the waveform folded into rows of one period."""

    def __init__(self, period: int, width: float = 1.0) -> None:
        super().__init__()
        self.period = period
        channels = [1, *(max(1, round(c * width)) for c in _PERIOD_CHANNELS)]
        strides = [3] * (len(channels) - 2) + [1]
        self.convs = nn.ModuleList(
            normed(nn.Conv2d(*io, (5, 1), (stride, 1), padding=(2, 0)))
            for io, stride in zip(pairwise(channels), strides, strict=True)
        )
        self.conv_post = normed(nn.Conv2d(channels[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, waveform: Tensor) -> Judgement:
        """Judge waveforms (B, 1, S)."""
        x = F.pad(waveform, (0, -waveform.shape[-1] % self.period), mode="reflect")
        return _judge(x.view(*x.shape[:-1], -1, self.period), self.convs, self.conv_post)


class MultiScaleDiscriminator(nn.Module):
    """One discriminator a scale; the first one, on the raw waveform, has spectral norm.

    Args:
        num_scales: how many.
        width: factor on all channels.
    """

    def __init__(self, num_scales: int = 3, width: float = 1.0) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(
            ScaleDiscriminator(width, spectral=i == 0) for i in range(num_scales)
        )

    def forward(self, waveform: Tensor) -> list[Judgement]:
        """Judge waveforms (B, 1, S)."""
        found = []
        for i, judge in enumerate(self.discriminators):
            waveform = F.avg_pool1d(waveform, 4, 2, padding=2) if i else waveform
            found.append(judge(waveform))
        return found


class ScaleDiscriminator(nn.Module):
    """Strided grouped convolutions over the waveform."""

    def __init__(self, width: float = 1.0, *, spectral: bool = False) -> None:
        super().__init__()
        norm: Callable[[nn.Conv1d], nn.Module] = spectral_norm if spectral else normed
        layers = [(_scaled(c, width), k, s, groups) for c, k, s, groups in _SCALE_LAYERS]
        channels = [1, *(layer[0] for layer in layers)]
        self.convs = nn.ModuleList(
            norm(nn.Conv1d(c_in, c_out, k, s, padding=k // 2, groups=groups))
            for c_in, (c_out, k, s, groups) in zip(channels, layers, strict=False)
        )
        self.conv_post = norm(nn.Conv1d(channels[-1], 1, 3, padding=1))

    def forward(self, waveform: Tensor) -> Judgement:
        """Judge waveforms (B, 1, S)."""
        return _judge(waveform, self.convs, self.conv_post)


def _scaled(channels: int, width: float) -> int:
    """Channels at a width, a multiple of 16: groups divide them and those of the layer before."""
    return max(16, round(channels * width / 16) * 16) if width != 1.0 else channels


def _judge(x: Tensor, convs: nn.ModuleList, post: nn.Module) -> Judgement:
    features = []
    for conv in convs:
        x = F.leaky_relu(conv(x), SLOPE)
        features.append(x)
    last = torch.as_tensor(post(x))
    return Judgement(last.flatten(1), (*features, last))
