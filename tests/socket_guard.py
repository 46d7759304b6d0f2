"""Keeps a test process off the network: only this machine's own addresses may be reached."""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any

_LOCAL_NAMES = {"localhost", "", None, socket.gethostname()}
_attempts: list[str] = []
_installed = False
_allow_loopback = True


class NetworkBlocked(RuntimeError):
    """A test tried to reach another machine (or any, where sockets are forbidden)."""


def _is_local(host: Any) -> bool:
    host = host.decode() if isinstance(host, bytes) else host
    if host in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # a path: Unix socket
        internet = isinstance(address, tuple)
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host, internet = arguments[0], True
    else:
        return
    if (internet and not _allow_loopback) or not _is_local(host):
        _attempts.append(f"{event} {host}")
        raise NetworkBlocked(f"{event} to {host!r}: tests use the loopback interface only")


def block_network(*, loopback: bool = True) -> None:
    """Forbid connections to other machines, and with `loopback=False` to this one as well.

    An audit hook cannot be taken off again: it holds for the rest of the process.
    """
    global _installed, _allow_loopback
    _allow_loopback = _allow_loopback and loopback
    if not _installed:
        sys.addaudithook(_audit)
        _installed = True


def attempts() -> list[str]:
    """What was refused so far, also where the caller swallowed the exception."""
    return list(_attempts)
