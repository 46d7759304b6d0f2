from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from zoo.hub.config import ZooConfig
from zoo.hub.module import ZooModule


@dataclass(frozen=True, kw_only=True)
class ConvertedConfig(ZooConfig):
    PRESETS: ClassVar[tuple[str, ...]] = ("tiny_one", "wide")
    width: int = 4
    hidden: int = 6
    kernel: int = 3
    channels: int = 2

    @classmethod
    def tiny_one(cls) -> ConvertedConfig:
        return cls()

    @classmethod
    def wide(cls) -> ConvertedConfig:
        return cls(width=9)


class ConvertedModel(ZooModule):
    slug = "converted"
    Config = ConvertedConfig

    def __init__(self, config: ConvertedConfig) -> None:
        super().__init__(config)
        self.up = nn.Linear(config.width, config.hidden)
        conv = nn.Conv1d(config.channels, config.channels, config.kernel, bias=False)
        self.conv = weight_norm(conv, dim=2)
