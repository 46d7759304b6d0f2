"""What every test gets: no network, caches of its own, and the folders of outside material."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.socket_guard import block_network

# huggingface_hub and the zoo read these when they are imported, so they are set before any test
# module is: an empty cache that is thrown away, no Hub to ask, no binary transfer protocol.
_HOME = tempfile.TemporaryDirectory(prefix="zoo-tests-")
os.environ |= {
    "HF_HOME": _HOME.name,
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
for _name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_CACHE", "ZOO_CACHE", "ZOO_MODELS"):
    os.environ.pop(_name, None)

block_network()

_REPOSITORY = Path(__file__).resolve().parent.parent


def _outside_folder(variable: str, default: str) -> Path:
    folder = Path(os.environ.get(variable) or _REPOSITORY.parent / "shared" / default)
    if not folder.is_dir():
        pytest.skip(f"{variable}: no folder {folder}")
    return folder


@pytest.fixture(scope="session")
def golden_root() -> Path:
    """The folder of golden vectors (`ZOO_GOLDEN`, default ../shared/golden)."""
    return _outside_folder("ZOO_GOLDEN", "golden")


@pytest.fixture(scope="session")
def real_root() -> Path:
    """The folder of recorded clips and photographs (`ZOO_REAL`, default ../shared/real)."""
    return _outside_folder("ZOO_REAL", "real")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout the tests belong to."""
    return _REPOSITORY


@pytest.fixture(scope="session", autouse=True)
def _throw_caches_away() -> Iterator[None]:
    yield
    _HOME.cleanup()
