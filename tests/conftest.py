"""What every test gets: no network, caches of its own, and the folders of outside material."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.socket_guard import block_network

# huggingface_hub and the zoo read these when they are imported, so they are set before any test
# module is: empty caches that are thrown away, no Hub to ask, no binary transfer protocol.
_HOME = tempfile.TemporaryDirectory(prefix="zoo-tests-")
os.environ |= {
    "HF_HOME": _HOME.name,
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "LITDATA_CACHE_DIR": f"{_HOME.name}/chunks",
    "TORCH_HOME": f"{_HOME.name}/torch",
}
# what a user or a cluster may have set: other places, files and tokens, a job of several
# processes, the width and the colours of a terminal
_UNSET = (
    *("HF_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT", "HF_HUB_CACHE", "HF_ASSETS_CACHE"),
    *("HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"),
    *("ZOO_CACHE", "ZOO_MODELS", "ZOO_WAVLM_ECAPA", "ZOO_MEDIAPIPE_MODEL"),
    *("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"),
    *("MASTER_ADDR", "MASTER_PORT", "COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR"),
)
for _name in [*_UNSET, *(name for name in os.environ if name.startswith("SLURM_"))]:
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
