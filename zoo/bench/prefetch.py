"""Receiving decoded batches from worker processes while the model is at work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Empty, Full, Queue
from typing import Any, Final

from torch.utils.data import DataLoader

_WAITING: Final = 2
_POLL_S: Final = 0.2
_END: Final = object()


class Prefetched:
    """A DataLoader whose batches are unpacked by a thread ahead of their use.

    Unpacking a batch of films takes some milliseconds, which a model on an accelerator would
    otherwise wait for.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        # the workers are started here: forking beside a running thread is no good idea
        batches = iter(self.loader)
        ready: Queue[Any] = Queue(_WAITING)
        stop = threading.Event()
        thread = threading.Thread(target=_fill, args=(batches, ready, stop), daemon=True)
        thread.start()
        try:
            while (found := _next(ready, thread)) is not _END:
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:
            stop.set()
            thread.join()


def _fill(batches: Iterator[Any], ready: Queue[Any], stop: threading.Event) -> None:
    try:
        for batch in batches:
            if not _put(ready, batch, stop):
                return
        _put(ready, _END, stop)
    except BaseException as error:
        _put(ready, error, stop)


def _put(ready: Queue[Any], item: Any, stop: threading.Event) -> bool:
    """Whether somebody still wants it."""
    while not stop.is_set():
        try:
            ready.put(item, timeout=_POLL_S)
        except Full:
            continue
        return True
    return False


def _next(ready: Queue[Any], thread: threading.Thread) -> Any:
    while True:
        try:
            return ready.get(timeout=_POLL_S)
        except Empty:
            if not thread.is_alive() and ready.empty():
                return _END
