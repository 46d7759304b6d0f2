"""Reads shard sets, local or remote: litdata deals chunks out to nodes, ranks and workers.

Local folders are read in place. Of a remote set each process fetches the chunks it needs into a
cache (`LITDATA_CACHE_DIR`, by default `~/.lightning/chunks`), from where they are thrown out again
when the disk fills. Addresses may begin with http://, https://, s3://, gs://, azure:// or hf://.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import requests
from filelock import FileLock
from litdata import StreamingDataset
from litdata.streaming.downloader import Downloader, get_downloader, register_downloader
from litdata.streaming.resolver import Dir
from torch.utils.data import IterableDataset, get_worker_info

from zoo.data.shard_format import (
    ABOUT,
    UTTERANCES,
    Entry,
    Sample,
    ShardSet,
    picture,
    unpack,
    utterance,
)
from zoo.errors import DataError

_TIMEOUT_S: Final = 60
_BLOCK: Final = 1 << 20
_WINDOW: Final = 32  # batches that are sorted together by length
Decode = Callable[[Sample], dict[str, Any]]


class HttpDownloader(Downloader):  # type: ignore[misc]
    """Fetches files of a set that any web server offers."""

    def download_file(self, remote_chunkpath: str, local_chunkpath: str) -> None:
        """Fetch one file; it appears when it is complete."""
        with FileLock(f"{local_chunkpath}.lock"):
            if not os.path.exists(local_chunkpath):
                part = self._temp_download_path(local_chunkpath)
                try:
                    _fetch(remote_chunkpath, part)
                    self._atomic_replace(part, local_chunkpath)
                finally:
                    with suppress(FileNotFoundError):
                        os.remove(part)
        self._notify_published(local_chunkpath)


def _fetch(address: str, path: str) -> None:
    with requests.get(address, stream=True, timeout=_TIMEOUT_S) as answer:
        answer.raise_for_status()
        with open(path, "wb") as file:
            for block in answer.iter_content(_BLOCK):
                file.write(block)


for _scheme in ("http://", "https://"):
    register_downloader(_scheme, HttpDownloader, overwrite=True)


class Shards:
    """A shard set at a folder or an address.

    Args:
        root: where `zoo_shards.json` is.

    Raises:
        DataError: there is none, or it cannot be read.
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self.about = ShardSet.from_json(self._text(ABOUT), f"{self.root}/{ABOUT}")

    def entries(self, kind: str, split: str) -> list[Entry]:
        """What a split holds, without media."""
        self.about.check(kind, split, self.root)
        make = utterance if kind == UTTERANCES else picture
        return [make(json.loads(line)) for line in self._text(f"{split}.jsonl").splitlines()]

    def stream(self, kind: str, split: str, decode: Decode, **options: Any) -> ShardStream:
        """The samples of a split; options are those of `ShardStream`."""
        self.about.check(kind, split, self.root)
        folder = f"{self.root}/{split}"
        index = self._text(f"{split}/index.json")
        _check_index(index, folder)
        source = Dir(path=str(_cache(folder, index)), url=folder) if "://" in folder else folder
        return ShardStream(source, kind, self.about.splits[split], decode, **options)

    def _text(self, name: str) -> str:
        try:
            if "://" not in self.root:
                return (Path(self.root) / name).read_text(encoding="utf-8")
            with tempfile.TemporaryDirectory() as scratch:
                local = os.path.join(scratch, os.path.basename(name))
                get_downloader(self.root, scratch, []).download_file(f"{self.root}/{name}", local)
                return Path(local).read_text(encoding="utf-8")
        except (OSError, ValueError, requests.RequestException) as error:
            raise DataError(f"{self.root}/{name} cannot be read: {error}") from error


class ShardStream(IterableDataset[dict[str, Any]]):
    """The decoded samples of one split, each once over all processes and workers.

    A batch is made of samples that follow each other, so batches of like length come about by
    sorting what lies within some batches of each other. `batches` is how many there are for this
    process, None where it depends on the workers.

    Args:
        source: folder of the chunks, or their address with the folder they are fetched to.
        kind: of the entries.
        count: samples of the split.
        decode: makes an item of a sample, in the worker.
        batch_size: samples a batch and process.
        num_workers: worker processes.
        train: shuffle, and deal every process the same number of whole batches.
        bucket: whether batches have samples of like size (those of a training stream).
        seed: of the order.
    """

    def __init__(
        self,
        source: str | Dir,
        kind: str,
        count: int,
        decode: Decode,
        *,
        batch_size: int,
        num_workers: int,
        train: bool = False,
        bucket: bool = True,
        seed: int = 0,
    ) -> None:
        self.kind, self.decode, self.batch_size, self.seed = kind, decode, batch_size, seed
        self.bucket, self.train, self.epoch = bucket and train, train, 0
        # what is dropped is decided below; in an evaluation nothing may be left out
        self.source = StreamingDataset(source, shuffle=train, seed=seed, drop_last=False)
        world = self.source.distributed_env.world_size
        self.whole = train and count >= batch_size * max(1, num_workers) * world
        self.source.drop_last = self.whole
        samples = self.source.get_len(max(1, num_workers), batch_size)
        self.batches = samples // batch_size if self.whole else None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.source.set_epoch(self.epoch + 1)
        self.epoch += 1
        for data in self._bucketed() if self.bucket else self._samples():
            try:
                yield self.decode(unpack(data, self.kind))
            except DataError as error:
                yield {"skipped": str(error)}

    def _samples(self) -> Iterator[bytes]:
        # litdata hands out views of the chunk, which it closes when it has gone through it
        return (bytes(data) for data in self.source)

    def _bucketed(self) -> Iterator[bytes]:
        worker = get_worker_info()
        draw = np.random.default_rng([self.seed, self.epoch, worker.id if worker else 0])
        buffer: list[bytes] = []
        for data in self._samples():
            buffer.append(data)
            if len(buffer) == self.batch_size * _WINDOW:
                yield from _batches(buffer, self.batch_size, draw)
                buffer = []
        yield from _batches(buffer, self.batch_size, draw)


def _batches(buffer: list[bytes], size: int, draw: np.random.Generator) -> Iterator[bytes]:
    """Samples in batches of like size, the batches in random order, an incomplete one last."""
    buffer.sort(key=len)
    whole = len(buffer) // size
    for k in draw.permutation(whole).tolist():
        yield from buffer[k * size : (k + 1) * size]
    yield from buffer[whole * size :]


def _cache(address: str, index: str) -> Path:
    """Where the chunks of an address are kept: other content, other folder."""
    root = os.environ.get("LITDATA_CACHE_DIR") or Path.home() / ".lightning" / "chunks"
    folder = Path(root) / hashlib.sha256(f"{address}\0{index}".encode()).hexdigest()[:32]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _check_index(text: str, where: str) -> None:
    """Refuse an index that would have anything but bytes made of the chunks."""
    try:
        index = json.loads(text)
        config, names = index["config"], [chunk["filename"] for chunk in index["chunks"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{where}/index.json is not an index of litdata: {error}") from error
    plain = config.get("data_format") == ["bytes"] and not config.get("encryption")
    if not plain or any("/" in name or "\\" in name for name in names):
        raise DataError(f"{where} was not written by `zoo data shard`; write it again with that")
