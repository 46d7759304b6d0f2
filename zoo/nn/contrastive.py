"""Contrastive loss between two modalities with duplicates masked out (SpeechCLIP section 4)."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_contrastive_loss(
    a: Tensor, b: Tensor, scale: Tensor | float, ids: Tensor | None = None
) -> Tensor:
    """Symmetric InfoNCE of row-aligned pairs.

    Two rows with the same id (two captions of one picture) are no negatives of each other, so they
    leave the denominators. Without ids this is CLIP's loss.

    Args:
        a: (B, D) L2-normalised features.
        b: (B, D) L2-normalised features, row i belonging to row i of `a`.
        scale: factor on the cosines, 1 / temperature.
        ids: (B,) int64, or None.

    Returns:
        Scalar: the mean over rows and over both directions.
    """
    logits = scale * a @ b.T
    if ids is not None:
        same = ids[:, None] == ids[None, :]
        same.fill_diagonal_(False)
        logits = logits.masked_fill(same, -torch.inf)
    positives = logits.diagonal()
    forward = torch.logsumexp(logits, dim=1) - positives
    backward = torch.logsumexp(logits, dim=0) - positives
    return 0.5 * (forward.mean() + backward.mean())
