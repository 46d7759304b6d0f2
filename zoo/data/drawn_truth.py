"""What the generated corpora know of a talking face: `<clip>.npz` beside each video."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DataError

# usual opening and width of a drawn mouth and their spread, in pixels
_MEAN: Final = np.array([6.7, 43.2], np.float32)
_SPREAD: Final = np.array([4.9, 4.4], np.float32)


def read_tracks(video: Path, *names: str) -> tuple[NDArray[np.float32], ...]:
    """Tracks of a clip, one row a frame: `landmarks` (T, 68, 2), `opening` (T,), `width` (T,).

    Raises:
        DataError: there is no ground truth beside the video.
    """
    path = video.with_suffix(".npz")
    if not path.is_file():
        raise DataError(
            f"{path}: no ground truth of the face; the corpora of `zoo corpus make` have it, if they "
            "were not made with --sound-only"
        )
    with np.load(path, allow_pickle=False) as tracks:
        return tuple(tracks[name].astype(np.float32) for name in names)


def read_mouth(video: Path) -> NDArray[np.float32]:
    """Opening and width of the mouth (T, 2), standardised over the corpora.

    Raises:
        DataError: as `read_tracks`.
    """
    mouth: NDArray[np.float32] = np.stack(read_tracks(video, "opening", "width"), axis=1)
    return (mouth - _MEAN) / _SPREAD
