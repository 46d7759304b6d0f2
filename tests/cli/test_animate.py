from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.make_media import write_clip
from tests.models.batches import tiny_config
from zoo.cli import main
from zoo.models.wav2lip_syncnet.module import Wav2Lip
from zoo.tasks import Picture, Speech
from zoo.video import load_video, probe_video
from zoo.video.generated import read_mark
from zoo.video.landmark_files import write_landmarks
from zoo.video.landmarks import Landmarks


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, a picture and a recording."""
    root = tmp_path_factory.mktemp("animate")
    torch.manual_seed(0)
    Wav2Lip(tiny_config("wav2lip_syncnet")).save_pretrained(root / "model")
    Picture(torch.randint(0, 256, (3, 90, 100), dtype=torch.uint8)).save(root / "face.png")
    Speech(torch.randn(9600) * 0.1, 16_000).save(root / "speech.wav")
    return root


def call(folder: Path, *words: str, face: str = "face.png", speech: str = "speech.wav") -> int:
    model = ["--model", str(folder / "model")]
    return main(["animate", str(folder / face), str(folder / speech), *model, *words])


def test_a_picture_and_a_recording_become_a_marked_film(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "talk.mp4"
    assert call(folder, "--out", str(out), "--box", "10,10,80,80") == 0
    assert "0.60 s of 100 x 90 at 25 frames/s" in capsys.readouterr().out
    assert probe_video(out).has_audio and len(load_video(out).frames) == 15
    claim = read_mark(out)
    assert claim is not None and claim["actions"][0]["softwareAgent"] == "wav2lip_syncnet"


def test_the_mark_can_be_left_out(folder: Path) -> None:
    out = folder / "plain.mp4"
    assert call(folder, "--out", str(out), "--mark", "none", "--hard-edges") == 0
    assert read_mark(out) is None


@pytest.mark.parametrize(
    ("words", "files", "message"),
    [
        (["--out", "x.mp4"], {"face": "absent.png"}, "absent.png: no such file"),
        (["--out", "x.mp4"], {"speech": "absent.wav"}, "absent.wav: no such file"),
        (["--out", "x.mp4"], {"speech": "face.png"}, "face.png"),
        (["--out", "x.avi"], {}, "ends in .mp4"),
        (["--out", "x.mp4", "--box", "95,0,100,90"], {}, "at least 16 x 16"),
        (["--out", "x.mp4", "--landmarks", "absent.npy"], {}, "absent.npy"),
    ],
)
def test_bad_input_is_one_line(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    files: dict[str, str],
    message: str,
) -> None:
    assert call(folder, *words, **files) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_box_must_be_four_numbers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call(folder, "--out", "x.mp4", "--box", "1,2,3")
    assert "left,top,right,bottom" in capsys.readouterr().err


def test_a_picture_without_a_face_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "faceless.mp4"
    points = write_landmarks(folder / "none.npy", Landmarks(np.full((1, 68, 2), np.nan)))
    assert call(folder, "--out", str(out), "--landmarks", str(points)) == 1
    error = capsys.readouterr().err
    assert "none of the 1 frames has a face" in error and error.count("\n") == 1
    assert not out.exists()


def test_a_clip_keeps_its_rate_and_a_silent_one_is_no_speech(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "fast.mp4"
    write_clip(folder / "fast-face.mp4", frames=10, fps=50, size=(64, 64))
    assert call(folder, "--out", str(out), face="fast-face.mp4") == 0
    assert "0.60 s of 64 x 64 at 50 frames/s" in capsys.readouterr().out
    assert call(folder, "--out", str(out), speech="fast-face.mp4") == 1
    assert "has pictures but no sound" in capsys.readouterr().err
