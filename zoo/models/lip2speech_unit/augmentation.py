"""What training does to lips and mels (arXiv 2305.19603, sections 2.4 and 3.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.models.lip2speech_unit.config import FirstStageTraining, MelAugmentation

FPS = 25
_ERASED_AREA = (0.02, 0.33)  # shares of a frame, and the sides' ratio: Random Erasing's defaults
_ERASED_RATIO = (0.3, 3.3)


def augment_video(video: Tensor, lengths: Tensor, settings: FirstStageTraining) -> Tensor:
    """Erase a rectangle of some clips and spans of frames of all.

    Args:
        video: (B, T, H, W) normalised, zero beyond each end.
        lengths: (B,) valid frames.
        settings: how much.

    Returns:
        (B, T, H, W), a copy.
    """
    video = video.clone()
    for clip, length in zip(video, lengths.tolist(), strict=True):
        if torch.rand(()) < settings.erase:
            top, left, height, width = erased_rectangle(
                *clip.shape[1:], to_the_corner=settings.official_erase
            )
            clip[:length, top : top + height, left : left + width] = 0
        mask_time(clip, length, settings.time_mask_frames)
    return video


def erased_rectangle(
    height: int, width: int, *, to_the_corner: bool = False
) -> tuple[int, int, int, int]:
    """Draw top, left, height and width of a rectangle inside a frame.

    Args:
        height: of the frame.
        width: of the frame.
        to_the_corner: parity: the published code draws a rectangle, then erases from its corner
            over the size of the whole frame.
    """
    area = height * width * _uniform(*_ERASED_AREA)
    ratio = math.exp(_uniform(math.log(_ERASED_RATIO[0]), math.log(_ERASED_RATIO[1])))
    rows = min(height, max(1, round(math.sqrt(area * ratio))))
    columns = min(width, max(1, round(math.sqrt(area / ratio))))
    top = int(torch.randint(height - rows + 1, ()))
    left = int(torch.randint(width - columns + 1, ()))
    if to_the_corner:
        return top, left, height - top, width - left
    return top, left, rows, columns


def mask_time(clip: Tensor, length: int, longest: int) -> None:
    """Set one span of up to `longest` frames a second of (T, H, W) to zero, in place."""
    if longest < 1 or length < 2:
        return
    for _ in range(max(1, round(length / FPS))):
        span = min(int(torch.randint(longest + 1, ())), length - 1)
        start = int(torch.randint(length - span + 1, ()))
        clip[start : start + span] = 0


def spoil_mel(mel: Tensor, settings: MelAugmentation) -> Tensor:
    """Blur and noise, so that the vocoder endures what a first stage predicts.

    Args:
        mel: (B, num_mels, T) natural log.
        settings: how much.
    """
    sigma = _uniform(*settings.blur_sigma)
    half = settings.blur_kernel // 2
    steps = torch.arange(-half, half + 1, device=mel.device, dtype=mel.dtype)
    weights = torch.softmax(-0.5 * (steps / sigma) ** 2, dim=0)
    # as torchvision's GaussianBlur: separable, borders mirrored
    image = F.pad(mel.unsqueeze(1), (half, half, half, half), mode="reflect")
    image = F.conv2d(image, weights.view(1, 1, -1, 1))
    image = F.conv2d(image, weights.view(1, 1, 1, -1)).squeeze(1)
    return image + settings.noise * torch.randn_like(image)


def _uniform(low: float, high: float) -> float:
    return float(torch.empty(()).uniform_(low, high))
