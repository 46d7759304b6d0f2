"""Key names of AV-HuBERT's and its transformer's official checkpoints (fairseq) <-> ours."""

from __future__ import annotations

from typing import Final

from zoo.hub.keymap import Rule, WeightNorm
from zoo.nn.lip_frontend_rules import lip_frontend_rules

_W: Final = "(weight|bias)"
_ATTENTION: Final = {"q_proj": "query", "k_proj": "key", "v_proj": "value", "out_proj": "output"}


def attention_rules(official: str, ours: str) -> list[Rule]:
    """Rules of one fairseq attention inside layers (the prefixes' only group is the layer)."""
    return [Rule(rf"{official}.{old}.{_W}", rf"{ours}.{new}.\2") for old, new in _ATTENTION.items()]


def speech_transformer_rules(official: str, ours: str) -> list[Rule]:
    """Rules of one `SpeechTransformer`; prefixes end before `layers`."""
    layer, mine = rf"{official}layers.(\d+).", rf"{ours}layers.\1."
    return [
        Rule(f"{official}pos_conv.0.bias", f"{ours}positions.conv.bias"),
        Rule(f"{official}pos_conv.0", f"{ours}positions.conv", WeightNorm()),
        *attention_rules(f"{layer}self_attn", f"{mine}attention"),
        Rule(f"{layer}self_attn_layer_norm.{_W}", rf"{mine}attention_norm.\2"),
        Rule(f"{layer}fc1.{_W}", rf"{mine}up.\2"),
        Rule(f"{layer}fc2.{_W}", rf"{mine}down.\2"),
        Rule(f"{layer}final_layer_norm.{_W}", rf"{mine}ffn_norm.\2"),
        Rule(f"{official}layer_norm.{_W}", rf"{ours}norm.\1"),
    ]


def avhubert_rules(official: str = "", ours: str = "") -> list[Rule]:
    """Rules of one encoder without its pretraining head.

    Args:
        official: prefix of the official keys, such as ``encoder.w2v_model.``.
        ours: prefix of an `AVHuBERT`.
    """
    return [
        *lip_frontend_rules(f"{official}feature_extractor_video.resnet.", f"{ours}lips."),
        Rule(f"{official}feature_extractor_video.proj.{_W}", rf"{ours}lips_proj.\1"),
        Rule(f"{official}feature_extractor_audio.proj.{_W}", rf"{ours}audio_proj.\1"),
        Rule(f"{official}post_extract_proj.{_W}", rf"{ours}fusion_proj.\1"),
        *speech_transformer_rules(f"{official}encoder.", f"{ours}encoder."),
        Rule(f"{official}layer_norm.{_W}", rf"{ours}norm.\1"),
    ]
