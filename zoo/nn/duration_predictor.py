"""How long each unit lasts: FastSpeech2's variance predictor over deduplicated units.

The predictor and its targets follow the unit vocoders of arXiv 2107.05604.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DurationPredictor(nn.Module):
    """Two convolutions over unit embeddings, then log(1 + frames) of each unit.

    Args:
        in_channels: width of the unit embedding.
        hidden: width inside.
        kernel: of both convolutions, odd.
        dropout: after both.
    """

    def __init__(self, in_channels: int, hidden: int, kernel: int = 3, dropout: float = 0.5):
        super().__init__()
        # parity: the second padding is 1 whatever the kernel
        self.conv1 = nn.Conv1d(in_channels, hidden, kernel, padding=(kernel - 1) // 2)
        self.ln1 = nn.LayerNorm(hidden)
        self.conv2 = nn.Conv1d(hidden, hidden, kernel, padding=1)
        self.ln2 = nn.LayerNorm(hidden)
        self.proj = nn.Linear(hidden, 1)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """log(1 + frames) (B, T) of unit embeddings (B, T, C)."""
        for conv, norm in ((self.conv1, self.ln1), (self.conv2, self.ln2)):
            x = norm(F.relu(conv(x.transpose(1, 2))).transpose(1, 2))
            x = F.dropout(x, self.dropout, self.training)
        return torch.as_tensor(self.proj(x)).squeeze(-1)


def durations(log_durations: Tensor) -> Tensor:
    """Whole frames, at least 1, int64 of predicted log(1 + frames); halves go to even."""
    # half precision would move values across a rounding boundary
    return (log_durations.float().exp() - 1).round().long().clamp(min=1)


@dataclass(frozen=True)
class Runs:
    """Runs of equal units in a batch of segments.

    Attributes:
        features: (B, R, C) embedding of each run, zero beyond each segment's runs.
        counts: (B, R) int64 frames of each run, 0 beyond.
        mask: (B, R) bool, True = a run.
    """

    features: Tensor
    counts: Tensor
    mask: Tensor


def segment_runs(code: Tensor, embedded: Tensor) -> Runs:
    """Training material of the predictor from segments cut out of utterances.

    The borders of a segment cut its first and its last run, so both are left out where there are
    more than two.

    Args:
        code: (B, T) int64, a unit a frame.
        embedded: (B, T, C) their embeddings, the same for all frames of a run.
    """
    place = torch.arange(code.shape[1], device=code.device).expand_as(code)
    begins = F.pad(code[:, 1:] != code[:, :-1], (1, 0), value=True)
    run = begins.long().cumsum(dim=1) - 1  # of each frame
    counts = torch.zeros_like(code).scatter_add(1, run, torch.ones_like(code))
    ends = counts.cumsum(dim=1)
    total = run[:, -1:] + 1
    inner = total > 2
    kept = torch.where(inner, total - 2, total)
    chosen = (place + inner.long()).clamp(max=code.shape[1] - 1)
    mask = place < kept
    frame = (ends - 1).gather(1, chosen)
    # parity: the convolutions see nothing beyond the longest row, not even what they make of zeros
    most = slice(int(kept.max()))
    frame, mask, counts = frame[:, most], mask[:, most], counts.gather(1, chosen)[:, most]
    features = embedded.gather(1, frame.unsqueeze(2).expand(-1, -1, embedded.shape[2]))
    return Runs(features * mask.unsqueeze(2), counts * mask, mask)


def duration_loss(predictor: DurationPredictor, runs: Runs) -> Tensor:
    """Mean squared error of log(1 + frames) over all runs of the batch."""
    predicted = predictor(runs.features)
    error = predicted - torch.log(runs.counts.to(predicted.dtype) + 1)
    return torch.as_tensor((error.square() * runs.mask).sum() / runs.mask.sum())
