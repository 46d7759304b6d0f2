"""When the words of a text were said, as far as an attention decoder shows it.

Such a decoder has no alignment of its own; where its attention to the encoder lies, averaged over
layers and heads, is a good guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from zoo.nn.attention import MultiHeadAttention
from zoo.nn.decoding.decoder import DecoderLayer, TransformerDecoder


@torch.inference_mode()
def token_frames(decoder: TransformerDecoder, tokens: Tensor, memory: Tensor) -> Tensor:
    """The frame each token was written from, (L,) float, never falling.

    Args:
        decoder: the decoder that wrote it.
        tokens: (L,) int64, the text without start and end.
        memory: (T, D) encoder states of the clip, without padding.
    """
    weights = _attention(decoder, tokens, memory)  # (L, T)
    frames = torch.arange(weights.shape[1], device=weights.device, dtype=weights.dtype)
    peaks = weights / weights.sum(0, keepdim=True).clamp_min(1e-6)  # what no other token looks at
    share = (weights * peaks).clamp_min(1e-9)
    return ((share * frames).sum(1) / share.sum(1)).cummax(0).values


def _attention(decoder: TransformerDecoder, tokens: Tensor, memory: Tensor) -> Tensor:
    """Mean attention (L, T) of the places at which the tokens were written."""
    start = tokens.new_tensor([2])
    given = torch.cat([start, tokens[:-1]]).unsqueeze(0)
    places = torch.arange(given.shape[1], device=given.device)
    x = decoder._embed(given, places)
    seen = []
    for layer in cast(Sequence[DecoderLayer], decoder.layers):
        x, weights = _layer(layer, x, memory.unsqueeze(0))
        seen.append(weights)
    return torch.stack(seen).mean(0)


def _layer(layer: DecoderLayer, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """A layer's output, and the mean attention (L, T) of its heads to the encoder."""
    attention = cast(MultiHeadAttention, layer.cross_attention)
    source = layer._before(x, layer.self_norm)
    own = layer.self_attention.project(source)
    attended = layer.self_attention.attend(source, own, causal=True)
    x = layer._after(x, attended, layer.self_norm)
    keys_values = attention.project(memory)
    norm = cast(torch.nn.LayerNorm, layer.cross_norm)
    query = attention.query(layer._before(x, norm)).unflatten(-1, (attention.num_heads, -1))
    scores = query[0].transpose(0, 1) @ keys_values.keys[0].transpose(1, 2)
    weights = (scores / query.shape[-1] ** 0.5).softmax(-1).mean(0)
    x = layer._cross(x, keys_values, None)
    return layer._feed_forward(x), weights
