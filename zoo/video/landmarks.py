"""Face landmarks of a clip: where they come from, one interface for every source.

| source | points | needs |
|---|---|---|
| a file (.npy, .npz, .pkl, .json) | what it holds: 68 or 4 | nothing |
| `mediapipe` | 4: right eye, left eye, nose tip, mouth centre | extra `landmarks`, a model file |
| a checkpoint, e.g. `judge_landmarks.tiny` | 68, of the drawn faces of the tiny corpora | its weights |

Eyes are the person's own left and right, so the right eye is on the left of the picture. 68 points
are numbered as dlib and FAN do. A frame without a face holds NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from zoo.errors import MediaError

Points = NDArray[np.float64]
MEDIAPIPE = "mediapipe"


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Landmarks of every frame.

    Attributes:
        points: (T, N, 2) x and y in pixels; NaN where no face was found.
    """

    points: Points

    def __post_init__(self) -> None:
        shape = self.points.shape
        if len(shape) != 3 or shape[2] != 2 or 0 in shape:
            raise MediaError(f"landmarks: expected (T, N, 2) numbers, got shape {shape}")

    @classmethod
    def from_frames(cls, frames: Sequence[Any]) -> Landmarks:
        """Collect one (N, 2) array, or None, for each frame.

        Raises:
            MediaError: frames with different numbers of points, no frame at all, or every frame
                without a face.
        """
        found = [None if f is None else np.asarray(f, dtype=np.float64) for f in frames]
        shapes = sorted({f.shape for f in found if f is not None})
        if not shapes:
            raise MediaError(f"landmarks: none of the {len(found)} frames has a face")
        if len(shapes) > 1 or len(shapes[0]) != 2:
            raise MediaError(
                f"landmarks: frames hold arrays of shape {shapes}; expected one (N, 2) for all "
                "(files of different detectors must not be mixed)"
            )
        missing = np.full(shapes[0], np.nan)
        return cls(np.stack([missing if f is None else f for f in found]))

    @property
    def present(self) -> NDArray[np.bool_]:
        """(T,) whether a face was found."""
        return np.asarray(np.isfinite(self.points).all(axis=(1, 2)))

    def __len__(self) -> int:
        return len(self.points)

    def interpolated(self) -> Landmarks:
        """Fill frames without a face: linearly between neighbours, copies at both ends.

        Raises:
            MediaError: no frame has a face.
        """
        known = np.flatnonzero(self.present)
        if not len(known):
            raise MediaError(f"landmarks: none of the {len(self)} frames has a face")
        filled = self.points.copy()
        filled[: known[0]] = filled[known[0]]
        filled[known[-1] :] = filled[known[-1]]
        for start, stop in pairwise(known):
            step = filled[stop] - filled[start]
            for k in range(1, stop - start):
                filled[start + k] = filled[start] + k / float(stop - start) * step
        return Landmarks(filled)


@runtime_checkable
class LandmarkDetector(Protocol):
    """Finds the landmarks of the pictures of a clip."""

    def detect(self, frames: Tensor) -> Landmarks:
        """Landmarks of frames (T, 3, H, W) uint8, RGB; `MediaError` if no frame has a face."""
        ...


def find_landmarks(
    frames: Tensor, source: str | Path | LandmarkDetector, *, model: str | Path | None = None
) -> Landmarks:
    """The landmarks of a clip from any source.

    Args:
        frames: (T, 3, H, W) uint8.
        source: a file (see `read_landmarks`), "mediapipe", a checkpoint of the zoo (name or
            folder), or a detector.
        model: the detector's model file, where it needs one.

    Raises:
        MediaError: the source cannot be used, or its landmarks are not those of this clip.
    """
    if isinstance(source, LandmarkDetector):
        landmarks = source.detect(frames)
    elif str(source) == MEDIAPIPE or is_checkpoint(source):
        landmarks = load_detector(source, model=model).detect(frames)
    else:
        from zoo.video.landmark_files import read_landmarks

        landmarks = read_landmarks(source)
    check_length(landmarks, frames, source)
    return landmarks


def load_detector(
    source: str | Path, device: str | None = None, *, model: str | Path | None = None
) -> LandmarkDetector:
    """A detector by name.

    Args:
        source: "mediapipe" or a checkpoint of the zoo (name or folder).
        device: where a checkpoint runs.
        model: MediaPipe's model file.

    Raises:
        MediaError: it cannot be used, or it detects no landmarks.
    """
    if str(source) == MEDIAPIPE:
        from zoo.video.mediapipe_faces import MediaPipeFaces

        return MediaPipeFaces(model)
    return _loaded(str(source), device)


@lru_cache(maxsize=4)  # a folder of clips asks once a clip
def _loaded(source: str, device: str | None) -> LandmarkDetector:
    import zoo
    from zoo.errors import ZooError

    try:
        found = zoo.from_pretrained(source, device=device)
    except ZooError as error:
        raise MediaError(f"landmarks by {source}: {error}") from error
    if not isinstance(found, LandmarkDetector):
        raise MediaError(
            f"{source} is a {type(found).__name__}, which detects no landmarks; use "
            "judge_landmarks.tiny for drawn faces, mediapipe or a file for others"
        )
    return found.eval()


def is_checkpoint(source: str | Path) -> bool:
    """Whether this is a folder of weights, or the name of a model with its tag."""
    from zoo.models import MODEL_CLASSES

    path = Path(source)
    if path.exists():
        return (path / "config.json").is_file()
    return str(source).partition(".")[0] in MODEL_CLASSES


def check_length(landmarks: Landmarks, frames: Tensor, source: object = "landmarks") -> None:
    """Raise `MediaError` unless there is one set of points for each frame."""
    if len(landmarks) != len(frames):
        raise MediaError(
            f"{source}: landmarks of {len(landmarks)} frames for a clip of {len(frames)}; they "
            "must come from the same file at the same frame rate (25 frames a second)"
        )
