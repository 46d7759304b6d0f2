from __future__ import annotations

from pathlib import Path

import pytest

from tests.hub.toy import trained_toy
from zoo.errors import SourceError
from zoo.hub import catalogue, source
from zoo.hub.source import EntrySource, FolderSource, HubSource, parse_source

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "speechclip.tiny-parallel"


@pytest.fixture(autouse=True)
def _somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "repo", "revision"),
    [
        ("org/repo", "org/repo", None),
        ("hf://org/repo", "org/repo", None),
        ("hf://org/repo@v1.2", "org/repo", "v1.2"),
        (f"org/re.po_x-2@{COMMIT}", "org/re.po_x-2", COMMIT),
        ("org/repo@refs/pr/3", "org/repo", "refs/pr/3"),
    ],
)
def test_hub_repositories(text, repo, revision):
    assert parse_source(text) == HubSource(repo, revision)


def test_revision_argument():
    assert parse_source("org/repo", "dev") == HubSource("org/repo", "dev")
    assert parse_source("org/repo@dev", "dev") == HubSource("org/repo", "dev")
    with pytest.raises(SourceError, match="two different revisions"):
        parse_source("org/repo@dev", "main")


def test_catalogue_names():
    parsed = parse_source(NAME)
    assert isinstance(parsed, EntrySource)
    assert parsed.entry.name == NAME


def test_every_name_of_the_catalogue_is_understood():
    for entry in catalogue.list_checkpoints():
        assert parse_source(entry.name) == EntrySource(entry)


@pytest.mark.parametrize("text", ["./model", "../x/model", "a/b/c", "~/model", "/abs/model"])
def test_folders_written_as_such(text, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    text = str(tmp_path / "abs") if text.startswith("/") else text
    with pytest.raises(SourceError, match=r"no folder|neither a folder"):
        parse_source(text)
    Path(text).expanduser().mkdir(parents=True)
    assert parse_source(text) == FolderSource(Path(text).expanduser())


def test_a_path_object_is_always_a_folder(tmp_path):
    with pytest.raises(SourceError, match=f"there is no folder {NAME}"):
        parse_source(Path(NAME))
    (tmp_path / NAME).mkdir()
    assert parse_source(Path(NAME)) == FolderSource(Path(NAME))


def test_a_folder_that_looks_like_a_repository(tmp_path):
    (tmp_path / "org" / "repo").mkdir(parents=True)
    with pytest.raises(
        SourceError, match=r"'org/repo' is ambiguous.*'./org/repo'.*'hf://org/repo'"
    ):
        parse_source("org/repo")
    assert parse_source("hf://org/repo") == HubSource("org/repo")
    trained_toy().save_pretrained("org/repo", overwrite=True)
    assert parse_source("org/repo") == FolderSource(Path("org/repo"))


def test_a_folder_called_like_a_catalogue_name_is_ambiguous(tmp_path, monkeypatch):
    (tmp_path / NAME).mkdir()
    with pytest.raises(SourceError, match=rf"ambiguous.*write './{NAME}'"):
        parse_source(NAME)
    assert parse_source(f"./{NAME}") == FolderSource(Path(NAME))
    monkeypatch.setattr(source, "checkout_folder", lambda: tmp_path)
    assert isinstance(parse_source(NAME), EntrySource)  # both are the same checkpoint


def test_a_folder_called_like_nothing_else(tmp_path):
    (tmp_path / "mine").mkdir()
    assert parse_source("mine") == FolderSource(Path("mine"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speechclip.tiny-paralel", "nearest: speechclip.tiny-parallel"),
        ("speechclip", "'speechclip' is a model, not a checkpoint; its checkpoints: speechclip."),
        ("zzzzqqq", "no checkpoint is called 'zzzzqqq'"),
        ("", "no checkpoint is called ''"),
        ("weights.pt", "zoo convert weights.pt"),
        ("http://host/x.pt", "addresses are not loaded directly"),
        ("hf://repo", "expected hf://organisation/repository"),
        ("org/re po", "neither a folder"),
        ("org/repo@", "neither a folder"),
        ("org/../repo", "neither a folder"),
        ("org//repo", "neither a folder"),
    ],
)
def test_everything_else_is_explained(text, message):
    with pytest.raises(SourceError, match=message):
        parse_source(text)


def test_a_file_is_sent_to_the_converter(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"")
    for text in ("model.pt", "./model.pt", str(tmp_path / "model.pt"), Path("model.pt")):
        with pytest.raises(SourceError, match="zoo convert"):
            parse_source(text)
