"""A small model with everything loading has to cope with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from zoo.hub.config import ZooConfig
from zoo.hub.module import ZooModule


@dataclass(frozen=True, kw_only=True)
class ToyPartConfig(ZooConfig):
    hidden_size: int = 8
    kernels: tuple[int, ...] = (3, 5)
    rate: float | None = None


@dataclass(frozen=True, kw_only=True)
class ToyConfig(ZooConfig):
    PRESETS: ClassVar[tuple[str, ...]] = ("tiny", "wide")
    vocabulary: int = 11
    act: Literal["relu", "gelu"] = "relu"
    part: ToyPartConfig = field(default_factory=ToyPartConfig)

    @classmethod
    def tiny(cls) -> ToyConfig:
        return cls()

    @classmethod
    def wide(cls) -> ToyConfig:
        return cls(part=ToyPartConfig(hidden_size=16))


class Ramp(nn.Module):
    """Holds a buffer that no file has."""

    ramp: Tensor

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length
        self.register_buffer("ramp", torch.arange(length), persistent=False)

    def reset_buffers(self) -> None:
        self.ramp = torch.arange(self.length)


class Toy(ZooModule):
    slug = "toy"
    Config = ToyConfig
    float32_keys = (r"^norm\.",)

    def __init__(self, config: ToyConfig) -> None:
        super().__init__(config)
        width = config.part.hidden_size
        self.embed = nn.Embedding(config.vocabulary, width)
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv1d(width, width, k, padding=k // 2)) for k in config.part.kernels
        )
        self.norm = nn.BatchNorm1d(width)
        self.ramp = Ramp(6)
        self.out = nn.Linear(width, config.vocabulary, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens + self.ramp.ramp[: tokens.shape[1]] * 0).transpose(1, 2)
        for conv in self.convs:
            x = conv(x).relu()
        return self.out(self.norm(x).transpose(1, 2))


class Forgetful(Toy):
    """Does not recompute its buffer after a build on the meta device."""

    slug = "forgetful"

    def reset_buffers(self) -> None:
        return


class OtherToy(ZooModule):
    slug = "other"
    Config = ToyPartConfig

    def __init__(self, config: ToyPartConfig) -> None:
        super().__init__(config)
        self.line = nn.Linear(config.hidden_size, config.hidden_size)


def trained_toy(preset: str = "tiny", seed: int = 0) -> Toy:
    """A toy whose batch statistics are not the initial ones."""
    torch.manual_seed(seed)
    model = Toy(ToyConfig.preset(preset))
    model.train()
    model(torch.randint(0, 11, (4, 6)))
    model.eval()
    model.side_files = {"vocab/units.txt": b"a\nb\n"}
    model.provenance = {"tag": "tiny", "training": {"seed": seed}}
    return model
