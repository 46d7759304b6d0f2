"""The scale in which V2SFlow models log-mels (sheet `flow_matching`, section 7)."""

from __future__ import annotations

from torch import Tensor

LOG_MEL_MIN = -11.512925  # ln 1e-5, the floor of `tacotron16k`
LOG_MEL_MAX = 1.756106  # the official code's constant


def scale_log_mel(log_mel: Tensor) -> Tensor:
    """Map a `tacotron16k` log-mel linearly so that [LOG_MEL_MIN, LOG_MEL_MAX] fills [-1, 1]."""
    return (log_mel - LOG_MEL_MIN) * (2.0 / (LOG_MEL_MAX - LOG_MEL_MIN)) - 1.0


def unscale_log_mel(scaled: Tensor) -> Tensor:
    """The inverse of `scale_log_mel`; values outside [-1, 1] are clipped."""
    return (scaled.clamp(-1.0, 1.0) + 1.0) * ((LOG_MEL_MAX - LOG_MEL_MIN) / 2.0) + LOG_MEL_MIN
