from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from tests.hub.converted.module import ConvertedConfig
from zoo.hub.keymap import Alias, Converted, KeyMap, Rule, WeightNorm, drop

VERSION = 3
CONTAINER = "model"
MAP = KeyMap(
    [
        drop("encoder.version", "a constant of the training code"),
        Rule("copy.fc1.(weight|bias)", r"encoder.layers.0.fc1.\1", Alias()),
        Rule("encoder.layers.0.fc1.(weight|bias)", r"up.\1"),
        Rule("decoder.pos_conv", "conv", WeightNorm()),
    ],
    "converted",
)


def config_from_official(raw: Mapping[str, Any]) -> ConvertedConfig:
    model = raw["model"]
    return ConvertedConfig(width=model["width"], hidden=model["hidden"])


def to_ours(state: Mapping[str, Tensor], config: ConvertedConfig) -> Converted:
    return MAP.to_ours(state)


def to_official(state: Mapping[str, Tensor], config: ConvertedConfig) -> dict[str, Tensor]:
    official = MAP.to_official(state)
    return {key: tensor for key, tensor in official.items() if not key.startswith("copy.")}
