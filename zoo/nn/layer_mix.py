"""Learned weighted sum of an encoder's layers (SUPERB, arXiv 2105.01051)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LayerMix(nn.Module):
    """`sum_i softmax(w)_i h_i`, starting from the plain mean.

    Args:
        num_states: how many hidden states there are.
        normalize: layer-normalise each state over its channels first (no affine, eps 1e-5).
    """

    def __init__(self, num_states: int, *, normalize: bool = False) -> None:
        super().__init__()
        self.normalize = normalize
        self.weights = nn.Parameter(torch.zeros(num_states))

    def forward(self, hidden_states: Sequence[Tensor]) -> Tensor:
        """Mix num_states tensors (B, T, C) into one (B, T, C)."""
        if len(hidden_states) != len(self.weights):
            raise ValueError(f"got {len(hidden_states)} hidden states for {len(self.weights)}")
        mixed = torch.zeros_like(hidden_states[0])
        for weight, state in zip(self.weights.softmax(0), hidden_states, strict=True):
            if self.normalize:
                state = F.layer_norm(state, state.shape[-1:])
            mixed = mixed + weight * state
        return mixed
