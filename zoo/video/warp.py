"""Cutting a patch out of a turned and scaled picture, pixel by pixel as two libraries do it.

A mouth crop is a patch of a warped face; only the pixels of the patch are computed, which gives
the same values as warping everything and cutting afterwards.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zoo.video.similarity import Matrix

Picture = NDArray[np.uint8]  # (H, W, C)
Rounding = Literal["nearest", "truncate"]


def invert(matrix: Matrix) -> Matrix:
    """The matrix (2, 3) that maps the other way."""
    return np.linalg.inv(np.concatenate([matrix, [[0.0, 0.0, 1.0]]]))[:2]


def cut_warped(
    picture: Picture,
    matrix: Matrix,
    top: int,
    left: int,
    height: int,
    width: int,
    rounding: Rounding = "nearest",
) -> Picture:
    """Warp a picture bilinearly, black outside, and return a patch of the result.

    Args:
        picture: (H, W, C) uint8.
        matrix: (2, 3), maps the picture to the warped frame.
        top: first row of the patch in the warped frame.
        left: first column of the patch.
        height: rows of the patch.
        width: columns of the patch.
        rounding: "nearest" is OpenCV's warpAffine, "truncate" is scikit-image's warp of values in
            [0, 1], times 255, cast to bytes.

    Returns:
        (height, width, C) uint8.
    """
    back = invert(matrix)
    columns = np.arange(left, left + width, dtype=np.float64)
    rows = np.arange(top, top + height, dtype=np.float64)[:, None]
    x = back[0, 0] * columns + back[0, 1] * rows + back[0, 2]
    y = back[1, 0] * columns + back[1, 1] * rows + back[1, 2]
    values = _bilinear(picture, x, y, 1 / 255 if rounding == "truncate" else 1.0)
    if rounding == "truncate":
        return (values * 255).astype(np.uint8)
    return np.rint(values).astype(np.uint8)


def _bilinear(
    picture: Picture, x: NDArray[np.float64], y: NDArray[np.float64], unit: float
) -> NDArray[np.float64]:
    """Values (h, w, C) at the places x, y (h, w); outside the picture everything is zero."""
    height, width = picture.shape[:2]
    # one black pixel on each side stands for all that lies outside
    padded = np.zeros((height + 2, width + 2, picture.shape[2]))
    np.multiply(picture, unit, out=padded[1:-1, 1:-1])
    left, top = np.floor(x), np.floor(y)
    dx, dy = (x - left)[..., None], (y - top)[..., None]
    column = np.clip(left, -1, width).astype(np.intp) + 1
    row = np.clip(top, -1, height).astype(np.intp) + 1
    right, below = np.minimum(column + 1, width + 1), np.minimum(row + 1, height + 1)
    # places beyond the black pixel must not reach back into the picture
    right[left < -1], below[top < -1] = 0, 0
    upper = (1 - dx) * padded[row, column] + dx * padded[row, right]
    lower = (1 - dx) * padded[below, column] + dx * padded[below, right]
    blended: NDArray[np.float64] = (1 - dy) * upper + dy * lower
    return blended
