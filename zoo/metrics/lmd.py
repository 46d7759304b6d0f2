"""Landmark distance of talking faces (68 points): mouth, centred mouth, whole face.

Papers differ in points, scale and centring. Here both faces are scaled so that the height of
their box (the extent of the 68 points, mean over frames) is 256 pixels.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.errors import MediaError
from zoo.metrics.values import MeanMetric, Quantity

Landmarks = NDArray[np.float64]  # (T, 68, 2), x and y in pixels
MOUTH = slice(48, 68)
_POINTS = 68


def landmark_distance(
    reference: Landmarks, generated: Landmarks, *, centred: bool = False
) -> float:
    """Mean Euclidean distance over frames and points; `centred` removes each frame's mean."""
    if centred:
        reference = reference - reference.mean(axis=1, keepdims=True)
        generated = generated - generated.mean(axis=1, keepdims=True)
    return float(np.linalg.norm(reference - generated, axis=-1).mean())


class LMD(MeanMetric):
    """Landmark distance of a generated face from the filmed one.

    Args:
        face_height: pixels that both faces' boxes are scaled to; None compares raw pixels.
    """

    name: ClassVar[str] = "lmd"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "distance of face landmarks: mouth, centred mouth, all"
    needs: ClassVar[tuple[str, ...]] = ("landmarks", "reference_landmarks")
    judge: str | None = "the landmark detector of the samples"
    unit: ClassVar[str] = "px"
    higher_is_better: ClassVar[bool | None] = False

    def __init__(self, face_height: float | None = 256.0) -> None:
        self.face_height = None if face_height is None else float(face_height)

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The mouth first."""
        options = {"face": "raw" if self.face_height is None else f"{self.face_height:g}px"}
        return (
            Quantity("lmd", "LMD", self.unit, False, options),
            Quantity("lmd_centred", "LMD, centred", self.unit, False, options),
            Quantity("lmd_all", "LMD, all points", self.unit, False, options),
        )

    def score_sample(self, prediction: Any, reference: Any) -> dict[str, float]:
        """Distances of two sequences (T, 68, 2), cut to the shorter."""
        ours, theirs = self._scaled(prediction), self._scaled(reference)
        size = min(len(ours), len(theirs))
        ours, theirs = ours[:size], theirs[:size]
        return {
            "lmd": landmark_distance(theirs[:, MOUTH], ours[:, MOUTH]),
            "lmd_centred": landmark_distance(theirs[:, MOUTH], ours[:, MOUTH], centred=True),
            "lmd_all": landmark_distance(theirs, ours),
        }

    def _scaled(self, points: Any) -> Landmarks:
        found = np.asarray(points, dtype=np.float64)
        if found.ndim != 3 or found.shape[1:] != (_POINTS, 2) or not len(found):
            raise MediaError(f"landmarks must be (T, {_POINTS}, 2), got {found.shape}")
        if self.face_height is None:
            return found
        height = float(np.ptp(found[..., 1], axis=1).mean())
        if height <= 0:
            raise MediaError("landmarks of a face without height; the detector found nothing")
        return found * (self.face_height / height)
