from __future__ import annotations

from pathlib import Path

import pytest

from tests.data import layouts


@pytest.fixture
def flickr8k(tmp_path: Path) -> Path:
    root = tmp_path / "flickr8k"
    layouts.write_flickr8k(root)
    return root


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    root = tmp_path / "coco"
    layouts.write_coco(root)
    return root
