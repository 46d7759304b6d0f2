"""Shard sets: a dataset as few large files, for what outgrows one disk or lies behind a network.

    zoo_shards.json              kind, dataset, splits with their numbers of samples
    <split>.jsonl                the entries of a split without media (utterances or pictures)
    <split>/{index.json,chunk-*.bin}    litdata chunks; a sample is one string of bytes

A sample is its header's length (8 bytes, little endian), the header (JSON: entry, names and sizes
of its files) and the files themselves, as they were. Nothing in a set is ever executed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from zoo.data.manifest import CaptionEntry, ImageEntry
from zoo.data.utterances import Utterance, WordTime
from zoo.errors import DataError

ABOUT: Final = "zoo_shards.json"
VERSION: Final = 1
UTTERANCES: Final = "utterances"
PICTURES: Final = "pictures"
LANDMARKS: Final = "landmarks"  # folders of the files that belong to a clip
CROPS: Final = "crops"
_LENGTH: Final = 8
Entry = Utterance | ImageEntry


@dataclass(frozen=True)
class ShardSet:
    """What `zoo_shards.json` says.

    Attributes:
        kind: "utterances" or "pictures" (one sample a picture and recording).
        dataset: name of the dataset.
        splits: samples of every split.
        landmarks: whether every clip comes with its landmarks.
        crops: whether every clip comes with a mouth crop.
    """

    kind: str
    dataset: str
    splits: Mapping[str, int]
    landmarks: bool = False
    crops: bool = False

    def to_json(self) -> str:
        """The content of the file."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> ShardSet:
        """Read the content of the file.

        Raises:
            DataError: it is no such file, or of a later version.
        """
        try:
            row = json.loads(text)
            version = row.pop("version")
            found = cls(**row)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{where} is not the {ABOUT} of a shard set: {error}") from error
        if version != VERSION:
            raise DataError(f"{where} is of version {version}, this zoo reads {VERSION}: update it")
        return found

    def check(self, kind: str, split: str, where: str) -> None:
        """Raise `DataError` unless the set has this kind and split."""
        if self.kind != kind:
            raise DataError(f"{where} holds {self.kind} ({self.dataset}), not {kind}")
        if split not in self.splits:
            raise DataError(
                f"{where} has no split {split!r}, only {', '.join(self.splits)}; name the one to "
                "train on (train_split), or write it with `zoo data shard --splits`"
            )


@dataclass(frozen=True)
class Sample:
    """One sample: its entry, and its files by path below the dataset's root."""

    entry: Entry
    files: Mapping[str, bytes]

    def write(self, folder: Path) -> None:
        """Lay the files out below a folder, as they lay below the dataset's root."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def is_shard_set(root: str) -> bool:
    """Whether a root is a shard set: an address, or a folder with `zoo_shards.json`."""
    return "://" in root or (Path(root) / ABOUT).is_file()


def split_key(split: str, condition: str) -> str:
    """Name of a split under a condition: "test", or "test@noise-easy"."""
    return split if condition == "clean" else f"{split}@{condition}"


def pack(sample: Sample) -> bytes:
    """A sample as one string of bytes."""
    files = [[name, len(content)] for name, content in sample.files.items()]
    header = json.dumps(
        {"entry": asdict(sample.entry), "files": files}, ensure_ascii=False
    ).encode()
    return b"".join([len(header).to_bytes(_LENGTH, "little"), header, *sample.files.values()])


def unpack(data: bytes, kind: str) -> Sample:
    """The sample that `pack` made.

    Raises:
        DataError: it is damaged, or names a file outside its folder.
    """
    start = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
    try:
        header = json.loads(data[_LENGTH:start])
        entry = utterance(header["entry"]) if kind == UTTERANCES else picture(header["entry"])
        sizes = [(_inside(name), int(size)) for name, size in header["files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"a sample of the shard set is damaged: {error}") from error
    if start + sum(size for _, size in sizes) != len(data):
        raise DataError("a sample of the shard set is damaged: its files have other sizes")
    files = {}
    for name, size in sizes:
        files[name] = data[start : start + size]
        start += size
    return Sample(entry, files)


def utterance(row: dict[str, Any]) -> Utterance:
    """An utterance of its JSON form."""
    words = row.get("words")
    times = None if words is None else tuple(WordTime(**word) for word in words)
    return Utterance(**{**row, "words": times})


def picture(row: dict[str, Any]) -> ImageEntry:
    """A picture of its JSON form."""
    captions = tuple(CaptionEntry(**caption) for caption in row["captions"])
    return ImageEntry(**{**row, "captions": captions})


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise DataError(f"a sample of the shard set names the file {name!r}, which lies outside it")
    return name
