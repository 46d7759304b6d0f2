"""fairseq's settings of a text decoder as ours, and the vocabulary inside its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.errors import ConversionError
from zoo.hub.raw import RawCheckpoint
from zoo.nn.decoding.decoder import DecoderConfig
from zoo.text.subwords import DICTIONARY_FILE, MODEL_FILE


def decoder_config(model: Mapping[str, Any], *, vocab_size: int = 1000) -> DecoderConfig:
    """The decoder that `cfg.model` of a fine-tuned file describes.

    Args:
        model: its settings; keys that shape nothing are ignored.
        vocab_size: tokens, where the settings do not say it.

    Raises:
        ConversionError: an option asks for a decoder that no released model has.
    """
    if model.get("decoder_learned_pos"):
        raise ConversionError("decoder_learned_pos: released decoders have sinusoidal positions")
    size = int(model.get("decoder_embed_dim") or 768)
    return DecoderConfig.fairseq().replace(
        vocab_size=int(model.get("vocab") or vocab_size),
        size=size,
        num_layers=int(model.get("decoder_layers") or 6),
        num_heads=int(model.get("decoder_attention_heads") or 4),
        ffn_size=int(model.get("decoder_ffn_embed_dim") or 3072),
        dropout=float(model.get("decoder_dropout", 0.1)),
        attention_dropout=float(model.get("decoder_attention_dropout", 0.0)),
        activation_dropout=float(model.get("decoder_activation_dropout", 0.0)),
        pre_norm=bool(model.get("decoder_normalize_before", True)),
        scale_embedding=not model.get("no_scale_embedding", True),
        shared_output=bool(model.get("share_decoder_input_output_embed", True)),
        output_bias=False,
    )


def subword_files(raw: RawCheckpoint) -> dict[str, bytes]:
    """The sub-word model and the dictionary of the texts inside a fine-tuned file."""
    named = {
        MODEL_FILE: [name for name in raw.side_files if name.endswith(".model")],
        DICTIONARY_FILE: [name for name in raw.side_files if "target_dictionary" in name],
    }
    return {new: raw.side_files[old[0]] for new, old in named.items() if old}
