"""Greedy decoding of a batch: the likeliest token at every step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.nn.decoding.decoder import TransformerDecoder
from zoo.nn.decoding.paths import Survivors


@dataclass(frozen=True)
class GreedyTexts:
    """Texts of a batch.

    Attributes:
        tokens: (B, L) int64, the start token left out; what follows the end token is to be ignored.
        log_probs: (B, L) log probability of each.
    """

    tokens: Tensor
    log_probs: Tensor


@torch.inference_mode()
def greedy(
    decoder: TransformerDecoder,
    memory: Tensor,
    mask: Tensor | None,
    start: int,
    max_length: int,
    end: int | None = None,
) -> GreedyTexts:
    """Decode up to `max_length` tokens an utterance.

    Args:
        decoder: the decoder.
        memory: (B, T, M) states of the encoder.
        mask: (B, T) bool, True = valid.
        start: id of the token that texts start with.
        max_length: most tokens.
        end: stop when every text has this token; None goes on to `max_length`.
    """
    state = decoder.start(memory, mask)
    tokens = torch.full((len(memory), 1), start, device=memory.device)
    parents, ended = torch.zeros_like(tokens), torch.zeros_like(tokens, dtype=torch.bool)
    texts, logs = [], []
    for _ in range(max_length):
        best = decoder.step(tokens, state).float().log_softmax(dim=-1).max(dim=-1)
        tokens = best.indices
        state.select(Survivors(None, parents, tokens))
        texts.append(tokens)
        logs.append(best.values)
        ended |= tokens == end if end is not None else False
        if bool(ended.all()):
            break
    return GreedyTexts(torch.cat(texts, dim=1), torch.cat(logs, dim=1))
