"""AV-HuBERT's self-supervised task: predict the clusters of hidden frames (arXiv 2201.02184, 3.2).

Frames of lips and sound are hidden separately; hidden sound becomes a learned vector, hidden lips
are replaced by lips from elsewhere in the clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.hub.config import ZooConfig
from zoo.nn.avhubert import AVHuBERT
from zoo.nn.avhubert_config import AVHuBERTConfig
from zoo.nn.span_masking import Spans, draw_spans, other_spans


@dataclass(frozen=True, kw_only=True)
class PretrainingConfig(ZooConfig):
    """The task; the defaults are those of the released models (iteration 5)."""

    num_clusters: tuple[int, ...] = (2000,)
    """Clusters of each kind of target."""
    num_specials: int = 4
    """Further rows of the table of clusters: fairseq's special symbols."""
    embedding_size: int = 256
    """Width in which frames are compared with clusters."""
    temperature: float = 0.1
    """What cosines are divided by."""
    masking: Literal["input", "feature"] = "input"
    """Hide the streams themselves, or (iteration 1) the fused features."""
    audio_mask_share: float = 0.8
    """Share of frames of sound in spans."""
    audio_mask_span: int = 10
    """Frames of such a span."""
    video_mask_share: float = 0.3
    """Share of frames of lips in spans."""
    video_mask_span: int = 5
    """Frames of such a span."""
    unmasked_weight: float = 0.0
    """Weight of the frames that were not hidden: 0 for LRS3, 1 with VoxCeleb2."""
    penalty_weight: float = 10.0
    """Weight of the mean square of the fused features."""


@dataclass(frozen=True)
class Masked:
    """Inputs of which some frames are hidden.

    Attributes:
        video: (B, T, H, W), or None.
        audio: (B, T, 104), or None.
        hidden: (B, T) bool, True = hidden in at least one stream.
    """

    video: Tensor | None
    audio: Tensor | None
    hidden: Tensor


@dataclass(frozen=True)
class Predictions:
    """Logits of valid frames, in the order of the flattened batch.

    Attributes:
        masked: (M, K) of hidden frames, one a kind of target.
        unmasked: (U, K) of the others.
        penalty: mean square of the fused features, scalar.
    """

    masked: tuple[Tensor, ...]
    unmasked: tuple[Tensor, ...]
    penalty: Tensor


@dataclass(frozen=True)
class PretrainingLoss:
    """Sums over a batch.

    Attributes:
        total: scalar, to be divided by `sample_size`.
        sample_size: number of predictions in it.
        accuracy: share of the hidden frames whose cluster is right.
        commonest: share of those that belong to the commonest cluster, which guessing would reach.
    """

    total: Tensor
    sample_size: int
    accuracy: Tensor
    commonest: Tensor


class ClusterHead(nn.Module):
    """What masked prediction adds to an encoder: the masking, clusters and their comparison."""

    def __init__(self, encoder: AVHuBERTConfig, config: PretrainingConfig) -> None:
        super().__init__()
        self.config = config
        hidden = encoder.audio_size if config.masking == "input" else encoder.hidden_size
        self.mask_embedding = nn.Parameter(torch.empty(hidden).uniform_())
        self.clusters = tuple(count + config.num_specials for count in config.num_clusters)
        self.cluster_embedding = nn.Parameter(
            torch.empty(sum(self.clusters), config.embedding_size).uniform_()
        )
        self.proj = nn.Linear(encoder.hidden_size, config.embedding_size * len(self.clusters))

    def hide(
        self,
        video: Tensor | None,
        audio: Tensor | None,
        mask: Tensor,
        draw: np.random.RandomState,
    ) -> Masked:
        """Choose the frames to be hidden and hide them, unless features are (see `forward`).

        Args:
            video: (B, T, H, W) or None.
            audio: (B, T, 104) or None.
            mask: (B, T) bool, True = valid.
            draw: where chance comes from; lips come first.
        """
        if self.config.masking == "feature":
            return Masked(video, audio, self._draw("audio", mask, draw).mask.to(mask.device))
        hidden = torch.zeros_like(mask)
        if video is not None:
            spans = self._draw("video", mask, draw)
            lips = spans.mask.to(mask.device)
            if len(video) == 1:
                video = video.masked_fill(lips[..., None, None], 0.0)  # parity: alone in its batch
            else:
                rows, frames = other_spans(spans, draw)
                video = video.index_put((lips,), video[rows, frames])
            hidden = hidden | lips
        if audio is not None:
            sound = self._draw("audio", mask, draw).mask.to(mask.device)
            filling = self.mask_embedding if len(audio) > 1 else torch.zeros_like(audio[0, 0])
            audio = torch.where(sound.unsqueeze(-1), filling.to(audio.dtype), audio)
            hidden = hidden | sound
        return Masked(video, audio, hidden)

    def forward(self, encoder: AVHuBERT, masked: Masked, mask: Tensor) -> Predictions:
        """Logits for the clusters of all valid frames.

        Args:
            encoder: what is being trained.
            masked: inputs, already hidden.
            mask: (B, T) bool, True = valid.
        """
        fused = encoder.fuse(masked.video, masked.audio)
        features = encoder.project(fused)
        if self.config.masking == "feature":
            filling = self.mask_embedding.to(features.dtype)
            features = torch.where(masked.hidden.unsqueeze(-1), filling, features)
        x = encoder.encode(features, mask)
        hidden, shown = masked.hidden & mask, ~masked.hidden & mask
        with_shown = self.config.unmasked_weight > 0 or not self.training
        return Predictions(
            self._logits(x[hidden]),
            self._logits(x[shown]) if with_shown else (),
            fused.float().square().mean(),
        )

    def loss(
        self, predictions: Predictions, targets: list[Tensor], hidden: Tensor, mask: Tensor
    ) -> PretrainingLoss:
        """Cross-entropy of hidden (and other) frames and the penalty on features.

        Args:
            predictions: of `forward`.
            targets: one (B, T) int64 of rows of the table a kind of target, specials included.
            hidden: (B, T) bool.
            mask: (B, T) bool, True = valid.
        """
        weight = self.config.unmasked_weight
        wanted = [target[hidden & mask] for target in targets]
        total = _cross_entropy(predictions.masked, wanted)
        size = sum(len(one) for one in wanted)
        if weight > 0:
            others = [target[~hidden & mask] for target in targets]
            total = total + weight * _cross_entropy(predictions.unmasked, others)
            size += sum(len(one) for one in others)
        right = [
            (logits.argmax(-1) == one).float().mean()
            for logits, one in zip(predictions.masked, wanted, strict=True)
        ]
        total = total + self.config.penalty_weight * size * predictions.penalty
        largest = [(one == one.mode().values).float().mean() for one in wanted]
        return PretrainingLoss(total, size, torch.stack(right).mean(), torch.stack(largest).mean())

    def _draw(
        self, stream: Literal["audio", "video"], mask: Tensor, draw: np.random.RandomState
    ) -> Spans:
        config = self.config
        share, span = (
            (config.audio_mask_share, config.audio_mask_span)
            if stream == "audio"
            else (config.video_mask_share, config.video_mask_span)
        )
        return draw_spans(mask.sum(1).tolist(), mask.shape[1], share, span, draw)

    def _logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, K) a kind of target of frames (N, D)."""
        projected = cast(Tensor, self.proj(x)).chunk(len(self.clusters), dim=-1)
        tables = torch.split(self.cluster_embedding, list(self.clusters))
        return tuple(
            F.normalize(own, dim=-1) @ F.normalize(table, dim=-1).T / self.config.temperature
            for own, table in zip(projected, tables, strict=True)
        )


def _cross_entropy(logits: tuple[Tensor, ...], targets: list[Tensor]) -> Tensor:
    """Sum over frames and kinds of targets."""
    pairs = zip(logits, targets, strict=True)
    return torch.stack([F.cross_entropy(x.float(), y, reduction="sum") for x, y in pairs]).sum()
