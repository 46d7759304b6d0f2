"""What the generated corpora know of a talking face: `<clip>.npz` beside each video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DataError


def read_tracks(video: Path, *names: str) -> tuple[NDArray[np.float32], ...]:
    """Tracks of a clip, one row a frame: `landmarks` (T, 68, 2), `opening` (T,), `width` (T,).

    Raises:
        DataError: there is no ground truth beside the video.
    """
    path = video.with_suffix(".npz")
    if not path.is_file():
        raise DataError(
            f"{path}: no ground truth of the face; the corpora of `zoo corpus make` have it"
        )
    with np.load(path, allow_pickle=False) as tracks:
        return tuple(tracks[name].astype(np.float32) for name in names)
