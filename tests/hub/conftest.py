"""A loopback Hub per test and clients that talk to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub import client
from tests.hub.server import HubServer

TOKEN = "hf_loopback"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture
def client_env(hub: HubServer, tmp_path: Path) -> dict[str, str | None]:
    """The environment of a client: this test's Hub and an empty cache."""
    return {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": TOKEN,
        "HF_HUB_OFFLINE": None,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


Run = Callable[..., Any]


@pytest.fixture
def start_client(client_env: dict[str, str | None]) -> Callable[..., client.Client]:
    """Start a scenario without waiting for it; keyword arguments change its environment."""

    def start(scenario: Callable[..., Any], *args: Any, **env: str | None) -> client.Client:
        return client.start(scenario, *args, env=client_env | env)

    return start


@pytest.fixture
def run(start_client: Callable[..., client.Client]) -> Run:
    """Run a scenario in a client and return its result."""

    def run(scenario: Callable[..., Any], *args: Any, **env: str | None) -> Any:
        return start_client(scenario, *args, **env).result()

    return run
