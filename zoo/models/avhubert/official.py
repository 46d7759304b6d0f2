"""Released AV-HuBERT checkpoints (fairseq, github facebookresearch/av_hubert) <-> ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from zoo.errors import ConversionError
from zoo.hub.keymap import Converted, KeyMap, Rule, drop
from zoo.hub.raw import RawCheckpoint
from zoo.models.avhubert.config import AVHuBERTModelConfig, IterationConfig, Streams
from zoo.nn.avhubert_fairseq import encoder_config, pretraining_config
from zoo.nn.avhubert_rules import avhubert_rules
from zoo.nn.fairseq_decoder import decoder_config, subword_files
from zoo.nn.fairseq_rules import fairseq_decoder_rules

VERSION: Final = 1
CONTAINER: Final = "model"

_PRETRAINING: Final = "used only by masked prediction"
_ENCODER: Final = "encoder.w2v_model."


def key_map(config: AVHuBERTModelConfig) -> KeyMap:
    """Rules for a pretrained encoder, or for a recogniser."""
    if config.decoder is None:
        return KeyMap([*_head_rules(), *avhubert_rules("", "network.encoder.")], "avhubert")
    return KeyMap(
        [
            drop(r"encoder\.w2v_model\.(mask_emb|label_embs_concat|final_proj\..*)", _PRETRAINING),
            *avhubert_rules(_ENCODER, "network.encoder."),
            *fairseq_decoder_rules("decoder.", "network.decoder."),
        ],
        "avhubert",
    )


def _head_rules() -> list[Rule]:
    return [
        Rule("mask_emb", "network.heads.iteration5.mask_embedding"),
        Rule("label_embs_concat", "network.heads.iteration5.cluster_embedding"),
        Rule("final_proj.(weight|bias)", r"network.heads.iteration5.proj.\1"),
    ]


def to_ours(state: Mapping[str, Tensor], config: AVHuBERTModelConfig) -> Converted:
    """Convert an official state dict.

    Raises:
        ConversionError: a key is unknown.
    """
    return key_map(config).to_ours(state)


def to_official(state: Mapping[str, Tensor], config: AVHuBERTModelConfig) -> dict[str, Tensor]:
    """Convert our state dict back.

    Raises:
        ConversionError: the model has parts that no official one has.
    """
    return key_map(config).to_official(state)


def config_from_official(raw: Mapping[str, Any]) -> AVHuBERTModelConfig:
    """Our configuration from the `cfg` of a file; keys that shape nothing are ignored.

    Args:
        raw: `cfg`, with `model` and, in a fine-tuned file, `model.w2v_args`.

    Raises:
        ConversionError: an option asks for a network that no released model has.
    """
    model = raw.get("model", raw)
    if "decoder_layers" not in model:
        classes = tuple(raw.get("num_classes") or model.get("num_classes") or (2000,))
        head = IterationConfig(task=pretraining_config(model, classes))
        return AVHuBERTModelConfig(encoder=encoder_config(model), iteration5=head)
    inner = model.get("w2v_args") or {}
    inner = inner.get("model", inner)
    if not inner:
        raise ConversionError("avhubert: the fine-tuned file lacks model.w2v_args, its encoder")
    return AVHuBERTModelConfig(
        encoder=encoder_config(inner),
        decoder=decoder_config(model),
        streams=_streams(raw.get("task") or {}),
    )


def _streams(task: Mapping[str, Any]) -> Streams:
    names = set(task.get("modalities") or ("video", "audio"))
    return "both" if len(names) > 1 else "video" if "video" in names else "audio"


def side_files(raw: RawCheckpoint) -> dict[str, bytes]:
    """The sub-word model and the dictionary of the texts, which lie inside the file."""
    return subword_files(raw)
