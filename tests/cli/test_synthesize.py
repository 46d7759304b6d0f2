from __future__ import annotations

from pathlib import Path

import av
import pytest
import torch

from tests.make_media import tone, write_clip
from tests.models.batches import lip2speech_config
from zoo.audio import load_audio
from zoo.cli import main
from zoo.models.lip2speech_unit.module import Lip2SpeechUnit
from zoo.video import load_video


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
