"""Sinusoidal positions in the two orders in use, and the table of relative offsets.

"interleaved" (the Transformer paper, ESPnet): even channels sine, odd channels cosine. "halves"
(fairseq): the first half sine, the second half cosine, with slightly other frequencies.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

PositionKind = Literal["interleaved", "halves"]
_LONGEST_WAVE: Final = 10_000.0


def sinusoids(positions: Tensor, size: int, kind: PositionKind = "interleaved") -> Tensor:
    """Sine and cosine of the positions (...) at `size` / 2 frequencies: (..., size) float32."""
    half = size // 2
    steps = torch.arange(half, dtype=torch.float32, device=positions.device)
    # parity: fairseq divides by half - 1, so that its last wave is exactly the longest
    scale = math.log(_LONGEST_WAVE) / (half if kind == "interleaved" else max(1, half - 1))
    angles = positions.to(torch.float32).unsqueeze(-1) * torch.exp(-scale * steps)
    if kind == "interleaved":
        table = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)
    else:
        table = torch.cat([angles.sin(), angles.cos()], dim=-1)
    return F.pad(table, (0, size % 2))


def relative_sinusoids(length: int, size: int, like: Tensor) -> Tensor:
    """Table (2L - 1, size) of the offsets L - 1 down to -(L - 1) between query and key."""
    offsets = torch.arange(length - 1, -length, -1, device=like.device)
    return sinusoids(offsets, size).to(like.dtype)
