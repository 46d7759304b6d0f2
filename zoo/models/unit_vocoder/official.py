"""Released unit vocoders (`g_*` files and fairseq's `model.pt`) <-> ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from zoo.hub.keymap import Converted, KeyMap
from zoo.models.unit_vocoder.config import UnitVocoderConfig
from zoo.nn.hifigan_official import unit_hifigan_config, unit_hifigan_rules

VERSION: Final = 1
CONTAINER: Final = "generator"

KEY_MAP: Final = KeyMap(unit_hifigan_rules(ours="network."), "unit_vocoder")


def to_ours(state: Mapping[str, Tensor], config: UnitVocoderConfig) -> Converted:
    """Convert an official state dict.

    Raises:
        ConversionError: a key is unknown.
    """
    return KEY_MAP.to_ours(state)


def to_official(state: Mapping[str, Tensor], config: UnitVocoderConfig) -> dict[str, Tensor]:
    """Convert our state dict back."""
    return KEY_MAP.to_official(state)


def config_from_official(raw: Mapping[str, Any]) -> UnitVocoderConfig:
    """Our configuration from the json beside a released file.

    Raises:
        ConversionError: it is not that of a unit vocoder.
    """
    default = UnitVocoderConfig()
    return UnitVocoderConfig(
        network=unit_hifigan_config(raw),
        duration_weight=float(raw.get("dur_prediction_weight", default.duration_weight)),
    )
