"""fairseq's HuBERT checkpoints: their keys <-> ours, and their configuration, as data.

Ours are the names of `transformers.HubertModel`, so its published ports load as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from zoo.errors import ConversionError
from zoo.hub.keymap import Rule, WeightNorm, drop
from zoo.nn.hubert_config import HuBERTConfig

_PRETRAINING: Final = "used only by HuBERT's masked prediction"


def hubert_rules(official: str = "", ours: str = "", *, conv_norm: str) -> list[Rule]:
    """Rules of one HuBERT whose keys stand behind a prefix on either side.

    Args:
        official: prefix of the fairseq keys, such as ``audio_encoder.encoder.``.
        ours: prefix of our keys.
        conv_norm: "group" or "layer", which wraps the norms of the convolutions differently.
    """
    lead = re.escape(official)
    names = [
        (r"feature_extractor.conv_layers.(\d+).0.(weight|bias)", r"\1.conv.\2"),
        _conv_norm_rule(conv_norm),
    ]
    convs = [
        Rule(official + old, f"{ours}feature_extractor.conv_layers.{new}") for old, new in names
    ]
    return [
        drop(lead + "mask_emb", _PRETRAINING),
        drop(lead + "label_embs_concat", _PRETRAINING),
        drop(lead + r"final_proj\..*", _PRETRAINING),
        drop(lead + r"target_glu\..*", _PRETRAINING),
        *convs,
        Rule(official + "layer_norm.(weight|bias)", ours + r"feature_projection.layer_norm.\1"),
        Rule(
            official + "post_extract_proj.(weight|bias)", ours + r"feature_projection.projection.\1"
        ),
        Rule(official + "encoder.pos_conv.0.bias", ours + "encoder.pos_conv_embed.conv.bias"),
        Rule(official + "encoder.pos_conv.0", ours + "encoder.pos_conv_embed.conv", WeightNorm()),
        *_layer_rules(official, ours),
        Rule(official + "encoder.layer_norm.(weight|bias)", ours + r"encoder.layer_norm.\1"),
    ]


def _conv_norm_rule(conv_norm: str) -> tuple[str, str]:
    if conv_norm == "group":
        return r"feature_extractor.conv_layers.(0).2.(weight|bias)", r"\1.layer_norm.\2"
    return r"feature_extractor.conv_layers.(\d+).2.1.(weight|bias)", r"\1.layer_norm.\2"


def _layer_rules(official: str, ours: str) -> list[Rule]:
    names = [
        (r"self_attn.([qkv]_proj|out_proj)", r"attention.\2"),
        ("self_attn_layer_norm", "layer_norm"),
        ("fc1", "feed_forward.intermediate_dense"),
        ("fc2", "feed_forward.output_dense"),
        ("final_layer_norm", "final_layer_norm"),
    ]
    rules = []
    for old, new in names:
        last = 3 if "(" in old else 2
        rules.append(
            Rule(
                rf"{official}encoder.layers.(\d+).{old}.(weight|bias)",
                rf"{ours}encoder.layers.\1.{new}.\{last}",
            )
        )
    return rules


def config_from_fairseq(model: Mapping[str, Any], *, normalize: bool = False) -> HuBERTConfig:
    """Our configuration from fairseq's `cfg.model`; keys it does not need are ignored.

    Args:
        model: plain mapping of fairseq's HubertConfig.
        normalize: `cfg.task.normalize`.

    Raises:
        ConversionError: an option asks for a network that is not built here.
    """
    convs = parse_conv_layers(str(model.get("conv_feature_layers", _DEFAULT_CONVS)))
    mode = model.get("extractor_mode", "default")
    if mode not in ("default", "layer_norm"):
        raise ConversionError(f"extractor_mode {mode!r}: expected 'default' or 'layer_norm'")
    return HuBERTConfig(
        conv_channels=tuple(dim for dim, _, _ in convs),
        conv_kernels=tuple(kernel for _, kernel, _ in convs),
        conv_strides=tuple(stride for _, _, stride in convs),
        conv_bias=bool(model.get("conv_bias", False)),
        conv_norm="group" if mode == "default" else "layer",
        hidden_size=int(model.get("encoder_embed_dim", 768)),
        num_layers=int(model.get("encoder_layers", 12)),
        num_heads=int(model.get("encoder_attention_heads", 12)),
        ffn_size=int(model.get("encoder_ffn_embed_dim", 3072)),
        position_kernel=int(model.get("conv_pos", 128)),
        position_groups=int(model.get("conv_pos_groups", 16)),
        pre_norm=bool(model.get("layer_norm_first", False)),
        normalize_waveform=normalize,
        dropout=float(model.get("dropout", 0.1)),
        attention_dropout=float(model.get("attention_dropout", 0.1)),
    )


_DEFAULT_CONVS: Final = "[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2"
_CONV: Final = re.compile(r"\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,?\s*\)")


def parse_conv_layers(text: str) -> list[tuple[int, int, int]]:
    """Read fairseq's `conv_feature_layers`, such as ``[(512,10,5)] + [(512,3,2)] * 4``.

    fairseq evaluates the text as Python; here only sums of (repeated) lists of triples are read.

    Raises:
        ConversionError: the text is anything else.
    """
    layers: list[tuple[int, int, int]] = []
    for term in text.split("+"):
        found = re.fullmatch(r"\s*\[(.*)\]\s*(?:\*\s*(\d+)\s*)?", term)
        triples = _CONV.findall(found[1]) if found else []
        if found is None or not triples or _CONV.sub("", found[1]).strip(" ,"):
            raise ConversionError(f"conv_feature_layers {text!r} is not a sum of lists of triples")
        layers += [(int(a), int(b), int(c)) for a, b, c in triples] * int(found[2] or 1)
    return layers
