"""One clip to what lip models read: a mouth crop at 25 frames a second, sound at 16 kHz."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from zoo.audio import SAMPLE_RATE, load_audio, save_audio
from zoo.audio.files import replacing
from zoo.errors import MediaError
from zoo.tasks import Video
from zoo.video.decode import probe_video
from zoo.video.mouth import get_preset
from zoo.video.mouth_source import FIXED, READY, choose_source, cut_mouths
from zoo.video.read import FPS, load_video
from zoo.video.write import save_video


@dataclass(frozen=True)
class Prepared:
    """What was written, and how."""

    source: str
    video: str
    audio: str | None
    preset: str
    landmarks: str
    """The file or detector, "fixed", or "ready-made crop" for a clip of 96 x 96 pixels."""
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
    frames = load_video(path).frames
    source = choose_source(path, frames, landmarks)
    try:
        mouths, missing = cut_mouths(frames, preset, source, model=model)
    except MediaError as error:
        raise MediaError(f"{path}: {error}") from error
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
        str(source) if source in (FIXED, READY) else preset,
        str(source),
        len(mouths),
        missing,
    )
    with replacing(stem.with_name(f"{stem.name}.json")) as part:
        part.write_text(json.dumps(asdict(done), indent=2) + "\n", encoding="utf-8")
    return done
