from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.lrs_layouts import lrs3


@pytest.fixture(scope="session")
def talkers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few clips in LRS3's layout."""
    return lrs3(tmp_path_factory.mktemp("lrs3"))
