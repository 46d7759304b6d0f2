"""Released LMDecoder and LMD-VSR checkpoints (fairseq, github JeongHun0716/lmd-vsr) <-> ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from zoo.errors import ConversionError
from zoo.hub.keymap import Converted, KeyMap, Rule, Split, drop
from zoo.hub.raw import RawCheckpoint
from zoo.models.lmdecoder.config import (
    LANGUAGES,
    LMDecoderConfig,
    UnitEncoderConfig,
    VisualConfig,
)
from zoo.nn.avhubert_fairseq import encoder_config
from zoo.nn.avhubert_rules import avhubert_rules, speech_transformer_rules
from zoo.nn.fairseq_decoder import decoder_config, subword_files
from zoo.nn.fairseq_rules import fairseq_decoder_rules
from zoo.nn.recognition_search import SearchConfig

VERSION: Final = 1
CONTAINER: Final = "model"

_PRETRAINING: Final = "used only by masked prediction"
_BRIDGE: Final = "network.lips.bridge."
_QKV: Final = ("query", "key", "value")


def key_map(config: LMDecoderConfig) -> KeyMap:
    """Rules for a unit-to-text model, or for a lip reader."""
    shared = [
        Rule("embedding.weight", "network.embedding.weight"),
        *fairseq_decoder_rules("decoder.", "network.decoder."),
    ]
    if config.visual is None:
        units = speech_transformer_rules("encoder.w2v_model.", "network.unit_encoder.")
        return KeyMap([*shared, *units], "lmdecoder")
    units = speech_transformer_rules("audio_encoder.w2v_model.", "network.unit_encoder.")
    return KeyMap([*shared, *units, *_lip_rules()], "lmdecoder")


def _lip_rules() -> list[Rule]:
    packed = [
        Rule(
            f"mha0.in_proj_{kind}",
            tuple(f"{_BRIDGE}attention.{part}.{kind}" for part in _QKV),
            Split(),
        )
        for kind in ("weight", "bias")
    ]
    return [
        *packed,
        Rule("mha0.out_proj.(weight|bias)", rf"{_BRIDGE}attention.output.\1"),
        Rule("layer_norm0.(weight|bias)", rf"{_BRIDGE}norm.\1"),
        Rule("layer_norm1.(weight|bias)", r"network.lips.residual_norm.\1"),
        Rule("ctc_proj.(weight|bias)", r"network.lips.ctc.\1"),
        drop(r"encoder\.w2v_model\.(mask_emb|label_embs_concat|final_proj\..*)", _PRETRAINING),
        *avhubert_rules("encoder.w2v_model.", "network.lips.encoder."),
    ]


def to_ours(state: Mapping[str, Tensor], config: LMDecoderConfig) -> Converted:
    """Convert an official state dict.

    Raises:
        ConversionError: a key is unknown.
    """
    return key_map(config).to_ours(state)


def to_official(state: Mapping[str, Tensor], config: LMDecoderConfig) -> dict[str, Tensor]:
    """Convert our state dict back."""
    return key_map(config).to_official(state)


def config_from_official(raw: Mapping[str, Any]) -> LMDecoderConfig:
    """Our configuration from the `cfg` of a file; keys that shape nothing are ignored.

    The sizes of the unit encoder and the heads of the read are constants of the official classes,
    which `model._name` tells apart.

    Raises:
        ConversionError: `model._name` is not one of the released classes.
    """
    model = raw.get("model", raw)
    name = str(model.get("_name", ""))
    language = next((code for code in LANGUAGES if name.endswith(f"_{code}")), None)
    decoder = decoder_config(model)
    if name.startswith("lmdecoder"):
        units = _units(decoder.size, 16 if decoder.size == 1024 else 12)
        return LMDecoderConfig(language=language or "es", unit_encoder=units, decoder=decoder)
    if not name.startswith("lmd_vsr"):
        raise ConversionError(f"model._name is {name!r}; expected lmdecoder or lmd_vsr_<language>")
    inner = model.get("w2v_args") or {}
    visual = VisualConfig(
        encoder=encoder_config(inner.get("model", inner)),
        memory_heads=8 if language == "fr" else 1,
        residual_norm=language == "es",
        inference_residual=language == "es",
    )
    return LMDecoderConfig(
        language=language or "it",
        # parity: the English lip reader runs its unit encoder with half of the heads
        unit_encoder=_units(decoder.size, 8 if decoder.size == 1024 else 12),
        decoder=decoder,
        visual=visual,
        search=SearchConfig(beam=50 if language == "fr" else 40, length_penalty=0.0),
    )


def _units(size: int, heads: int) -> UnitEncoderConfig:
    return UnitEncoderConfig(hidden_size=size, num_heads=heads, ffn_size=4 * size)


def side_files(raw: RawCheckpoint) -> dict[str, bytes]:
    """The sub-word model and the dictionary of the language, which lie inside the file."""
    return subword_files(raw)
