"""Losses of attention decoders and of CTC on the same encoder, as fairseq's recipes sum them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

BLANK = 0
PAD, END = 1, 2
"""fairseq's ids of the padding and of the end of a text, which also stands for its start."""


def label_smoothed_loss(
    logits: Tensor, targets: Tensor, smoothing: float = 0.1, *, pad: int = PAD
) -> tuple[Tensor, Tensor]:
    """Sums over all tokens that are not padding.

    Args:
        logits: (B, L, V).
        targets: (B, L) int64.
        smoothing: probability spread evenly over the other tokens.
        pad: id of padding.

    Returns:
        The smoothed loss, and the negative log likelihood.
    """
    log_probs = logits.float().log_softmax(-1)
    valid = targets != pad
    nll = -log_probs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)[valid].sum()
    spread = -log_probs.sum(-1)[valid].sum()
    share = smoothing / (logits.shape[-1] - 1)
    return (1 - smoothing - share) * nll + share * spread, nll


def ctc_loss_sum(
    logits: Tensor, targets: Tensor, lengths: Tensor, *, pad: int = PAD, blank: int = BLANK
) -> Tensor:
    """CTC, summed over the batch; a text that does not fit into its clip counts nothing.

    Args:
        logits: (B, T, V).
        targets: (B, L) int64, the end included.
        lengths: (B,) valid frames.
        pad: id of padding in `targets`.
        blank: id of the blank.
    """
    valid = targets != pad
    return F.ctc_loss(
        logits.float().log_softmax(-1).transpose(0, 1),
        targets[valid],
        lengths,
        valid.sum(1),
        blank=blank,
        reduction="sum",
        zero_infinity=True,
    )


def teacher_forcing(targets: Tensor, *, pad: int = PAD, end: int = END) -> Tensor:
    """What the decoder is given to predict `targets` (B, L): the end token, then all but the last.

    Padding stays padding.
    """
    shifted = torch.cat([torch.full_like(targets[:, :1], end), targets[:, :-1]], dim=1)
    # the end token of a shorter text would otherwise stand on the first of its padding
    return shifted.masked_fill(targets == pad, pad)
