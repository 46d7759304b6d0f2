"""Key map of fairseq's transformer decoder onto ours."""

from __future__ import annotations

import re

from zoo.hub.keymap import Rule, drop

_BOTH = "(weight|bias)"
_PROJECTIONS = (("q", "query"), ("k", "key"), ("v", "value"), ("out", "output"))


def fairseq_decoder_rules(official: str, ours: str) -> list[Rule]:
    """Rules of a decoder whose keys stand behind a prefix (with its last dot) on either side."""
    theirs, layer = rf"{official}layers.(\d+)", rf"{ours}layers.\1"
    attentions = [
        Rule(f"{theirs}.{old}.{part}_proj.{_BOTH}", rf"{layer}.{new}.{name}.\2")
        for old, new in (("self_attn", "self_attention"), ("encoder_attn", "cross_attention"))
        for part, name in _PROJECTIONS
    ]
    return [
        drop(
            re.escape(official) + r"embed_positions\._float_tensor", "a marker without information"
        ),
        Rule(f"{official}embed_tokens.weight", f"{ours}embedding.weight"),
        Rule(f"{official}embed_out", f"{ours}output.weight"),
        *attentions,
        Rule(f"{theirs}.self_attn_layer_norm.{_BOTH}", rf"{layer}.self_norm.\2"),
        Rule(f"{theirs}.encoder_attn_layer_norm.{_BOTH}", rf"{layer}.cross_norm.\2"),
        Rule(f"{theirs}.final_layer_norm.{_BOTH}", rf"{layer}.ffn_norm.\2"),
        Rule(f"{theirs}.fc1.{_BOTH}", rf"{layer}.ffn.up.\2"),
        Rule(f"{theirs}.fc2.{_BOTH}", rf"{layer}.ffn.down.\2"),
        Rule(f"{official}layer_norm.{_BOTH}", rf"{ours}norm.\1"),
    ]
