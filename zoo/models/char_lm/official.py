"""ESPnet's `TransformerLM` checkpoints (`model.pth` with `model.json`) <-> ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from zoo.errors import ConversionError
from zoo.hub.keymap import Converted, KeyMap
from zoo.models.char_lm.module import CharLMConfig
from zoo.nn.decoding.language_model import LanguageModelConfig
from zoo.nn.espnet_rules import language_model_rules

VERSION: Final = 1

KEY_MAP: Final = KeyMap(language_model_rules("", "network."), "char_lm")
_SIZES: Final = {
    "layer": "num_layers",
    "unit": "ffn_size",
    "att_unit": "size",
    "embed_unit": "embedding_size",
    "head": "num_heads",
    "n_vocab": "vocab_size",
    "dropout_rate": "dropout",
}


def to_ours(state: Mapping[str, Tensor], config: CharLMConfig) -> Converted:
    """Convert an official state dict, also one with the older names of the norms.

    Raises:
        ConversionError: a key is unknown.
    """
    return KEY_MAP.to_ours(state)


def to_official(state: Mapping[str, Tensor], config: CharLMConfig) -> dict[str, Tensor]:
    """Convert our state dict back."""
    return KEY_MAP.to_official(state)


def config_from_official(raw: Mapping[str, Any]) -> CharLMConfig:
    """Sizes from `model.json`, the arguments of the training script.

    Raises:
        ConversionError: it is a language model of another kind.
    """
    for option, expected in (("tie_weights", False), ("pos_enc", "sinusoidal")):
        if raw.get(option, expected) != expected:
            raise ConversionError(f"char_lm: {option} is {raw[option]!r}; expected {expected!r}")
    found = {ours: raw[name] for name, ours in _SIZES.items() if name in raw}
    return CharLMConfig(network=LanguageModelConfig().replace(**found))
