"""HuBERT's self-supervised task (arXiv 2106.07447, section II): name the cluster of hidden frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.hub.config import ZooConfig
from zoo.nn.span_masking import draw_spans


@dataclass(frozen=True, kw_only=True)
class MaskedPredictionConfig(ZooConfig):
    """The task; the defaults are those of HuBERT Base."""

    num_clusters: int = 500
    """Clusters that are to be named."""
    embedding_size: int = 256
    """Width in which frames are compared with clusters."""
    temperature: float = 0.1
    """What cosines are divided by."""
    mask_share: float = 0.8
    """Share of frames in spans, if spans did not overlap."""
    mask_span: int = 10
    """Frames of a span."""
    unmasked_weight: float = 0.0
    """Weight of the frames that were not hidden."""
    penalty_weight: float = 10.0
    """Weight of the mean square of the convolutions' output."""


class MaskedPrediction(nn.Module):
    """Mask vector, projection and cluster vectors; what pretraining adds to an encoder.

    Args:
        config: the task.
        size: width of the encoder.
    """

    def __init__(self, config: MaskedPredictionConfig, size: int) -> None:
        super().__init__()
        self.config = config
        self.mask_embedding = nn.Parameter(torch.empty(size).uniform_())
        self.projection = nn.Linear(size, config.embedding_size)
        self.clusters = nn.Parameter(torch.randn(config.num_clusters, config.embedding_size))

    def draw(self, frame_mask: Tensor) -> Tensor:
        """Hidden frames (B, T) bool of a batch with valid frames (B, T).

        The draw follows torch's generator, so that a seeded run can be repeated.
        """
        seed = int(torch.randint(2**31, ()))
        spans = draw_spans(
            frame_mask.sum(1).tolist(),
            frame_mask.shape[1],
            self.config.mask_share,
            self.config.mask_span,
            np.random.RandomState(seed),
        )
        return spans.mask.to(frame_mask.device)

    def logits(self, frames: Tensor) -> Tensor:
        """(N, K) of encoder outputs (N, D)."""
        projected = F.normalize(self.projection(frames).float(), dim=-1)
        return projected @ F.normalize(self.clusters.float(), dim=-1).T / self.config.temperature

    def loss(self, frames: Tensor, targets: Tensor, hidden: Tensor, valid: Tensor) -> Tensor:
        """Mean cross-entropy over hidden frames, plus the weighted one over the others.

        Args:
            frames: (B, T, D) encoder outputs.
            targets: (B, T) int64 clusters.
            hidden: (B, T) bool.
            valid: (B, T) bool.
        """
        loss = F.cross_entropy(self.logits(frames[hidden]), targets[hidden])
        weight = self.config.unmasked_weight
        if not weight:
            return loss
        seen = valid & ~hidden
        return loss + weight * F.cross_entropy(self.logits(frames[seen]), targets[seen])
