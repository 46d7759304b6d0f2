"""Fresh client processes for Hub tests, cheap enough to give every test its own.

huggingface_hub reads its environment when it is imported. A fork server that has torch, Lightning
and the model libraries loaded forks a client in milliseconds; the client sets its environment,
forgets huggingface_hub and imports it anew, together with the zoo.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any

from tests.socket_guard import block_network

TIMEOUT = 120.0
PRELOAD = [
    "torch",
    "lightning",
    "safetensors.torch",
    "open_clip",
    "transformers.models.hubert.modeling_hubert",
]


class ClientError(Exception):
    """An exception inside a client; `kind` is the name of its class."""

    def __init__(self, kind: str, bases: list[str], text: str, trace: str) -> None:
        super().__init__(f"{kind}: {text}\n{trace}")
        self.kind, self.bases, self.text = kind, bases, text


def context() -> ForkServerContext:
    """The fork server's context; the server itself starts at the first client."""
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload(PRELOAD)
    return forkserver


def _forget_hub() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("huggingface_hub", "zoo")]:
        del sys.modules[name]


def _client(
    pipe: Connection, env: dict[str, str | None], module: str, name: str, args: Any
) -> None:
    for key, value in env.items():
        if value is None:
            os.environ.pop(key, None)
        else:
            os.environ[key] = value
    _forget_hub()
    block_network(loopback=env.get("HF_HUB_OFFLINE") != "1")
    try:
        import torch

        torch.set_num_threads(1)
        pipe.send(("ok", getattr(import_module(module), name)(*args)))
    except BaseException as error:
        bases = [base.__name__ for base in type(error).__mro__]
        pipe.send(("error", (bases[0], bases, str(error), traceback.format_exc())))


def step(name: str) -> None:
    """Tell the server that the requests from here on belong to this step of the scenario."""
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(f"{os.environ['HF_ENDPOINT']}/step/{name}").close()


@dataclass
class Client:
    """One running client process."""

    process: BaseProcess
    pipe: Connection

    def result(self) -> Any:
        """What the scenario returned; an exception in it comes out as `ClientError`."""
        try:
            if not self.pipe.poll(TIMEOUT):
                raise TimeoutError(f"the client gave no answer within {TIMEOUT:.0f} s")
            state, value = self.pipe.recv()
        finally:
            self.process.kill()
            self.process.join()
        if state == "error":
            raise ClientError(*value)
        return value

    def kill(self) -> None:
        """End the process the way `kill -9` does."""
        self.process.kill()
        self.process.join()


def start(scenario: Callable[..., Any], *args: Any, env: dict[str, str | None]) -> Client:
    """Start `scenario(*args)` (a module-level function) in a client with this environment."""
    receiver, sender = context().Pipe(duplex=False)
    job = (sender, env, scenario.__module__, scenario.__name__, args)
    process = context().Process(target=_client, args=job, daemon=True)
    process.start()
    sender.close()
    return Client(process, receiver)
