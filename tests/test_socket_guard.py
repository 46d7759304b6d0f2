"""The guard of conftest.py: no test reaches another machine."""

from __future__ import annotations

import socket

import pytest

from tests.socket_guard import NetworkBlocked

ELSEWHERE = "192.0.2.1"  # reserved for documentation: nobody answers there


def test_other_machines_cannot_be_reached():
    with pytest.raises(NetworkBlocked, match=ELSEWHERE):
        socket.create_connection((ELSEWHERE, 80), timeout=1)
    with pytest.raises(NetworkBlocked, match="example"):
        socket.getaddrinfo("example.org", 443)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        pytest.raises(NetworkBlocked, match=ELSEWHERE),
    ):
        datagram.sendto(b"x", (ELSEWHERE, 53))


def test_this_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5).close()


def test_the_hub_client_is_offline_and_has_a_cache_of_its_own():
    from pathlib import Path

    from huggingface_hub import constants

    assert constants.HF_HUB_OFFLINE and constants.HF_HUB_DISABLE_XET
    assert "zoo-tests-" in constants.HF_HOME
    assert not Path(constants.HF_HUB_CACHE).is_relative_to(Path.home() / ".cache")
