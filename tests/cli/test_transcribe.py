from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.make_media import cut, tone, write_clip
from zoo.cli import main
from zoo.cli.transcribe import transcribe_files, video_files
from zoo.errors import MediaError
from zoo.hub.load import from_pretrained
from zoo.models.av_relscore.config import AVRelScoreConfig
from zoo.models.av_relscore.module import AVRelScore
from zoo.tasks import Transcript
from zoo.video.landmark_files import write_landmarks
from zoo.video.landmarks import Landmarks
from zoo.video.mouth import mean_face
from zoo.video.mouth_source import mouth_crops


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = AVRelScoreConfig.preset("tiny", {"decoding.beam": 3, "encoder.num_layers": 1})
    model = AVRelScore(config)
    # an untrained decoder ends at once; this one has something to say
    torch.nn.init.normal_(model.network.decoder.embedding.weight, std=2.0)
    with torch.no_grad():
        assert model.network.decoder.output is not None
        model.network.decoder.output.bias[-1] = -4.0
    path = tmp_path_factory.mktemp("models") / "tiny"
    model.save_pretrained(path)
    return path


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A face track with sound, a silent one, a wide clip without landmarks, a broken file."""
    place = tmp_path / "clips"
    (place / "more").mkdir(parents=True)
    write_clip(place / "a.mp4", frames=12, size=(112, 112), sound=tone(0.5, 16000))
    write_clip(place / "more" / "silent.mp4", frames=9, size=(112, 112))
    write_clip(place / "mouth.mp4", frames=10, size=(96, 96), fps=50)
    whole = write_clip(tmp_path / "whole.mp4", frames=12, size=(112, 112))
    cut(whole, 0.3).rename(place / "broken.mp4")
    (place / "notes.txt").write_text("no video")
    return place


def command(*words: Any) -> list[str]:
    return ["transcribe", *map(str, words)]


def rows_of(text: str) -> dict[str, dict[str, str]]:
    return {Path(row["file"]).name: row for row in csv.DictReader(text.splitlines())}


def test_a_folder_becomes_a_csv_and_a_bad_clip_is_survived(
    folder: Path, clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out" / "said.csv"
    assert main(command(clips, "--model", folder, "--out", out)) == 0
    rows = rows_of(out.read_text("utf-8"))
    assert set(rows) == {"a.mp4", "silent.mp4", "mouth.mp4", "broken.mp4"}
    assert "broken.mp4" in rows["broken.mp4"]["error"]
    assert not rows["broken.mp4"]["text"]
    for name in ("a.mp4", "silent.mp4", "mouth.mp4"):
        row = rows[name]
        assert not row["error"]
        assert row["text"]
        words = [word.rpartition(":") for word in row["words"].split()]
        assert " ".join(word for word, _, _ in words) == row["text"]
        sure = [float(confidence) for _, _, confidence in words]
        assert all(0 <= one <= 1 for one in sure)
        assert float(row["confidence"]) == pytest.approx(np.mean(sure), abs=0.006)


def test_one_clip_is_shown_with_its_words(
    folder: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(clips / "a.mp4", "--model", folder)) == 0
    shown = capsys.readouterr().out
    model = from_pretrained(folder)
    row = transcribe_files(model, [clips / "a.mp4"])[0]
    assert row.transcript is not None
    assert row.transcript.text in shown
    assert "confidence" in shown


def test_streams_choose_what_the_model_is_given(folder: Path, clips: Path) -> None:
    model = from_pretrained(folder)
    given: list[tuple[bool, bool]] = []
    original = model.transcribe

    def watched(video: Any = None, audio: Any = None) -> Any:
        given.append((video is not None, audio is not None))
        return original(video, audio)

    model.transcribe = watched
    for streams in ("auto", "video", "audio", "both"):
        transcribe_files(model, [clips / "a.mp4"], streams=streams)  # type: ignore[arg-type]
    transcribe_files(model, [clips / "more" / "silent.mp4"])
    assert given == [(True, True), (True, False), (False, True), (True, True), (True, False)]


@pytest.mark.parametrize("preset", ["av_relscore", "avhubert"])
def test_mouths_are_where_the_landmarks_say(preset: str, clips: Path, tmp_path: Path) -> None:
    path = clips / "a.mp4"
    points = Landmarks(np.repeat((mean_face() * 0.4 + 5)[None], 12, axis=0))
    file = write_landmarks(tmp_path / "points.npy", points)
    model = AVRelScore(AVRelScoreConfig.preset("tiny", {"input.mouth_preset": preset})).eval()
    given: list[torch.Tensor] = []

    def watched(video: Any = None, audio: Any = None) -> Any:
        given.append(video)
        return Transcript("", 0.0, ())

    model.transcribe = watched  # type: ignore[method-assign]
    transcribe_files(model, [path], landmarks=file)
    assert torch.equal(given[0][:, 0], mouth_crops(path, preset, file))
    assert not torch.equal(given[0][:, 0], mouth_crops(path, preset, "fixed"))


def test_a_batch_gives_what_its_clips_give(folder: Path, clips: Path) -> None:
    model = from_pretrained(folder)
    files = video_files([clips])
    together = transcribe_files(model, files)
    alone = [transcribe_files(model, [path])[0] for path in files]
    assert [row.file for row in together] == [str(path) for path in files]
    for one, other in zip(together, alone, strict=True):
        assert (one.transcript is None) == (other.transcript is None)
        if one.transcript is not None and other.transcript is not None:
            assert one.transcript.text == other.transcript.text


def test_a_clip_without_a_face_gets_its_reason(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = AVRelScore(AVRelScoreConfig.preset("tiny", {"input.mouth_preset": "av_relscore"}))
    points = write_landmarks(tmp_path / "points.npy", Landmarks(np.full((12, 68, 2), np.nan)))
    words = ["--model", model.save_pretrained(tmp_path / "model"), "--landmarks", points]
    assert main(command(clips / "a.mp4", *words)) == 1
    assert "a.mp4: landmarks: none of the 12 frames has a face" in capsys.readouterr().err
    assert main(command(clips, *words, "--out", tmp_path / "said.csv")) == 1
    rows = rows_of((tmp_path / "said.csv").read_text("utf-8"))
    assert "frames has a face" in rows["a.mp4"]["error"]
    assert all(row["error"] and not row["text"] for row in rows.values())


def test_sound_that_is_wanted_must_be_there(
    folder: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = clips / "more" / "silent.mp4"
    for streams in ("audio", "both"):
        assert main(command(silent, "--model", folder, "--streams", streams)) == 1
        assert "has pictures but no sound" in capsys.readouterr().err
    assert main(command(silent, "--model", folder)) == 0


def test_a_language_that_the_model_does_not_know(
    folder: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(clips / "a.mp4", "--model", folder, "--language", "tlh")) == 1
    assert "knows 'en' only, not 'tlh'" in capsys.readouterr().err
    assert main(command(clips / "a.mp4", "--model", folder, "--language", "en")) == 0


def test_json_and_text(folder: Path, clips: Path, tmp_path: Path) -> None:
    for ending in ("json", "txt"):
        assert main(command(clips, "--model", folder, "--out", tmp_path / f"said.{ending}")) == 0
    found = json.loads((tmp_path / "said.json").read_text("utf-8"))
    said = [row["transcript"]["text"] if row["transcript"] else "" for row in found]
    assert (tmp_path / "said.txt").read_text("utf-8").splitlines() == said
    assert {bool(row["error"]) for row in found} == {True, False}


def test_what_cannot_be_done_is_said(
    folder: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    cases = {
        "no such video": command(tmp_path / "none.mp4", "--model", folder),
        "no video in it": command(tmp_path / "empty", "--model", folder),
        "end it in": command(clips, "--model", folder, "--out", tmp_path / "x.doc"),
    }
    for message, words in cases.items():
        assert main(words) == 1
        assert message in capsys.readouterr().err
    assert main(command(clips / "broken.mp4", "--model", folder)) == 1
    with pytest.raises(MediaError, match="no such"):
        video_files([tmp_path / "none"])
