"""A model small enough for protocol tests that has every kind of state a real one has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

import zoo.models
from zoo.hub.config import ZooConfig
from zoo.hub.module import ZooModule

zoo.models.MODEL_CLASSES["small"] = (__name__, "Small")


@dataclass(frozen=True, kw_only=True)
class InnerConfig(ZooConfig):
    width: int = 16
    kernels: tuple[int, ...] = (3, 5)


@dataclass(frozen=True, kw_only=True)
class SmallConfig(ZooConfig):
    PRESETS: ClassVar[tuple[str, ...]] = ("tiny",)
    vocabulary: int = 40
    inner: InnerConfig = field(default_factory=InnerConfig)

    @classmethod
    def tiny(cls) -> SmallConfig:
        return cls()


class Small(ZooModule):
    """Embedding tied to the output, weight norm, batch statistics, a buffer that is recomputed."""

    slug = "small"
    Config = SmallConfig
    float32_keys = ("^norm[.]running_",)

    def __init__(self, config: SmallConfig) -> None:
        super().__init__(config)
        width = config.inner.width
        self.embed = nn.Embedding(config.vocabulary, width)
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv1d(width, width, k, padding=k // 2)) for k in config.inner.kernels
        )
        self.norm = nn.BatchNorm1d(width)
        self.out = nn.Linear(width, config.vocabulary, bias=False)
        self.out.weight = self.embed.weight
        self.register_buffer("ramp", torch.empty(width), persistent=False)
        self.reset_buffers()

    def reset_buffers(self) -> None:
        super().reset_buffers()
        self.ramp = torch.linspace(0, 1, self.config.inner.width)

    def forward(self, tokens: Tensor) -> Tensor:
        x = (self.embed(tokens) + self.ramp).transpose(1, 2)
        for conv in self.convs:
            x = conv(x)
        return self.out(self.norm(x).transpose(1, 2))


def build(seed: int = 0, **config: Any) -> Small:
    """A trained-looking model: random weights and running statistics that are not the initial."""
    torch.manual_seed(seed)
    model = Small(SmallConfig(**config))
    model.norm.running_mean.normal_()
    model.norm.running_var.uniform_(0.5, 2.0)
    model.side_files = {"units.json": b'{"a": 1}'}
    model.provenance = {"tag": "tiny", "training": {"corpus": "none", "seed": seed}}
    return model.eval()


def same_state(first: nn.Module, second: nn.Module) -> bool:
    """Whether every tensor, buffers that no file holds included, is bitwise equal."""
    left = dict(first.named_parameters()) | dict(first.named_buffers())
    right = dict(second.named_parameters()) | dict(second.named_buffers())
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype and torch.equal(left[name], right[name])
        for name in left
    )
