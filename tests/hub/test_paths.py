from __future__ import annotations

import logging
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import UnsafeFileError
from zoo.hub.paths import cache_root, model_folders, safe_join


@given(
    st.lists(st.sampled_from(["a", "..", ".", "", "/", "b c", "C:", "\\", "\0", "…"]), max_size=6)
)
def test_what_is_accepted_stays_inside(parts):
    try:
        path = safe_join("/base/folder", "/".join(parts))
    except UnsafeFileError:
        return
    assert os.path.normpath(path).startswith("/base/folder/")


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../a", "a/../../b", "C:/a", "c:a", "a\\b"])
def test_what_leaves_is_refused(name):
    with pytest.raises(UnsafeFileError, match="would leave the folder"):
        safe_join("folder", name)


def test_where_the_cache_is(tmp_path, monkeypatch):
    monkeypatch.delenv("ZOO_CACHE", raising=False)
    assert cache_root().parts[-1] == "zoo"
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "mine"))
    assert cache_root() == tmp_path / "mine"
    assert cache_root(tmp_path / "argument") == tmp_path / "argument" / "zoo"


def test_a_cache_everybody_can_write_is_warned_about_once(tmp_path, monkeypatch, caplog):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setenv("ZOO_CACHE", str(folder))
    with caplog.at_level(logging.WARNING):
        cache_root()
        cache_root()
    assert caplog.text.count(f"chmod o-w {folder}") == 1


def test_zoo_models_is_a_list_of_folders(monkeypatch):
    monkeypatch.setenv("ZOO_MODELS", f"/a{os.pathsep}{os.pathsep}~/b")
    first, second = model_folders()
    assert str(first) == "/a"
    assert "~" not in str(second)
    monkeypatch.delenv("ZOO_MODELS")
    assert model_folders() == []
