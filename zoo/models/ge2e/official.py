"""Resemblyzer's and Real-Time-Voice-Cloning's speaker encoder <-> ours."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from zoo.hub.keymap import Converted, KeyMap, Rule, drop
from zoo.models.ge2e.config import GE2EConfig

VERSION: Final = 1
CONTAINER: Final = "model_state"

KEY_MAP: Final = KeyMap(
    [
        drop("similarity_(weight|bias)", "scale and offset of the training loss"),
        Rule("lstm.(.+)", r"network.lstm.\1"),
        Rule("linear.(weight|bias)", r"network.projection.\1"),
    ],
    "ge2e",
)


def to_ours(state: Mapping[str, Tensor], config: GE2EConfig) -> Converted:
    """Convert an official state dict.

    Raises:
        ConversionError: a key is unknown.
    """
    return KEY_MAP.to_ours(state)


def to_official(state: Mapping[str, Tensor], config: GE2EConfig) -> dict[str, Tensor]:
    """Convert our state dict back; the two numbers of the training loss do not reappear."""
    return KEY_MAP.to_official(state)


def config_from_official(raw: Mapping[str, Any]) -> GE2EConfig:
    """Our configuration from `n_mels`, `hidden`, `layers`, `embedding`; the released sizes else."""
    default = GE2EConfig()
    return GE2EConfig(
        num_mels=int(raw.get("n_mels", default.num_mels)),
        hidden_size=int(raw.get("hidden", default.hidden_size)),
        num_layers=int(raw.get("layers", default.num_layers)),
        embedding_size=int(raw.get("embedding", default.embedding_size)),
    )


def packaged_weights() -> Path | None:
    """`pretrained.pt` of an installed `resemblyzer` package (which is not imported)."""
    found = find_spec("resemblyzer")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "pretrained.pt"
        if path.is_file():
            return path
    return None
