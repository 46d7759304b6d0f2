"""Mouth crops of 96 x 96 pixels as the published lip-reading pipelines make them.

Every frame is turned and scaled so that stable points of the face lie where they do in a mean face
of 256 x 256 pixels, and the square around the mouth is cut out. The pipelines differ in the points,
the smoothing, the estimator and the rounding, so a model must get the crops of its own pipeline
(papers: AV-HuBERT, arXiv 2201.02184, section on preprocessing; Auto-AVSR, arXiv 2303.14307).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.errors import ConfigError, MediaError
from zoo.video import similarity
from zoo.video.landmarks import Landmarks, Points, check_length
from zoo.video.warp import Rounding, cut_warped

logger = logging.getLogger(__name__)

FACE_SIZE = 256  # side of the frame the mean face lies in
CROP_SIZE = 96
_HALF = CROP_SIZE // 2
_WINDOW = 12  # frames of smoothing
_MAX_OVERHANG = 5  # pixels by which a crop's centre may lie too far out
LRS_SHARE = 0.5  # of the side of a face track; the fixed crop of the first LRS papers


@dataclass(frozen=True, kw_only=True)
class MouthPreset:
    """One published way to cut mouths."""

    name: str
    """What checkpoints call it."""
    num_points: int
    """Landmarks a face."""
    stable: tuple[int, ...]
    """Landmarks that are laid onto the mean face."""
    mouth: tuple[int, int]
    """First and last + 1 of the landmarks whose mean is the centre of the crop."""
    smoothing: Literal["centred", "forward"]
    """Mean over up to 6 frames on both sides, moved to the frame's own centroid; or over the frame
    and the next 11, the last transform being kept to the end."""
    robust: bool
    """Least median of squares instead of least squares."""
    rounding: Rounding
    """How warped values become bytes."""
    min_frames: int = 1
    """Shorter clips are refused."""


_AVSR = MouthPreset(
    name="auto_avsr_retinaface",
    num_points=68,
    stable=(28, 33, 36, 39, 42, 45, 48, 54),
    mouth=(48, 68),
    smoothing="centred",
    robust=True,
    rounding="nearest",
    min_frames=_WINDOW,
)
PRESETS: dict[str, MouthPreset] = {
    preset.name: preset
    for preset in (
        MouthPreset(
            name="avhubert",
            num_points=68,
            stable=(33, 36, 39, 42, 45),
            mouth=(48, 68),
            smoothing="forward",
            robust=False,
            rounding="truncate",
        ),
        _AVSR,
        MouthPreset(
            name="auto_avsr_mediapipe",
            num_points=4,
            stable=(0, 1, 2, 3),
            mouth=(3, 4),
            smoothing="centred",
            robust=True,
            rounding="nearest",
        ),
        # the same as auto_avsr_retinaface, but short clips are kept
        MouthPreset(**{**vars(_AVSR), "name": "av_relscore", "min_frames": 1}),
    )
}


@dataclass(frozen=True, eq=False)
class MouthCrop:
    """Mouths of a clip and where they came from.

    Attributes:
        frames: (T, 3, 96, 96) uint8, colours in the order of the input.
        matrices: (T, 2, 3), from the clip to the frame of the mean face.
        corners: (T, 2) int64, row and column of the crop's first pixel in that frame.
        landmarks: (T, N, 2), the landmarks that the crop was centred on, in that frame.
    """

    frames: Tensor
    matrices: NDArray[np.float64]
    corners: NDArray[np.int64]
    landmarks: Points


@cache
def mean_face() -> Points:
    """The mean face (68, 2) in a frame of 256 x 256 pixels."""
    with files("zoo.video").joinpath("mean_face.txt").open(encoding="utf-8") as lines:
        points: Points = np.loadtxt(lines)
    points.flags.writeable = False
    return points


def get_preset(name: str) -> MouthPreset:
    """Find a preset by name.

    Raises:
        ConfigError: there is none; the message lists the nearest.
    """
    if name in PRESETS:
        return PRESETS[name]
    near = get_close_matches(name, PRESETS, n=3, cutoff=0.4) or list(PRESETS)
    raise ConfigError(f"unknown mouth preset {name!r}; did you mean {', '.join(near)}?")


def crop_mouth(
    frames: Tensor, landmarks: Landmarks, preset: str | MouthPreset = "avhubert"
) -> MouthCrop:
    """Cut the mouth out of every frame.

    Args:
        frames: (T, 3, H, W) uint8.
        landmarks: of the same T frames; frames without a face are filled in.
        preset: which pipeline.

    Raises:
        MediaError: no face in the whole clip, too few frames, a mouth too far from where mouths
            are (wrong landmarks), or landmarks of another clip or detector.
    """
    preset = get_preset(preset) if isinstance(preset, str) else preset
    check_length(landmarks, frames)
    _check_points(landmarks, preset)
    if len(frames) < preset.min_frames:
        raise MediaError(
            f"clip of {len(frames)} frames: {preset.name} takes {preset.min_frames} or more; "
            "use av_relscore, which is the same and keeps short clips"
        )
    points = landmarks.interpolated().points
    aligner = _centred if preset.smoothing == "centred" else _forward
    matrices, shown = aligner(points, preset)
    corners = np.array([_corner(face, preset) for face in shown], dtype=np.int64)
    crops = [
        cut_warped(picture, matrix, top, left, CROP_SIZE, CROP_SIZE, preset.rounding)
        for picture, matrix, (top, left) in zip(_channels_last(frames), matrices, corners)
    ]
    return MouthCrop(_channels_first(crops), matrices, corners, shown)


def fixed_crop(frames: Tensor) -> Tensor:
    """The middle of an LRS-style face track, where the mouth usually is, without looking for it.

    Args:
        frames: (T, 3, H, W) uint8, a tracked face that fills the picture.

    Returns:
        (T, 3, 96, 96) uint8: the middle square of half the shorter side, scaled.
    """
    warn_unchecked()
    height, width = frames.shape[-2:]
    side = max(1, round(min(height, width) * LRS_SHARE))
    top, left = (height - side) // 2, (width - side) // 2
    return resize(frames[..., top : top + side, left : left + side])


@cache
def warn_unchecked() -> None:
    """Say once that the fixed crop checks nothing."""
    logger.warning(
        "fixed crop: no face was looked for; it fits LRS-style face tracks only, and models were "
        "trained on aligned mouths, so give landmarks for results that count"
    )


def resize(frames: Tensor) -> Tensor:
    """Whole frames (T, 3, H, W) as (T, 3, 96, 96), what AV-HuBERT does to a clip without a face."""
    sized = torch.nn.functional.interpolate(
        frames.float(), (CROP_SIZE, CROP_SIZE), mode="bilinear", align_corners=False
    )
    return sized.round().clamp(0, 255).to(torch.uint8)


def _check_points(landmarks: Landmarks, preset: MouthPreset) -> None:
    count = landmarks.points.shape[1]
    if count != preset.num_points:
        fitting = [p.name for p in PRESETS.values() if p.num_points == count] or ["none"]
        raise MediaError(
            f"landmarks: {count} points a face, but {preset.name} needs {preset.num_points}; "
            f"presets for {count} points: {', '.join(fitting)}"
        )


def _reference(preset: MouthPreset) -> Points:
    """Where the stable points belong, (len(stable), 2)."""
    face = mean_face()
    if preset.num_points == len(face):
        return face[list(preset.stable)]
    parts = ((36, 42), (42, 48), (31, 36), (48, 68))  # eyes, nose tip, mouth
    return np.stack([face[first:last].mean(axis=0) for first, last in parts])


def _centred(points: Points, preset: MouthPreset) -> tuple[NDArray[np.float64], Points]:
    """Transforms (T, 2, 3) and the smoothed landmarks (T, N, 2) in the mean face's frame."""
    stable, reference = list(preset.stable), _reference(preset)
    estimate = similarity.fit_robust if preset.robust else similarity.fit
    matrices, shown = [], []
    for t, own in enumerate(points):
        margin = min(_WINDOW // 2, t, len(points) - 1 - t)
        smooth = np.mean(points[t - margin : t + margin + 1], axis=0)
        smooth += own.mean(axis=0) - smooth.mean(axis=0)
        matrices.append(estimate(smooth[stable], reference))
        shown.append(similarity.apply(matrices[-1], smooth))
    return np.stack(matrices), np.stack(shown)


def _forward(points: Points, preset: MouthPreset) -> tuple[NDArray[np.float64], Points]:
    """Transforms (T, 2, 3) and the frames' own landmarks (T, N, 2) in the mean face's frame."""
    stable, reference = list(preset.stable), _reference(preset)
    estimate = similarity.fit_robust if preset.robust else similarity.fit
    window = min(len(points), _WINDOW)
    last = len(points) - window
    fitted = [
        estimate(np.mean(points[t : t + window], axis=0)[stable], reference)
        for t in range(last + 1)
    ]
    matrices = fitted + [fitted[-1]] * (len(points) - len(fitted))
    shown = [similarity.apply(matrix, own) for matrix, own in zip(matrices, points)]
    return np.stack(matrices), np.stack(shown)


def _corner(face: Points, preset: MouthPreset) -> tuple[int, int]:
    """Row and column of the crop around the mouth of a face (N, 2)."""
    x, y = face[slice(*preset.mouth)].mean(axis=0)
    if not (np.isfinite(x) and np.isfinite(y)):
        raise MediaError("landmarks: the points of a face coincide, which fixes no transform")
    if preset.smoothing == "forward":
        # parity: AV-HuBERT first moves the crop inside, so that its check never refuses a clip
        y, x = (min(max(c, _HALF), FACE_SIZE - _HALF) for c in (y, x))
        return round(float(y)) - _HALF, round(float(x)) - _HALF
    for name, centre in (("height", y), ("width", x)):
        if abs(centre - FACE_SIZE / 2) > _HALF + _MAX_OVERHANG:
            raise MediaError(
                f"landmarks: the mouth lies {abs(centre - FACE_SIZE / 2):.0f} pixels off the middle "
                f"of the aligned face in {name}, more than {_HALF + _MAX_OVERHANG}; the pipeline "
                "drops such clips, check that the landmarks belong to this clip"
            )
    return round(float(y) - _HALF), round(float(x) - _HALF)


def _channels_last(frames: Tensor) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = frames.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return pixels


def _channels_first(crops: list[NDArray[np.uint8]]) -> Tensor:
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous()
