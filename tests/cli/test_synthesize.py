from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch

from tests.make_media import tone, write_clip
from tests.models.batches import lip2speech_config
from zoo.audio import load_audio
from zoo.cli import main
from zoo.models.lip2speech_unit.module import Lip2SpeechUnit
from zoo.video import load_video
from zoo.video.landmark_files import write_landmarks
from zoo.video.landmarks import Landmarks


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model") / "model"
    one = Lip2SpeechUnit(lip2speech_config()).eval()
    one.mean_speaker.fill_(0.1)
    one.save_pretrained(folder)
    return folder


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", frames=12, size=(96, 96))


def test_a_clip_gets_its_speech(model: Path, clip: Path, tmp_path: Path) -> None:
    out, film = tmp_path / "speech.wav", tmp_path / "out.mp4"
    command = ["synthesize", str(clip), "--model", str(model), "--out", str(out)]
    assert main([*command, "--mux", str(film)]) == 0
    assert len(load_audio(out)) == 12 * 640
    muxed = load_video(film, with_audio=True)
    assert len(muxed.frames) == 12
    assert muxed.speech is not None
    assert abs(muxed.speech.duration_s - 12 / 25) < 0.1
    with av.open(str(film)) as container:
        assert "generated" in container.metadata["comment"]


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["{clip}", "--out", "{tmp}/speech.txt"], "speech is written as"),
        (["{tmp}/none.mp4", "--out", "{tmp}/s.wav"], "no such file"),
        (["{clip}", "--out", "{tmp}/s.wav", "--mux", "{tmp}/s.avi"], "written as .mp4"),
        (["{clip}", "--out", "{tmp}/s.wav", "--speaker", "{tmp}/none.wav"], "no such file"),
    ],
)
def test_what_cannot_be_is_said_first(
    flags: list[str],
    complaint: str,
    clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [flag.format(clip=clip, tmp=tmp_path) for flag in flags]
    assert main(["synthesize", *words, "--model", "nowhere/at-all"]) == 1
    assert complaint in capsys.readouterr().err


def test_another_kind_of_model_is_refused(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from zoo.models.ge2e.config import GE2EConfig
    from zoo.models.ge2e.module import SpeakerEncoder

    SpeakerEncoder(GE2EConfig.tiny()).save_pretrained(tmp_path / "voice")
    command = ["synthesize", str(clip), "--out", str(tmp_path / "s.wav")]
    assert main([*command, "--model", str(tmp_path / "voice")]) == 1
    assert "does not read lips aloud" in capsys.readouterr().err


def test_wide_frames_need_landmarks(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = write_clip(tmp_path / "wide.mp4", size=(128, 72), sound=tone(1.0, 16_000))
    command = ["synthesize", str(wide), "--out", str(tmp_path / "s.wav"), "--model", str(model)]
    assert main(command) == 1
    assert "landmarks" in capsys.readouterr().err


def test_a_clip_without_a_face_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = Lip2SpeechUnit(lip2speech_config().replace(**{"window.mouths": "aligned"}))
    one.mean_speaker.fill_(0.1)
    one.save_pretrained(tmp_path / "model")
    clip = write_clip(tmp_path / "clip.mp4", frames=8, size=(128, 128))
    command = ["synthesize", str(clip), "--out", str(tmp_path / "s.wav")]
    command += ["--model", str(tmp_path / "model")]
    points = write_landmarks(tmp_path / "points.npy", Landmarks(np.full((8, 68, 2), np.nan)))
    assert main([*command, "--landmarks", str(points)]) == 1
    error = capsys.readouterr().err
    assert "none of the 8 frames has a face" in error and error.count("\n") == 1
    assert not (tmp_path / "s.wav").exists()


@pytest.mark.parametrize(("frames", "fps"), [(1, 25), (12, 50)])
def test_short_and_fast_clips_get_speech_of_their_length(
    frames: int, fps: int, model: Path, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=frames, fps=fps, size=(96, 96))
    out = tmp_path / "speech.wav"
    assert main(["synthesize", str(clip), "--model", str(model), "--out", str(out)]) == 0
    assert len(load_audio(out)) == 16_000 * frames // fps
