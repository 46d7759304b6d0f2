from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.make_media import tone, write_clip
from zoo.audio import load_audio
from zoo.cli import main
from zoo.video import load_video
from zoo.video.landmark_files import write_landmarks
from zoo.video.landmarks import Landmarks
from zoo.video.mouth import crop_mouth, mean_face


@pytest.fixture
def track(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return write_clip(
        folder / "clip.mp4", frames=30, size=(128, 128), sound=tone(1.2, 16_000), rate=16_000
    )


def landmarks(frames: int) -> Landmarks:
    return Landmarks(np.repeat((mean_face() / 2)[None], frames, axis=0))


def test_landmarks_beside_the_video(track: Path, tmp_path: Path) -> None:
    points = landmarks(30)
    points.points[3] = np.nan
    write_landmarks(track.with_suffix(".npy"), points)
    assert main(["prepare", str(track), "--preset", "avhubert", "--out", str(tmp_path / "o")]) == 0
    crop = load_video(tmp_path / "o" / "clip.mp4").frames
    expected = crop_mouth(load_video(track).frames, points, "avhubert").frames
    assert crop.shape == (30, 3, 96, 96)
    assert float((crop.float() - expected.float()).abs().mean()) < 4  # H.264 lies between
    sound = load_audio(tmp_path / "o" / "clip.wav")
    assert float((sound - load_audio(track)).abs().max()) < 1e-4
    how = json.loads((tmp_path / "o" / "clip.json").read_text())
    assert how["preset"] == "avhubert"
    assert how["landmarks"].endswith("clip.npy")
    assert (how["frames"], how["frames_without_face"]) == (30, 1)


def test_without_landmarks_the_fixed_crop(track: Path, tmp_path: Path) -> None:
    assert main(["prepare", str(track), "--out", str(tmp_path / "o")]) == 0
    how = json.loads((tmp_path / "o" / "clip.json").read_text())
    assert how["preset"] == how["landmarks"] == "fixed"


def test_a_wide_video_needs_landmarks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_clip(tmp_path / "wide.mp4", frames=12, size=(128, 96))
    assert main(["prepare", str(path), "--out", str(tmp_path / "o")]) == 1
    assert "no LRS-style face track" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_folders_keep_their_layout(track: Path, tmp_path: Path) -> None:
    inner = tmp_path / "in" / "video" / "00001.mp4"
    inner.parent.mkdir()
    write_clip(inner, frames=12, size=(128, 128))
    assert main(["prepare", str(tmp_path / "in"), "--out", str(tmp_path / "o")]) == 0
    assert (tmp_path / "o" / "clip.mp4").is_file()
    assert (tmp_path / "o" / "video" / "00001.mp4").is_file()
    assert not (tmp_path / "o" / "video" / "00001.wav").exists()  # it has no sound


def test_one_bad_video_does_not_stop_the_others(
    track: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (track.parent / "broken.mp4").write_bytes(b"x")
    assert main(["prepare", str(track.parent), "--out", str(tmp_path / "o")]) == 1
    assert (tmp_path / "o" / "clip.mp4").is_file()
    assert "broken.mp4" in capsys.readouterr().out.replace("\n", "")


def test_errors(track: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "o")]
    assert main(["prepare", str(track), "--preset", "avhubbert", *out]) == 1
    assert "did you mean avhubert" in capsys.readouterr().err
    assert main(["prepare", str(track), "--landmarks", str(tmp_path), *out]) == 1
    assert "no landmarks of clip.mp4" in capsys.readouterr().err
    assert main(["prepare", str(track), "--landmarks", "mediapipe", *out]) == 1
    # without the package that is what is missing, with it the model file
    wanted = "blaze_face" if find_spec("mediapipe") else "avspeech-zoo[landmarks]"
    assert wanted in capsys.readouterr().err
    assert main(["prepare", str(track), "--out", str(track.parent)]) == 1
    assert "written over the video" in capsys.readouterr().err


def test_real_clip(real_root: Path, tmp_path: Path) -> None:
    clips = [p for p in (real_root / "lrs3").rglob("*.mp4") if p.stem.isdigit()]
    assert main(["prepare", str(clips[0]), "--out", str(tmp_path)]) == 0
    crop = load_video(tmp_path / f"{clips[0].stem}.mp4").frames
    assert crop.shape == (len(load_video(clips[0]).frames), 3, 96, 96)
