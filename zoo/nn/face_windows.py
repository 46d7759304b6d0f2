"""How clips of faces become the inputs of the talking-face networks: halves, windows, mel starts.

Faces are (B, T, C, H, W); the official layout (B, C, T, H, W) differs in the order of axes only,
since nothing in a generator looks across frames.
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.audio.mel.wav2lip import WINDOW as MEL_WINDOW
from zoo.audio.mel.wav2lip import window_starts

SILENCE = -4.0
"""What the normalised mel has where there is no sound."""


def lower_half(faces: Tensor) -> Tensor:
    """(..., H, W) -> (..., H / 2, W), where the mouth is."""
    return faces[..., faces.shape[-2] // 2 :, :]


def without_lower_half(faces: Tensor) -> Tensor:
    """A copy of (..., H, W) whose lower half is zero."""
    masked = faces.clone()
    lower_half(masked).zero_()
    return masked


def generator_input(target: Tensor, reference: Tensor) -> Tensor:
    """What a generator sees of both (B, T, 3, H, W): (B, T, 6, H, W)."""
    return torch.cat([without_lower_half(target), reference], dim=-3)


def expert_input(faces: Tensor) -> Tensor:
    """Five frames (B, 5, 3, H, W) as the channels of their lower halves, (B, 15, H / 2, W)."""
    return lower_half(faces).flatten(1, 2)


def by_clip(rows: Tensor, like: Tensor) -> Tensor:
    """Rows (B T, ...) as (B, T, ...), where `like` is (B, T, ...)."""
    return rows.reshape(*like.shape[:2], *rows.shape[1:])


def sliding_windows(faces: Tensor, length: int = 5) -> Tensor:
    """Every run of `length` frames of a clip (T, C, H, W): (T - length + 1, length, C, H, W)."""
    return faces.unfold(0, length, 1).movedim(-1, 1)


def mel_windows(mel: Tensor, first: Tensor, fps: float = 25.0) -> Tensor:
    """Mel windows that start with given frames.

    Args:
        mel: (80, M), normalised.
        first: (N,) int64 video frame with which each window starts; may be before the clip.
        fps: frames a second.

    Returns:
        (N, 1, 80, 16); silence stands before the sound, and a window that would reach beyond its
        end is the last whole one (as in the official inference).
    """
    before = int(-first.min().clamp(max=0))
    margin = int(window_starts(torch.tensor([before]), fps)) + 1
    missing = max(0, MEL_WINDOW - mel.shape[-1])
    padded = torch.nn.functional.pad(mel, (margin, missing), value=SILENCE)
    starts = (window_starts(first, fps) + margin).clamp(max=padded.shape[-1] - MEL_WINDOW)
    columns = starts[:, None] + torch.arange(MEL_WINDOW, device=starts.device)
    return padded[:, columns.to(mel.device)].movedim(0, 1)[:, None]
