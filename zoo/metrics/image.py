"""PSNR and SSIM of pictures and videos: per frame over all channels, then the mean.

SSIM has several conventions that differ by 0.05; the default is Wang's (Gaussian 11 x 11, sigma
1.5) as scikit-image computes it on RGB.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.errors import MediaError
from zoo.metrics.values import MeanMetric, Quantity
from zoo.tasks import Video, VideoLike

Frame = NDArray[np.float64]  # (H, W, 3), 0..255
PSNR_CAP = 100.0
_RANGE = 255.0
_C1, _C2 = (0.01 * _RANGE) ** 2, (0.03 * _RANGE) ** 2


def psnr(reference: Frame, generated: Frame) -> float:
    """Peak signal-to-noise ratio in dB; infinite for identical frames."""
    error = float(((reference - generated) ** 2).mean())
    return 10.0 * float(np.log10(_RANGE**2 / error)) if error else float("inf")


def ssim(reference: Frame, generated: Frame, window: str = "gaussian") -> float:
    """Structural similarity, mean over channels and over pixels away from the border.

    Args:
        reference: (H, W, C).
        generated: (H, W, C).
        window: "gaussian" (sigma 1.5, population covariance) or "uniform" (7 x 7, sample
            covariance: scikit-image's default).

    Raises:
        MediaError: the frame is smaller than the window.
    """
    from scipy.ndimage import gaussian_filter, uniform_filter

    radius = 5 if window == "gaussian" else 3
    if min(reference.shape[:2]) < 2 * radius + 1:
        raise MediaError(f"frames of {reference.shape[:2]} are smaller than the SSIM window")
    count = (2 * radius + 1) ** 2
    norm = 1.0 if window == "gaussian" else count / (count - 1)

    def smooth(x: Frame) -> Frame:
        if window == "gaussian":
            return np.asarray(gaussian_filter(x, sigma=1.5, truncate=3.5, axes=(0, 1)))
        return np.asarray(uniform_filter(x, size=7, axes=(0, 1)))

    ux, uy = smooth(reference), smooth(generated)
    vx = norm * (smooth(reference * reference) - ux * ux)
    vy = norm * (smooth(generated * generated) - uy * uy)
    vxy = norm * (smooth(reference * generated) - ux * uy)
    value = ((2 * ux * uy + _C1) * (2 * vxy + _C2)) / ((ux**2 + uy**2 + _C1) * (vx + vy + _C2))
    return float(value[radius:-radius, radius:-radius].mean())


class FrameMetric(MeanMetric):
    """Frames of a generated video (or a picture) against those of a reference."""

    needs: ClassVar[tuple[str, ...]] = ("video", "reference_video")

    def score_sample(self, prediction: VideoLike, reference: VideoLike) -> dict[str, float]:
        """Mean over the frames both have."""
        ours, theirs = as_frames(prediction), as_frames(reference)
        if ours.shape[1:] != theirs.shape[1:]:
            raise MediaError(
                f"frames of {ours.shape[1:3]} against {theirs.shape[1:3]}; bring them to one size"
            )
        pairs = zip(theirs, ours, strict=False)
        return self.score_frames([(a.astype(np.float64), b.astype(np.float64)) for a, b in pairs])

    @abstractmethod
    def score_frames(self, pairs: list[tuple[Frame, Frame]]) -> dict[str, float]:
        """Values of (reference, generated) frames."""


def as_frames(video: VideoLike) -> NDArray[np.uint8]:
    """(T, H, W, 3) uint8 of a path, a `Video` or a tensor (T, 3, H, W)."""
    from zoo.video import as_image, as_video

    if isinstance(video, str | Path) and Path(video).suffix.lower() in (".png", ".jpg", ".jpeg"):
        return np.asarray(as_image(video))[None]
    frames = video.frames if isinstance(video, Video) else as_video(video).frames
    return frames.permute(0, 2, 3, 1).cpu().numpy()


class PSNR(FrameMetric):
    """Peak signal-to-noise ratio; identical frames count as 100 dB and are counted."""

    name: ClassVar[str] = "psnr"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "peak signal-to-noise ratio of frames"
    unit: ClassVar[str] = "dB"
    higher_is_better: ClassVar[bool | None] = True

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The ratio, and the share of frames it was capped for."""
        return (
            Quantity("psnr", "PSNR", self.unit, True),
            Quantity("psnr_capped", "identical frames", "%", None, {}, 100.0),
        )

    def score_frames(self, pairs: list[tuple[Frame, Frame]]) -> dict[str, float]:
        """Mean, and share of identical frames."""
        values = np.array([psnr(a, b) for a, b in pairs])
        return {
            "psnr": float(np.minimum(values, PSNR_CAP).mean()),
            "psnr_capped": float(np.isinf(values).mean()),
        }

    def details(self) -> dict[str, Any]:
        """Range and cap."""
        return {"data_range": 255, "cap_db": PSNR_CAP, "colour": "rgb"}


class SSIM(FrameMetric):
    """Structural similarity.

    Args:
        window: "gaussian" or "uniform" (see `ssim`), "torchmetrics" (its own border handling).
    """

    name: ClassVar[str] = "ssim"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "structural similarity of frames"
    unit: ClassVar[str] = "-1..1"
    higher_is_better: ClassVar[bool | None] = True

    def __init__(self, window: str = "gaussian") -> None:
        if window not in ("gaussian", "uniform", "torchmetrics"):
            raise TypeError(f"window {window!r}: use 'gaussian', 'uniform' or 'torchmetrics'")
        self.window = window

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """One value."""
        return (Quantity("ssim", "SSIM", self.unit, True, {"window": self.window}),)

    def score_frames(self, pairs: list[tuple[Frame, Frame]]) -> dict[str, float]:
        """Mean over frames."""
        each = _torchmetrics_ssim if self.window == "torchmetrics" else self._own
        return {"ssim": float(np.mean([each(a, b) for a, b in pairs]))}

    def _own(self, reference: Frame, generated: Frame) -> float:
        return ssim(reference, generated, self.window)

    def details(self) -> dict[str, Any]:
        """Range and colour."""
        return {"data_range": 255, "window": self.window, "colour": "rgb"}


def _torchmetrics_ssim(reference: Frame, generated: Frame) -> float:
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure as measure

    pair = [torch.from_numpy(x).permute(2, 0, 1)[None].float() for x in (generated, reference)]
    value = measure(pair[0], pair[1], data_range=_RANGE)
    assert isinstance(value, torch.Tensor)
    return float(value)
