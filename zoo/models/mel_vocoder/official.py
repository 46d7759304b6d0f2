"""Released mel HiFi-GANs (`g_*` files of jik876/hifi-gan and its relatives) <-> ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from zoo.audio.mel import CONFIGS
from zoo.errors import ConversionError
from zoo.hub.keymap import Converted, KeyMap
from zoo.models.mel_vocoder.config import MelVocoderConfig
from zoo.nn.hifigan_official import hifigan_config, hifigan_rules

VERSION: Final = 1
CONTAINER: Final = "generator"

KEY_MAP: Final = KeyMap(hifigan_rules(ours="network."), "mel_vocoder")


def to_ours(state: Mapping[str, Tensor], config: MelVocoderConfig) -> Converted:
    """Convert an official state dict.

    Raises:
        ConversionError: a key is unknown.
    """
    return KEY_MAP.to_ours(state)


def to_official(state: Mapping[str, Tensor], config: MelVocoderConfig) -> dict[str, Tensor]:
    """Convert our state dict back.

    Raises:
        ConversionError: the generator is not a HiFi-GAN.
    """
    if config.kind != "hifigan":
        raise ConversionError(f"mel_vocoder: a generator of kind {config.kind} is ours alone")
    return KEY_MAP.to_official(state)


def config_from_official(raw: Mapping[str, Any]) -> MelVocoderConfig:
    """Our configuration from the published json; the mel front-end is found by rate and hop.

    Raises:
        ConversionError: no front-end fits.
    """
    generator = hifigan_config(raw)
    rate = int(raw.get("sampling_rate", 22_050 if generator.hop == 256 else 16_000))
    fitting = [
        name
        for name, mel in CONFIGS.items()
        if mel.sample_rate == rate
        and mel.hop_length == generator.hop
        and mel.num_mels == int(raw.get("num_mels", raw.get("model_in_dim", 80)))
        and mel.log_floor is not None
    ]
    if not fitting:
        raise ConversionError(f"no mel front-end has {rate} Hz and {generator.hop} samples a frame")
    return MelVocoderConfig(front_end=fitting[0], hifigan=generator)
