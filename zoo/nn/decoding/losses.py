"""Losses of hybrid CTC and attention training, as ESPnet defines them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Targets:
    """Tokens for teacher forcing.

    Attributes:
        inputs: (B, L + 1) the start token and the text, padded with the start token.
        outputs: (B, L + 1) the text and the end token, padded with `ignored`.
        texts: (B, L) the text, padded with `ignored`.
        lengths: (B,) its tokens.
        ignored: the padding.
    """

    inputs: Tensor
    outputs: Tensor
    texts: Tensor
    lengths: Tensor
    ignored: int


def teacher_forcing(texts: Tensor, start: int, end: int, ignored: int = -1) -> Targets:
    """What a decoder is fed and what it should say, for texts (B, L) padded with `ignored`."""
    padding = texts == ignored
    lengths = (~padding).sum(dim=1)
    first = texts.new_full((len(texts), 1), start)
    inputs = torch.cat([first, texts.masked_fill(padding, start)], dim=1)
    outputs = torch.cat([texts, texts.new_full((len(texts), 1), ignored)], dim=1)
    outputs = outputs.scatter(1, lengths.unsqueeze(1), end)
    return Targets(inputs, outputs, texts, lengths, ignored)


def smoothed_divergence(logits: Tensor, targets: Targets, smoothing: float) -> Tensor:
    """Divergence of the smoothed targets from the output, summed over tokens.

    Unlike a cross-entropy its floor is zero: the entropy of the targets is taken off.

    Args:
        logits: (B, L + 1, V).
        targets: what should have come out.
        smoothing: probability that is spread evenly over the V - 1 wrong tokens.
    """
    valid = targets.outputs != targets.ignored
    log_probs = logits[valid].float().log_softmax(dim=-1)
    vocab, wanted = log_probs.shape[1], targets.outputs[valid].unsqueeze(1)
    rest = smoothing / (vocab - 1)
    right = log_probs.gather(1, wanted).sum()
    cross = -(1 - smoothing - rest) * right - rest * log_probs.sum()
    entropy = -sum(p * math.log(p) * n for p, n in ((1 - smoothing, 1), (rest, vocab - 1)) if p)
    return cross - entropy * len(wanted)


def ctc_sum(log_probs: Tensor, frames: Tensor, targets: Targets, blank: int = 0) -> Tensor:
    """CTC loss summed over the batch; a text longer than its clip counts nothing.

    Args:
        log_probs: (B, T, V).
        frames: (B,) valid frames.
        targets: the texts.
        blank: id of the blank.
    """
    return F.ctc_loss(
        log_probs.transpose(0, 1),
        targets.texts.clamp(min=0),
        frames,
        targets.lengths,
        blank=blank,
        reduction="sum",
        zero_infinity=True,
    )


def accuracy(logits: Tensor, targets: Targets) -> Tensor:
    """Share of the tokens that are likeliest where they should be."""
    valid = targets.outputs != targets.ignored
    return (logits.argmax(dim=-1)[valid] == targets.outputs[valid]).float().mean()
