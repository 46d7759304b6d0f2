from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.models.batches import CAPTIONS
from zoo.audio import save_audio
from zoo.cli import main
from zoo.cli.retrieve import picture_files, rank
from zoo.errors import MediaError
from zoo.hub.load import from_pretrained
from zoo.models.speechclip.config import SpeechCLIPConfig
from zoo.models.speechclip.module import SpeechCLIP
from zoo.nn.clip_vocabulary import reduced_ids


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.manual_seed(0)
    ids = torch.tensor(reduced_ids(CAPTIONS))
    folders = {}
    for branch in ("parallel", "cascaded"):
        config = SpeechCLIPConfig.preset(f"tiny_{branch}", {"clip.vocab_size": len(ids)})
        model = SpeechCLIP(config)
        model.adopt_vocabulary(ids)
        folders[branch] = tmp_path_factory.mktemp("models") / branch
        model.save_pretrained(folders[branch])
    return folders


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for k, (size, name) in enumerate(
        [((90, 40), "wide.jpg"), ((33, 200), "tall.png"), ((64, 64), "more/square.JPG")]
    ):
        Image.effect_noise(size, 60 + 10 * k).convert("RGB").save(folder / name)
    (folder / "notes.txt").write_text("not a picture")
    return folder


@pytest.fixture
def queries(tmp_path: Path) -> list[Path]:
    torch.manual_seed(1)
    paths = []
    for name, rate, seconds in (("a.wav", 44100, 0.7), ("b.flac", 8000, 1.3)):
        wave = torch.randn(round(rate * seconds)) * 0.1
        paths.append(save_audio(tmp_path / name, wave, rate))
    return paths


def command(queries: list[Path], pictures: Path, model: Path, *more: str) -> list[str]:
    words = ["retrieve", *map(str, queries), "--images", str(pictures), "--model", str(model)]
    return [*words, *more]


def test_json(
    models: dict[str, Path], pictures: Path, queries: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(queries, pictures, models["parallel"], "--json", "--top-k", "2")
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["query"] for one in found] == [str(q) for q in queries]
    for one in found:
        scores = [match["score"] for match in one["matches"]]
        assert len(scores) == 2
        assert scores == sorted(scores, reverse=True)
        assert one["keywords"] == []


def test_table_with_keywords(
    models: dict[str, Path], pictures: Path, queries: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(queries[:1], pictures, models["cascaded"])) == 0
    out = capsys.readouterr().out
    assert "keywords: " in out
    assert "1" in out and "2" in out and "3" in out


def test_python_gives_the_same(
    models: dict[str, Path], pictures: Path, queries: list[Path]
) -> None:
    model = from_pretrained(models["cascaded"])
    files = picture_files(pictures)
    assert [path.name for path in files] == ["square.JPG", "tall.png", "wide.jpg"]
    found = rank(model, queries, files, top_k=3)
    scores = model.embed_speech(queries) @ model.embed_image(files).T
    for row, one in zip(scores, found, strict=True):
        order = row.argsort(descending=True).tolist()
        assert [match.image for match in one.matches] == [str(files[k]) for k in order]
        assert len(one.keywords) == model.config.cascaded.num_keywords


def test_an_unreadable_picture_is_reported_and_left_out(
    models: dict[str, Path],
    pictures: Path,
    queries: list[Path],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (pictures / "broken.png").write_bytes(b"\x89PNG nothing")
    assert main(command(queries[:1], pictures, models["parallel"], "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found[0]["matches"]) == 3
    assert "broken.png" in caplog.text


def test_nothing_readable(models: dict[str, Path], tmp_path: Path, queries: list[Path]) -> None:
    model = from_pretrained(models["parallel"])
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no")
    with pytest.raises(MediaError, match="none of the 1 pictures"):
        rank(model, queries, [bad])


@pytest.mark.parametrize("wrong", ["folder", "empty", "query", "model"])
def test_errors_come_before_the_model_is_loaded(
    wrong: str,
    models: dict[str, Path],
    pictures: Path,
    queries: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, query, model = pictures, queries[:1], models["parallel"]
    if wrong == "folder":
        folder = tmp_path / "nowhere"
    elif wrong == "empty":
        folder = tmp_path / "empty"
        folder.mkdir()
    elif wrong == "query":
        query = [tmp_path / "absent.wav"]
    else:
        model = tmp_path / "absent-model"
    assert main(command(query, folder, model)) == 1
    error = capsys.readouterr().err
    assert {"folder": "nowhere", "empty": "no picture", "query": "absent.wav"}.get(
        wrong, "absent-model"
    ) in error


def test_top_k_must_be_positive(pictures: Path, queries: list[Path]) -> None:
    with pytest.raises(SystemExit):
        main(["retrieve", str(queries[0]), "--images", str(pictures), "--top-k", "0"])
