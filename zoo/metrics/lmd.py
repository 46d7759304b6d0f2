"""Landmark distance of talking faces (68 points): mouth, centred mouth, whole face.

Papers differ in points, scale and centring. Here both faces are scaled so that the height of
their box (the extent of the 68 points, mean over frames) is 256 pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.errors import MediaError
from zoo.metrics.values import MeanMetric, Quantity

if TYPE_CHECKING:
    from zoo.video.landmarks import LandmarkDetector

Landmarks = NDArray[np.float64]  # (T, 68, 2), x and y in pixels
MOUTH = slice(48, 68)
_POINTS = 68
_FPS = 25.0


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
        judge: what finds the landmarks of videos: a checkpoint (`judge_landmarks.tiny` for drawn
            faces), or any source of `zoo.video.landmarks` that gives 68 points. None: the samples
            are landmarks (T, 68, 2).
        device: where the judge runs.
    """

    name: ClassVar[str] = "lmd"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "distance of face landmarks: mouth, centred mouth, all"
    needs: ClassVar[tuple[str, ...]] = ("landmarks", "reference_landmarks")
    unit: ClassVar[str] = "px"
    higher_is_better: ClassVar[bool | None] = False

    def __init__(
        self,
        face_height: float | None = 256.0,
        judge: str | Path | None = None,
        device: str | None = None,
    ) -> None:
        self.face_height = None if face_height is None else float(face_height)
        self.source, self.device = None if judge is None else str(judge), device
        self.judge: str | None = self.source or "the landmark detector of the samples"
        self.requires = () if self.source is None else (self.source,)
        self._detector: LandmarkDetector | None = None

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The mouth first."""
        face = "raw" if self.face_height is None else f"{self.face_height:g}px"
        options = {"face": face, "judge": self.source and Path(self.source).name}
        return (
            Quantity("lmd", "LMD", self.unit, False, options),
            Quantity("lmd_centred", "LMD, centred", self.unit, False, options),
            Quantity("lmd_all", "LMD, all points", self.unit, False, options),
        )

    def available(self) -> str | None:
        """Needs the judge's weights on this machine, if there is one."""
        from zoo.metrics.judges import lacking

        loaded = self.source is None or self._detector is not None
        return None if loaded or self.source is None else lacking(self.source)

    def setup(self) -> None:
        """Load the judge."""
        from zoo.video.landmarks import load_detector

        if self.source is not None:
            self.use(load_detector(self.source, self.device))

    def use(self, detector: LandmarkDetector) -> None:
        """Find landmarks with a detector that is loaded already."""
        self._detector = detector

    def score_sample(self, prediction: Any, reference: Any) -> dict[str, float]:
        """Distances of two sequences (T, 68, 2) or videos, cut to the shorter.

        Frames in which one of the two has no face are left out.

        Raises:
            MediaError: no landmarks, or no frame in which both have a face.
        """
        ours, theirs = self._points(prediction), self._points(reference)
        size = min(len(ours), len(theirs))
        ours, theirs = ours[:size], theirs[:size]
        both = np.isfinite(ours).all(axis=(1, 2)) & np.isfinite(theirs).all(axis=(1, 2))
        if not both.any():
            raise MediaError("no frame in which both videos have a face")
        ours, theirs = self._scaled(ours[both]), self._scaled(theirs[both])
        return {
            "lmd": landmark_distance(theirs[:, MOUTH], ours[:, MOUTH]),
            "lmd_centred": landmark_distance(theirs[:, MOUTH], ours[:, MOUTH], centred=True),
            "lmd_all": landmark_distance(theirs, ours),
        }

    def _points(self, given: Any) -> Landmarks:
        if self.source is not None and not isinstance(given, np.ndarray):
            from zoo.video import as_video

            if self._detector is None:
                self.setup()
            assert self._detector is not None
            given = self._detector.detect(as_video(given, _FPS).frames).points
        found: Landmarks = np.asarray(given, dtype=np.float64)
        if found.ndim != 3 or found.shape[1:] != (_POINTS, 2) or not len(found):
            raise MediaError(f"landmarks must be (T, {_POINTS}, 2), got {found.shape}")
        return found

    def _scaled(self, found: Landmarks) -> Landmarks:
        if self.face_height is None:
            return found
        height = float(np.ptp(found[..., 1], axis=1).mean())
        if height <= 0:
            raise MediaError("landmarks of a face without height; the detector found nothing")
        return found * (self.face_height / height)
