from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.data import layouts


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("originals")
    layouts.write_flickr8k(root / "flickr8k")
    layouts.write_coco(root / "coco")
    return root


@pytest.fixture
def flickr8k(originals: Path, tmp_path: Path) -> Path:
    """A copy a test may spoil."""
    return Path(shutil.copytree(originals / "flickr8k", tmp_path / "flickr8k"))


@pytest.fixture
def coco(originals: Path, tmp_path: Path) -> Path:
    """A copy a test may spoil."""
    return Path(shutil.copytree(originals / "coco", tmp_path / "coco"))
