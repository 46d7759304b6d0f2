"""Key points of the largest face in a picture by MediaPipe's FaceDetector task.

MediaPipe is an optional dependency (extra `landmarks`) and ships no model. The short-range one, for
faces closer than about two metres, is a catalogue entry and is resolved like any checkpoint; the
full-range one can be named in its place. auto_avsr's MediaPipe crops were made with these two.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from zoo.errors import MediaError
from zoo.video.landmarks import Landmarks, Points

MODEL_FILES = ("blaze_face_full_range.tflite", "blaze_face_short_range.tflite")
VARIABLE = "ZOO_MEDIAPIPE_MODEL"
ENTRY = "judge.mediapipe-face"
CONFIDENCE = 0.5
NUM_POINTS = 4  # right eye, left eye, nose tip, mouth centre; the two ears are left out


class MediaPipeFaces:
    """A `LandmarkDetector`: four key points of the largest face of each frame.

    Args:
        model: the .tflite file, or a folder that holds one of `MODEL_FILES`; None takes it from
            the environment variable `ZOO_MEDIAPIPE_MODEL`, then from the catalogue.

    Raises:
        MediaError: MediaPipe is not installed, or there is no model file.
    """

    def __init__(self, model: str | Path | None = None) -> None:
        if find_spec("mediapipe") is None:
            raise MediaError(
                "MediaPipe is not installed: `pip install 'avspeech-zoo[landmarks]'`, or give "
                "landmarks as a file"
            )
        self.model = find_model(model)

    def detect(self, frames: Tensor) -> Landmarks:
        """Key points of frames (T, 3, H, W) uint8; in whole pixels, as auto_avsr keeps them."""
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceDetectorOptions(
            base_options=BaseOptions(model_asset_path=str(self.model)),
            min_detection_confidence=CONFIDENCE,
        )
        height, width = frames.shape[-2:]
        found: list[Points | None] = []
        try:
            opened = vision.FaceDetector.create_from_options(options)
        except (ValueError, RuntimeError) as error:
            raise MediaError(
                f"{self.model}: MediaPipe cannot use it ({error}); expected a model of its face "
                f"detector ({' or '.join(MODEL_FILES)})"
            ) from error
        with opened as detector:
            for pixels in frames.permute(0, 2, 3, 1).contiguous().cpu().numpy():
                image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
                found.append(largest_face(detector.detect(image).detections, width, height))
        return Landmarks.from_frames(found)


def find_model(model: str | Path | None) -> Path:
    """The model file itself.

    Raises:
        MediaError: it is not there; the message says which file is wanted.
    """
    given = model if model is not None else os.environ.get(VARIABLE)
    if given is None:
        return _from_catalogue()
    wanted = f"the face detector of MediaPipe ({' or '.join(MODEL_FILES)})"
    path = Path(given)
    candidates = [path / name for name in MODEL_FILES] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise MediaError(f"{path}: no such model file; expected {wanted}")


def _from_catalogue() -> Path:
    from zoo.errors import ZooError
    from zoo.hub.catalogue import find
    from zoo.hub.hubrepo import Access
    from zoo.hub.official import official_files

    try:
        return official_files(find(ENTRY), Access.of())[0]
    except ZooError as error:
        raise MediaError(
            f"no model file for MediaPipe's face detector: {error}; or name a file "
            f"({' or '.join(MODEL_FILES)}) with --landmark-model or in ${VARIABLE}; landmarks from "
            "a file need no model"
        ) from error


def largest_face(detections: Any, width: int, height: int) -> Points | None:
    """Points (4, 2) of the detection with the largest box (width + height), None without any."""
    if not detections:
        return None
    largest = max(detections, key=lambda d: d.bounding_box.width + d.bounding_box.height)
    points = [(p.x * width, p.y * height) for p in largest.keypoints[:NUM_POINTS]]
    # parity: auto_avsr cuts to integers
    whole: Points = np.trunc(np.array(points))
    return whole
