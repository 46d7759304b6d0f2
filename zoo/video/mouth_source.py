"""The mouth crops of any clip that a user hands in: what every lip-reading model calls.

| clip | landmarks | crop |
|---|---|---|
| 96 x 96 pixels | none given | it is one already |
| any | a file, "mediapipe" or a detector | aligned as the preset says |
| a file | none given, but a file of landmarks lies beside it | the same |
| a square (a face track) | none | the fixed crop of LRS-style tracks, with a warning |
| any other | none | `MediaError` |
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from zoo.errors import MediaError
from zoo.tasks import VideoLike
from zoo.video.landmarks import LandmarkDetector, find_landmarks, is_checkpoint
from zoo.video.mouth import CROP_SIZE, crop_mouth, fixed_crop, get_preset
from zoo.video.mouth_input import to_grey
from zoo.video.read import as_video

FIXED = "fixed"
READY = "ready-made crop"
BESIDE = (".npy", ".pkl", ".json")  # .npz files beside clips are ground truth of corpora
Source = str | Path | LandmarkDetector


def mouth_crops(
    video: VideoLike,
    preset: str = "avhubert",
    landmarks: Source | None = None,
    *,
    model: str | Path | None = None,
) -> Tensor:
    """Grey mouths of a clip at 25 frames a second.

    Args:
        video: a path, a `Video` or a tensor (T, 3, H, W) uint8.
        preset: the pipeline whose crops the model was trained on (`zoo.video.mouth.PRESETS`).
        landmarks: a file, a folder with a file for the clip, "mediapipe", "fixed", a detector or a
            checkpoint of one (name or folder); None decides by the table of this module.
        model: the detector's model file, where it needs one.

    Returns:
        (T, 96, 96) uint8.

    Raises:
        MediaError: the clip or its landmarks cannot be used, no frame has a face, or no crop can
            be made without landmarks.
    """
    get_preset(preset)
    path = Path(video) if isinstance(video, (str, Path)) else None
    frames = as_video(video).frames
    source = choose_source(path, frames, landmarks)
    try:
        mouths, _ = cut_mouths(frames, preset, source, model=model)
    except MediaError as error:
        raise MediaError(f"{path or 'video'}: {error}") from error
    return to_grey(mouths)


def choose_source(path: Path | None, frames: Tensor, landmarks: Source | None) -> Source:
    """Where the crops of a clip come from: a file, a detector's name, `FIXED` or `READY`.

    Args:
        path: the clip, if it is a file.
        frames: (T, 3, H, W).
        landmarks: what the user said.

    Raises:
        MediaError: a folder was given that has no landmarks of the clip.
    """
    if landmarks is None:
        if tuple(frames.shape[-2:]) == (CROP_SIZE, CROP_SIZE):
            return READY
        found = None if path is None else _file_of(path, path.parent)
        return FIXED if found is None else found
    if not isinstance(landmarks, (str, Path)) or not Path(landmarks).is_dir():
        return landmarks
    if is_checkpoint(landmarks):
        return landmarks
    if path is None:
        raise MediaError(f"{landmarks}: a folder of landmarks needs a clip that is a file")
    found = _file_of(path, Path(landmarks))
    if found is None:
        endings = " or ".join(BESIDE)
        raise MediaError(f"{landmarks}: no landmarks of {path.name} ({path.stem}{endings})")
    return found


def cut_mouths(
    frames: Tensor, preset: str, source: Source, *, model: str | Path | None = None
) -> tuple[Tensor, int]:
    """Mouths (T, 3, 96, 96) uint8 from a source, and the number of frames without a face.

    Raises:
        MediaError: see `mouth_crops`.
    """
    if source == READY:
        return frames, 0
    if source == FIXED:
        _check_track(frames)
        return fixed_crop(frames), 0
    found = find_landmarks(frames, source, model=model)
    missing = int(torch.from_numpy(~found.present).sum())
    return crop_mouth(frames, found, preset).frames, missing


def _file_of(path: Path, folder: Path) -> Path | None:
    files = (folder / f"{path.stem}{ending}" for ending in BESIDE)
    return next((file for file in files if file.is_file()), None)


def _check_track(frames: Tensor) -> None:
    height, width = frames.shape[-2:]
    if height != width:
        raise MediaError(
            f"frames of {width} x {height} pixels are no LRS-style face track (a square), so the "
            "fixed crop would miss the mouth; give landmarks as a file or `--landmarks mediapipe`"
        )
