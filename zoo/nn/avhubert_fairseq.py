"""fairseq's settings of an AV-HuBERT encoder, as ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.errors import ConversionError
from zoo.nn.avhubert_config import AVHuBERTConfig
from zoo.nn.avhubert_pretraining import PretrainingConfig

_WIDTH = 64  # of the stem of every released model


def encoder_config(model: Mapping[str, Any]) -> AVHuBERTConfig:
    """The encoder that `cfg.model` of a pretrained file describes; other keys are ignored.

    Raises:
        ConversionError: an option asks for a network that no released model has.
    """
    for key, known in (("resnet_relu_type", "prelu"), ("activation_fn", "gelu")):
        if model.get(key, known) != known:
            raise ConversionError(f"avhubert: {key} is {model[key]!r}; released models: {known!r}")
    fusion = model.get("modality_fuse", "concat")
    if fusion not in ("concat", "add"):
        raise ConversionError(f"avhubert: modality_fuse is {fusion!r}; expected concat or add")
    width = int(model.get("resnet_width") or _WIDTH)
    base = AVHuBERTConfig()

    def value(key: str, default: Any) -> Any:
        found = model.get(key)
        return default if found is None else type(default)(found)

    return AVHuBERTConfig(
        stem_widths=tuple(model.get("resnet_channels") or (width * 2**k for k in range(4))),
        audio_size=value("audio_feat_dim", base.audio_size),
        hidden_size=value("encoder_embed_dim", base.hidden_size),
        num_layers=value("encoder_layers", base.num_layers),
        num_heads=value("encoder_attention_heads", base.num_heads),
        ffn_size=value("encoder_ffn_embed_dim", base.ffn_size),
        position_kernel=value("conv_pos", base.position_kernel),
        position_groups=value("conv_pos_groups", base.position_groups),
        pre_norm=value("layer_norm_first", False),
        fusion=fusion,
        dropout=value("dropout", base.dropout),
        attention_dropout=value("attention_dropout", base.attention_dropout),
        activation_dropout=value("activation_dropout", base.activation_dropout),
        input_dropout=value("dropout_input", base.input_dropout),
        layer_drop=value("encoder_layerdrop", base.layer_drop),
        feature_grad_scale=value("feature_grad_mult", base.feature_grad_scale),
        modality_dropout=value("modality_dropout", base.modality_dropout),
        audio_dropout=value("audio_dropout", base.audio_dropout),
    )


def pretraining_config(model: Mapping[str, Any], classes: Sequence[int]) -> PretrainingConfig:
    """The task of `cfg.model`, for so many rows of the table of clusters.

    Raises:
        ConversionError: frames and clusters are compared in a way that no released model uses.
    """
    if model.get("sim_type", "cosine") != "cosine":
        raise ConversionError(f"avhubert: sim_type is {model['sim_type']!r}; expected cosine")
    if len(classes) > 1 and not model.get("untie_final_proj", True):
        raise ConversionError("avhubert: several targets with one projection (untie_final_proj)")
    return PretrainingConfig(
        num_clusters=tuple(int(count) for count in classes),
        num_specials=0 if "num_classes" in model else 4,
        embedding_size=int(model.get("final_dim") or 256),
        temperature=float(model.get("logit_temp", 0.1)),
        masking="input" if model.get("masking_type", "input") == "input" else "feature",
        audio_mask_share=float(model.get("mask_prob_audio", 0.8)),
        audio_mask_span=int(model.get("mask_length_audio", 10)),
        video_mask_share=float(model.get("mask_prob_image", 0.3)),
        video_mask_span=int(model.get("mask_length_image", 5)),
    )
