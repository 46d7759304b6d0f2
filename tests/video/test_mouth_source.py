from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.make_media import write_clip
from zoo.errors import ConfigError, MediaError
from zoo.tasks import Video
from zoo.video.landmark_files import write_landmarks
from zoo.video.landmarks import Landmarks
from zoo.video.mouth import crop_mouth, fixed_crop, mean_face
from zoo.video.mouth_input import to_grey
from zoo.video.mouth_source import choose_source, mouth_crops


def noise(frames: int, height: int = 128, width: int = 128) -> torch.Tensor:
    return torch.randint(0, 256, (frames, 3, height, width), dtype=torch.uint8)


def landmarks(frames: int) -> Landmarks:
    return Landmarks(np.repeat((mean_face() / 2)[None], frames, axis=0))


class Detector:
    """Says the same of every frame; nothing where `found` is false."""

    def __init__(self, found: bool = True) -> None:
        self.found = found

    def detect(self, frames: torch.Tensor) -> Landmarks:
        points = landmarks(len(frames)).points
        return Landmarks(points if self.found else np.full_like(points, np.nan))


def test_small_clips_are_crops_already() -> None:
    clip = noise(3, 96, 96)
    assert torch.equal(mouth_crops(clip), to_grey(clip))


def test_a_track_without_landmarks_is_cut_in_the_middle() -> None:
    clip = noise(3)
    assert torch.equal(mouth_crops(clip), to_grey(fixed_crop(clip)))


@pytest.mark.parametrize("kind", ["file", "detector", "folder", "beside"])
def test_landmarks_of_every_kind(kind: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=14, size=(128, 128))
    folder = tmp_path if kind == "beside" else tmp_path / "points"
    folder.mkdir(exist_ok=True)
    file = write_landmarks(folder / "clip.npy", landmarks(14))
    source = {"file": file, "detector": Detector(), "folder": folder, "beside": None}[kind]
    found = mouth_crops(path, "avhubert", source)
    from zoo.video import load_video

    expected = to_grey(crop_mouth(load_video(path).frames, landmarks(14), "avhubert").frames)
    assert torch.equal(found, expected)


def test_a_folder_of_weights_is_a_detector(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    with pytest.raises(MediaError, match=r"no landmarks of clip\.mp4"):
        choose_source(clip, noise(2), tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert choose_source(clip, noise(2), tmp_path) == tmp_path


def test_other_frame_rates_come_to_25() -> None:
    clip = noise(100, 96, 96)
    assert torch.equal(mouth_crops(Video(clip, 50.0)), to_grey(clip[::2]))


def test_one_frame() -> None:
    assert mouth_crops(noise(1)).shape == (1, 96, 96)


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no LRS-style face track"):
        mouth_crops(noise(3, 96, 128))
    with pytest.raises(MediaError, match="none of the 3 frames has a face"):
        mouth_crops(noise(3), landmarks=Detector(found=False))
    with pytest.raises(MediaError, match="landmarks of 5 frames for a clip of 3"):
        mouth_crops(noise(3), landmarks=write_landmarks(tmp_path / "a.npy", landmarks(5)))
    with pytest.raises(MediaError, match="a folder of landmarks needs"):
        mouth_crops(noise(3), landmarks=tmp_path)
    with pytest.raises(MediaError, match=r"missing.mp4"):
        mouth_crops(tmp_path / "missing.mp4")
    with pytest.raises(ConfigError, match="unknown mouth preset"):
        mouth_crops(noise(3), "avhuber")
