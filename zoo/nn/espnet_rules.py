"""Key maps of ESPnet's encoders, decoder and language model onto the blocks of `zoo.nn`."""

from __future__ import annotations

from zoo.hub.keymap import Reshape, Rule

_PROJECTIONS = (
    ("linear_q", "query"),
    ("linear_k", "key"),
    ("linear_v", "value"),
    ("linear_out", "output"),
)
_BOTH = "(weight|bias)"


def _attention(official: str, ours: str) -> list[Rule]:
    """Rules of one attention; both names hold one group, the number of the layer."""
    return [
        Rule(f"{official}.{theirs}.{_BOTH}", rf"{ours}.{name}.\2") for theirs, name in _PROJECTIONS
    ]


def _feed_forward(official: str, ours: str) -> list[Rule]:
    return [
        Rule(f"{official}.w_1.{_BOTH}", rf"{ours}.up.\2"),
        Rule(f"{official}.w_2.{_BOTH}", rf"{ours}.down.\2"),
    ]


def conformer_rules(official: str, ours: str, size: int) -> list[Rule]:
    """Rules of an encoder of conformer or transformer blocks.

    Args:
        official: prefix of the official keys, with its last dot.
        ours: prefix of a `ConformerEncoder` of ours, with its last dot.
        size: width of the encoder.
    """
    theirs, layer = rf"{official}encoders.(\d+)", rf"{ours}layers.\1"
    pointwise = Reshape(ours=(-1, size), official=(-1, size, 1))
    attention, conv = f"{theirs}.self_attn", f"{theirs}.conv_module"
    return [
        Rule(f"{official}embed.0.{_BOTH}", rf"{ours}embed.\1"),
        Rule(f"{official}after_norm.{_BOTH}", rf"{ours}norm.\1"),
        *_attention(attention, f"{layer}.attention"),
        Rule(f"{attention}.linear_pos.weight", f"{layer}.attention.position.weight"),
        Rule(f"{attention}.pos_bias_u", f"{layer}.attention.content_bias"),
        Rule(f"{attention}.pos_bias_v", f"{layer}.attention.position_bias"),
        *_feed_forward(f"{theirs}.feed_forward", f"{layer}.ffn"),
        *_feed_forward(f"{theirs}.feed_forward_macaron", f"{layer}.ffn_in"),
        # spelt so in the official code
        Rule(f"{conv}.pointwise_cov1.weight", f"{layer}.convolution.expand.weight", pointwise),
        Rule(f"{conv}.pointwise_cov1.bias", f"{layer}.convolution.expand.bias"),
        Rule(f"{conv}.pointwise_cov2.weight", f"{layer}.convolution.project.weight", pointwise),
        Rule(f"{conv}.pointwise_cov2.bias", f"{layer}.convolution.project.bias"),
        Rule(f"{conv}.depthwise_conv.{_BOTH}", rf"{layer}.convolution.depthwise.\2"),
        Rule(f"{conv}.norm.(.+)", rf"{layer}.convolution.norm.\2"),
        Rule(f"{theirs}.norm_ff_macaron.{_BOTH}", rf"{layer}.ffn_in_norm.\2"),
        Rule(f"{theirs}.norm_ff.{_BOTH}", rf"{layer}.ffn_norm.\2"),
        Rule(f"{theirs}.norm_mha.{_BOTH}", rf"{layer}.attention_norm.\2"),
        Rule(f"{theirs}.norm_conv.{_BOTH}", rf"{layer}.convolution_norm.\2"),
        Rule(f"{theirs}.norm_final.{_BOTH}", rf"{layer}.final_norm.\2"),
    ]


def decoder_rules(official: str, ours: str) -> list[Rule]:
    """Rules of a transformer decoder; prefixes with their last dots."""
    theirs, layer = rf"{official}decoders.(\d+)", rf"{ours}layers.\1"
    return [
        Rule(f"{official}embed.0.weight", f"{ours}embedding.weight"),
        Rule(f"{official}after_norm.{_BOTH}", rf"{ours}norm.\1"),
        Rule(f"{official}output_layer.{_BOTH}", rf"{ours}output.\1"),
        *_attention(f"{theirs}.self_attn", f"{layer}.self_attention"),
        *_attention(f"{theirs}.src_attn", f"{layer}.cross_attention"),
        *_feed_forward(f"{theirs}.feed_forward", f"{layer}.ffn"),
        Rule(f"{theirs}.norm1.{_BOTH}", rf"{layer}.self_norm.\2"),
        Rule(f"{theirs}.norm2.{_BOTH}", rf"{layer}.cross_norm.\2"),
        Rule(f"{theirs}.norm3.{_BOTH}", rf"{layer}.ffn_norm.\2"),
    ]


def language_model_rules(official: str, ours: str) -> list[Rule]:
    """Rules of a transformer language model; prefixes with their last dots (or empty).

    Older files name the norms norm1, norm2 and norm, and are read as well (but not written).
    """
    theirs, layer = rf"{official}encoder.encoders.(\d+)", rf"{ours}layers.\1"
    return [
        Rule(f"{official}embed.weight", f"{ours}embedding.weight"),
        Rule(f"{official}encoder.embed.0.{_BOTH}", rf"{ours}input.\1"),
        Rule(f"{official}encoder.embed.1.{_BOTH}", rf"{ours}input_norm.\1"),
        *_attention(f"{theirs}.self_attn", f"{layer}.self_attention"),
        *_feed_forward(f"{theirs}.feed_forward", f"{layer}.ffn"),
        Rule(f"{theirs}.norm_mha.{_BOTH}", rf"{layer}.self_norm.\2"),
        Rule(f"{theirs}.norm_ff.{_BOTH}", rf"{layer}.ffn_norm.\2"),
        Rule(f"{official}encoder.after_norm.{_BOTH}", rf"{ours}norm.\1"),
        Rule(f"{official}decoder.{_BOTH}", rf"{ours}output.\1"),
        Rule(f"{theirs}.norm1.{_BOTH}", rf"{layer}.self_norm.\2"),
        Rule(f"{theirs}.norm2.{_BOTH}", rf"{layer}.ffn_norm.\2"),
        Rule(f"{official}encoder.norm.{_BOTH}", rf"{ours}norm.\1"),
    ]
