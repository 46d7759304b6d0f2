"""One clip to what lip models read: a mouth crop at 25 frames a second, sound at 16 kHz."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from zoo.audio import SAMPLE_RATE, load_audio, save_audio
from zoo.audio.files import replacing
from zoo.errors import MediaError
from zoo.tasks import Video
from zoo.video.decode import probe_video
from zoo.video.landmarks import find_landmarks
from zoo.video.mouth import crop_mouth, fixed_crop, get_preset
from zoo.video.read import FPS, load_video
from zoo.video.write import save_video

FIXED = "fixed"
BESIDE = (".npy", ".pkl", ".json")


@dataclass(frozen=True)
class Prepared:
    """What was written, and how."""

    source: str
    video: str
    audio: str | None
    preset: str
    landmarks: str
    """The file or detector, or "fixed"."""
    frames: int
    frames_without_face: int


def prepare(
    path: str | Path,
    stem: str | Path,
    preset: str = "avhubert",
    landmarks: str | Path | None = None,
    *,
    model: str | Path | None = None,
) -> Prepared:
    """Write `<stem>.mp4` (96 x 96), `<stem>.wav` (if there is sound) and `<stem>.json` (how).

    Args:
        path: the video.
        stem: output path without ending.
        preset: how mouths are cut.
        landmarks: a file, a folder with a file for the video, "mediapipe" or "fixed"; None takes a
            file beside the video, else the fixed crop.
        model: the detector's model file.

    Raises:
        MediaError: the video or its landmarks cannot be used, or the fixed crop was left for a
            video that is no face track.
    """
    path, stem = Path(path), Path(stem)
    get_preset(preset)
    if path.resolve() == stem.with_name(f"{stem.name}.mp4").resolve():
        raise MediaError(f"{path}: the crop would be written over the video; choose another folder")
    source = _source(path, landmarks)
    frames = load_video(path).frames
    mouths, missing = _mouths(path, frames, preset, source, model)
    # frames are repeated or left out to come to 25 a second, as everywhere
    video = save_video(stem.with_name(f"{stem.name}.mp4"), Video(mouths, FPS))
    audio = None
    if probe_video(path).has_audio:
        audio = stem.with_name(f"{stem.name}.wav")
        save_audio(audio, load_audio(path, SAMPLE_RATE), SAMPLE_RATE)
    done = Prepared(
        str(path),
        str(video),
        None if audio is None else str(audio),
        FIXED if source == FIXED else preset,
        str(source),
        len(mouths),
        missing,
    )
    with replacing(stem.with_name(f"{stem.name}.json")) as part:
        part.write_text(json.dumps(asdict(done), indent=2) + "\n", encoding="utf-8")
    return done


def _source(path: Path, landmarks: str | Path | None) -> str | Path:
    """A file, "mediapipe" or "fixed"."""
    if landmarks is None:
        folder, fallback = path.parent, True
    elif Path(landmarks).is_dir():
        folder, fallback = Path(landmarks), False
    else:
        return landmarks
    for ending in BESIDE:
        if (folder / f"{path.stem}{ending}").is_file():
            return folder / f"{path.stem}{ending}"
    if fallback:
        return FIXED
    raise MediaError(f"{folder}: no landmarks of {path.name} ({path.stem}{' or '.join(BESIDE)})")


def _mouths(
    path: Path, frames: Tensor, preset: str, source: str | Path, model: str | Path | None
) -> tuple[Tensor, int]:
    """Crops (T, 3, 96, 96) and the number of frames without a face."""
    try:
        if str(source) == FIXED:
            _check_track(frames)
            return fixed_crop(frames), 0
        found = find_landmarks(frames, source, model=model)
        missing = int(torch.from_numpy(~found.present).sum())
        return crop_mouth(frames, found, preset).frames, missing
    except MediaError as error:
        raise MediaError(f"{path}: {error}") from error


def _check_track(frames: Tensor) -> None:
    height, width = frames.shape[-2:]
    if height != width:
        raise MediaError(
            f"frames of {width} x {height} pixels are no LRS-style face track (a square), so the "
            "fixed crop would miss the mouth; give landmarks as a file or `--landmarks mediapipe`"
        )
