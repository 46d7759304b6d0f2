"""Which part of a picture a talking-face model takes for the face; shared by their configurations."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.hub.config import ZooConfig
from zoo.video.face_boxes import BoxRule


@dataclass(frozen=True, kw_only=True)
class CropConfig(ZooConfig):
    """How a face is cut out of a picture."""

    track_box: tuple[float, float, float] = (0.5, 0.45, 0.64)
    """Centre x, centre y and side in an LRS-style face track, as shares of its shorter side."""
    landmark_box: tuple[float, float, float] = (0.43, 2.0, 2.65)
    """Centre below the eyes, width and height in distances from eyes to mouth (about an S3FD box)."""
    antialias: bool = False
    """Smooth before shrinking; OpenCV's resize, with which the released weights live, does not."""

    @classmethod
    def tiny(cls) -> CropConfig:
        """The faces of the tiny corpora: brows to chin, the mouth in the lower half."""
        return cls(track_box=(0.5, 0.545, 0.64), landmark_box=(0.67, 2.25, 2.25), antialias=True)

    @property
    def rule(self) -> BoxRule:
        """As the box finder takes it."""
        return BoxRule(track=self.track_box, landmarks=self.landmark_box)
