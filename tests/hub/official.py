"""How the toy's imaginary authors released it: other names, a tensor of training time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from tests.hub.toy import ToyConfig
from zoo.hub.keymap import Converted

VERSION = 1
CONTAINER = "model"


def config_from_official(raw: Mapping[str, Any]) -> ToyConfig:
    return ToyConfig.preset("tiny", {"part.hidden_size": raw["width"]})


def to_ours(state: Mapping[str, Tensor], config: ToyConfig) -> Converted:
    kept = {key.removeprefix("net."): t for key, t in state.items() if key != "counter"}
    return Converted(state=kept, dropped={"counter": "only training reads it"})


def to_official(state: Mapping[str, Tensor], config: ToyConfig) -> dict[str, Tensor]:
    return {f"net.{key}": tensor for key, tensor in state.items()}
