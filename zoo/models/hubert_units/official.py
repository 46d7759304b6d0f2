"""Released HuBERTs (fairseq) and codebooks (joblib, sklearn's MiniBatchKMeans) <-> ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from zoo.errors import ConversionError
from zoo.hub.keymap import Converted, KeyMap
from zoo.models.hubert_units.config import HubertUnitsConfig
from zoo.nn.hubert_fairseq import config_from_fairseq, hubert_rules

VERSION: Final = 1
CONTAINER: Final = "model"

_CENTERS: Final = "kmeans.centers"
_OFFICIAL_CENTERS: Final = "cluster_centers_"


def key_map(config: HubertUnitsConfig) -> KeyMap:
    """Rules of the encoder.

    Raises:
        ConversionError: the configuration has none.
    """
    if config.hubert is None:
        raise ConversionError("hubert_units: this configuration is a codebook, not an encoder")
    rules = hubert_rules(ours="hubert.", conv_norm=config.hubert.conv_norm)
    return KeyMap(rules, "hubert_units")


def to_ours(state: Mapping[str, Tensor], config: HubertUnitsConfig) -> Converted:
    """Convert an official state dict, or the arrays of a fitted k-means.

    Raises:
        ConversionError: a key is unknown, or there is no table of centres.
    """
    if config.hubert is not None:
        return key_map(config).to_ours(state)
    tables = [key for key in state if key.rpartition(".")[2] == _OFFICIAL_CENTERS]
    if len(tables) != 1:
        raise ConversionError(f"hubert_units: no {_OFFICIAL_CENTERS} among {', '.join(state)}")
    dropped = {key: "state of the fitting" for key in state if key != tables[0]}
    return Converted({_CENTERS: state[tables[0]].float()}, dropped)


def to_official(state: Mapping[str, Tensor], config: HubertUnitsConfig) -> dict[str, Tensor]:
    """Convert our state dict back: the encoder if there is one, and the centres if there are.

    Raises:
        ConversionError: the codebook is one of whitened features, which no official one is.
    """
    if config.whitened is not None:
        raise ConversionError(
            "hubert_units: official codebooks take features as they are, this one whitens them"
        )
    centers = {_OFFICIAL_CENTERS: state[_CENTERS]} if _CENTERS in state else {}
    if config.hubert is None:
        return centers
    encoder = {key: tensor for key, tensor in state.items() if key != _CENTERS}
    return key_map(config).to_official(encoder) | centers


def config_from_official(raw: Mapping[str, Any]) -> HubertUnitsConfig:
    """Our configuration from fairseq's settings (`cfg`, or its `model` alone).

    Raises:
        ConversionError: an option asks for a network that is not built here.
    """
    normalize = bool((raw.get("task") or {}).get("normalize", raw.get("normalize", False)))
    hubert = config_from_fairseq(raw.get("model", raw), normalize=normalize)
    return HubertUnitsConfig(hubert=hubert, target_layer=min(6, hubert.num_layers))
