from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from zoo.errors import MediaError, ZooError
from zoo.video.landmark_files import read_landmarks, write_landmarks
from zoo.video.landmarks import Landmarks, find_landmarks
from zoo.video.mediapipe_faces import ENTRY, VARIABLE, MediaPipeFaces, find_model, largest_face

POINTS = np.random.default_rng(0).uniform(0, 200, (4, 68, 2))
FRAMES = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)


def with_gap() -> list[Any]:
    return [POINTS[0], None, POINTS[2], POINTS[3]]


@pytest.fixture(params=["pkl", "json", "wrapped.json", "npy", "npz"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"landmarks.{request.param}"
    rows = [None if frame is None else frame.tolist() for frame in with_gap()]
    if path.suffix == ".pkl":
        path.write_bytes(pickle.dumps(with_gap()))
    elif path.suffix == ".json":
        wrapped = request.param.startswith("wrapped")
        path.write_text(json.dumps({"landmarks": rows} if wrapped else rows))
    else:
        points = POINTS.copy()
        points[1] = np.nan
        np.save(path, points) if path.suffix == ".npy" else np.savez(path, landmarks=points)
    return path


def test_every_kind_of_file(file: Path) -> None:
    landmarks = read_landmarks(file)
    assert landmarks.present.tolist() == [True, False, True, True]
    np.testing.assert_array_equal(landmarks.points[[0, 2, 3]], POINTS[[0, 2, 3]])
    assert len(find_landmarks(FRAMES, file)) == 4


def test_interpolation() -> None:
    points = np.zeros((7, 4, 2))
    points[2], points[5] = 10.0, 40.0
    points[[0, 1, 3, 4, 6]] = np.nan
    filled = Landmarks(points).interpolated().points
    assert filled[:, 0, 0].tolist() == [10, 10, 10, 20, 30, 40, 40]


@pytest.mark.parametrize("ending", [".npy", ".json"])
def test_round_trip(tmp_path: Path, ending: str) -> None:
    landmarks = Landmarks.from_frames(with_gap())
    again = read_landmarks(write_landmarks(tmp_path / f"x{ending}", landmarks))
    np.testing.assert_array_equal(again.points, landmarks.points)


class Hostile:
    def __reduce__(self) -> Any:
        return os.mkdir, ("pwned",)


def test_a_hostile_pickle_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps([Hostile()]))
    with pytest.raises(ZooError, match=r"evil\.pkl"):
        read_landmarks(path)
    objects = tmp_path / "evil.npy"
    np.save(objects, np.array([Hostile()], dtype=object), allow_pickle=True)
    with pytest.raises(MediaError, match=r"evil\.npy"):
        read_landmarks(objects)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "none of the 0 frames has a face"),
        ([None, None], "none of the 2 frames has a face"),
        ([[[1, 2]] * 68, [[1, 2]] * 4], "different detectors"),
        ("text", "cannot be read"),
        ({"points": []}, "cannot be read"),
    ],
)
def test_bad_files(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    with pytest.raises(MediaError, match=message):
        read_landmarks(path)


def test_other_errors(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        read_landmarks(tmp_path / "x.npy")
    (tmp_path / "x.txt").write_text("1 2")
    with pytest.raises(MediaError, match="unknown ending"):
        read_landmarks(tmp_path / "x.txt")
    write_landmarks(tmp_path / "x.npy", Landmarks(POINTS[:3]))
    with pytest.raises(MediaError, match="landmarks of 3 frames for a clip of 4"):
        find_landmarks(FRAMES, tmp_path / "x.npy")


def test_any_detector_will_do() -> None:
    class Detector:
        def detect(self, frames: torch.Tensor) -> Landmarks:
            return Landmarks(POINTS[: len(frames)])

    assert find_landmarks(FRAMES, Detector()).points.shape == (4, 68, 2)


def test_mediapipe_says_which_model_it_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("ZOO_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr("zoo.hub.hubrepo.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(MediaError, match=r"(?s)zoo fetch judge.mediapipe-face.*blaze_face_full"):
        find_model(None)
    fetched = tmp_path / "models" / ENTRY / "blaze_face_short_range.tflite"
    fetched.parent.mkdir(parents=True)
    fetched.write_bytes(b"x")
    assert find_model(None) == fetched
    with pytest.raises(MediaError, match="no such model file"):
        find_model(tmp_path / "x.tflite")
    model = tmp_path / "blaze_face_short_range.tflite"
    model.write_bytes(b"x")
    assert find_model(tmp_path) == find_model(model) == model
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert find_model(None) == model


def test_mediapipe_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "blaze_face_full_range.tflite"
    model.write_bytes(b"x")
    monkeypatch.setattr("zoo.video.mediapipe_faces.find_spec", lambda name: None)
    with pytest.raises(MediaError, match=r"avspeech-zoo\[landmarks\]"):
        MediaPipeFaces(model)


def test_the_largest_face_in_whole_pixels() -> None:
    def face(size: int, at: float) -> SimpleNamespace:
        keys = [SimpleNamespace(x=at + k / 100, y=at) for k in range(6)]
        return SimpleNamespace(
            bounding_box=SimpleNamespace(width=size, height=size), keypoints=keys
        )

    points = largest_face([face(10, 0.1), face(30, 0.505), face(20, 0.3)], 200, 100)
    assert points is not None
    assert points.tolist() == [[101, 50], [103, 50], [105, 50], [107, 50]]
    assert largest_face([], 200, 100) is None
