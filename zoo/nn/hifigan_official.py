"""Released HiFi-GAN files: their keys <-> ours, and their json configuration, as data.

Sources: jik876/hifi-gan, facebookresearch/speech-resynthesis, fairseq's `CodeHiFiGANVocoder`; all
use the same names and old weight norm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from zoo.errors import ConversionError
from zoo.hub.keymap import Rule, WeightNorm, drop
from zoo.nn.hifigan import HiFiGANConfig
from zoo.nn.unit_hifigan import DurationConfig, UnitHiFiGANConfig

_DEFAULT_SPEAKERS: Final = 200  # the official code's, where the file does not say


def hifigan_rules(official: str = "", ours: str = "") -> list[Rule]:
    """Rules of one generator whose keys stand behind a prefix on either side."""
    paths = (
        "(conv_pre|conv_post)",
        r"(ups\.\d+)",
        r"(resblocks\.\d+\.convs[12]?\.\d+)",
    )
    return [rule for path in paths for rule in _normed(official + path, rf"{ours}\1")]


def _normed(official: str, ours: str) -> list[Rule]:
    return [Rule(official, ours, WeightNorm()), Rule(f"{official}.bias", f"{ours}.bias")]


def unit_hifigan_rules(official: str = "", ours: str = "") -> list[Rule]:
    """Rules of a unit vocoder: its trunk and what is fed to it."""
    return [
        *hifigan_rules(official, f"{ours}generator."),
        Rule(f"{official}dict.weight", f"{ours}dict.weight"),
        Rule(f"{official}spkr.(weight|bias)", rf"{ours}spkr.\1"),
        Rule(f"{official}f0_quant_embed.weight", f"{ours}f0_embedding.weight"),
        Rule(f"{official}dur_predictor.(conv[12]).0.(weight|bias)", rf"{ours}dur_predictor.\1.\2"),
        Rule(f"{official}dur_predictor.(ln[12]|proj).(weight|bias)", rf"{ours}dur_predictor.\1.\2"),
        drop(
            r"(quantizer|encoder|vq|f0_dict)\..*",
            "quantiser of F0 of some speech-resynthesis files, which no paper here uses",
        ),
    ]


def period_rules(official: str = "", ours: str = "") -> list[Rule]:
    """Rules of the multi-period discriminator (`mpd` of a `do_*` file)."""
    return _normed(
        rf"{official}discriminators.(\d+).(convs\.\d+|conv_post)", rf"{ours}discriminators.\1.\2"
    )


def scale_rules(official: str = "", ours: str = "") -> list[Rule]:
    """Rules of the multi-scale discriminator (`msd`), whose first member has spectral norm."""
    path = "(convs\\.\\d+|conv_post)"
    first, theirs = f"{official}discriminators.(0).{path}", rf"{ours}discriminators.\1.\2"
    spectral = [
        Rule(f"{first}.weight_orig", f"{theirs}.parametrizations.weight.original"),
        Rule(f"{first}.weight_u", f"{theirs}.parametrizations.weight.0._u"),
        Rule(f"{first}.weight_v", f"{theirs}.parametrizations.weight.0._v"),
        Rule(f"{first}.bias", f"{theirs}.bias"),
    ]
    return [*spectral, *_normed(rf"{official}discriminators.([1-9]\d*).{path}", theirs)]


def hifigan_config(raw: Mapping[str, Any]) -> HiFiGANConfig:
    """The trunk of a published json.

    Raises:
        ConversionError: it names no sizes.
    """
    try:
        return HiFiGANConfig(
            channels=int(raw["upsample_initial_channel"]),
            rates=tuple(map(int, raw["upsample_rates"])),
            kernels=tuple(map(int, raw["upsample_kernel_sizes"])),
            block_kernels=tuple(map(int, raw["resblock_kernel_sizes"])),
            block_dilations=tuple(tuple(map(int, d)) for d in raw["resblock_dilation_sizes"]),
            block="1" if str(raw.get("resblock", "1")) == "1" else "2",
        )
    except KeyError as error:
        raise ConversionError(f"the configuration of a HiFi-GAN lacks {error}") from error


def unit_hifigan_config(raw: Mapping[str, Any]) -> UnitHiFiGANConfig:
    """A unit vocoder from its published json; of `multispkr` only the truth counts.

    Raises:
        ConversionError: widths do not agree with `model_in_dim`.
    """
    width = int(raw.get("embedding_dim", 128))
    bins = int(raw.get("f0_quant_num_bin") or 0)
    config = UnitHiFiGANConfig(
        num_units=int(raw.get("num_embeddings", 100)),
        embedding_size=width,
        durations=_duration_config(raw.get("dur_predictor_params")),
        speaker=_speaker_kind(raw),
        num_speakers=int(raw.get("num_speakers", _DEFAULT_SPEAKERS)),
        speaker_size=int(raw.get("embedder_dim", 256)),
        f0="none" if not raw.get("f0") else "bins" if bins else "raw",
        num_f0_bins=bins or 20,
        generator=hifigan_config(raw),
    )
    stated = int(raw.get("model_in_dim", config.in_channels))
    if stated != config.in_channels:
        raise ConversionError(
            f"model_in_dim is {stated}, but units, F0 and speaker have {config.in_channels} "
            "channels together"
        )
    return config


def _speaker_kind(raw: Mapping[str, Any]) -> Any:
    if not raw.get("multispkr"):
        return "none"
    return "vector" if raw.get("embedder_params") else "id"


def _duration_config(raw: Mapping[str, Any] | None) -> DurationConfig | None:
    if not raw:
        return None
    return DurationConfig(
        hidden=int(raw.get("var_pred_hidden_dim", 128)),
        kernel=int(raw.get("var_pred_kernel_size", 3)),
        dropout=float(raw.get("var_pred_dropout", 0.5)),
    )
