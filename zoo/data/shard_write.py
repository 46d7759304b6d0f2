"""Writes shard sets (`zoo data shard`): one pass over a dataset, a sample in memory at a time."""

from __future__ import annotations

import logging
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from zoo.data.inventory import dataset_name
from zoo.data.manifest import ImageEntry, write_manifest
from zoo.data.mouths import LANDMARK_ENDINGS
from zoo.data.shard_format import (
    ABOUT,
    CROPS,
    LANDMARKS,
    PICTURES,
    UTTERANCES,
    Entry,
    Sample,
    ShardSet,
    pack,
    split_key,
)
from zoo.data.utterances import CLEAN, Utterance, write_utterances
from zoo.errors import DataError, MediaError, ZooError

logger = logging.getLogger(__name__)
CHUNK_BYTES: Final = 64 << 20
_PICTURE_DATASETS: Final = ("flickr8k", "spokencoco")
_PART: Final = "parts"  # folder of sound that was cut out of longer recordings
Told = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Extras:
    """What else belongs to every clip: folders laid out like the clips."""

    landmarks: Path | None = None
    crops: Path | None = None


def write_shards(
    dataset: str,
    root: str | Path,
    out: str | Path,
    splits: Sequence[str] = ("train", "dev", "test"),
    *,
    condition: str = CLEAN,
    extras: Extras | None = None,
    chunk_bytes: int = CHUNK_BYTES,
    seed: int = 0,
    told: Told | None = None,
) -> ShardSet:
    """Write splits of a dataset as a shard set; samples that cannot be read are left out and named.

    Splits that are trained on are shuffled once, because readers shuffle chunks and what is in a
    chunk, but not the whole.

    Args:
        dataset: name of the dataset, or "auto".
        root: its folder.
        out: new or empty folder; appears when it is complete.
        splits: what to write, as the dataset's reader calls it.
        condition: distortion of the sound of the test split (LRS-VoxMM).
        extras: landmarks and crops to put beside the clips.
        chunk_bytes: about the size of a shard.
        seed: of the shuffling.
        told: is told split, samples done and samples in all.

    Raises:
        DataError: the dataset, a split or the package litdata is not there, or `out` is not empty.
    """
    base, target, extras = Path(root), Path(out), extras or Extras()
    name = dataset_name(dataset, base)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(f"{target} is not empty: name a new folder for the shards")
    read = _reader(name, base, condition)
    entries = {_key(split, condition): _ordered(read(split), split, seed) for split in splits}
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        counts = {
            key: _write_split(base, draft, key, found, extras, chunk_bytes, told)
            for key, found in entries.items()
        }
        kind = PICTURES if name in _PICTURE_DATASETS else UTTERANCES
        made = ShardSet(kind, name, counts, extras.landmarks is not None, extras.crops is not None)
        (draft / ABOUT).write_text(made.to_json(), encoding="utf-8")
        draft.chmod(0o755)  # mkdtemp makes it private
        if target.exists():
            target.rmdir()
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return made


def _key(split: str, condition: str) -> str:
    return split_key(split, condition if split == "test" else CLEAN)


def _reader(name: str, root: Path, condition: str) -> Callable[[str], list[Entry]]:
    if name in _PICTURE_DATASETS:
        return lambda split: [*_pairs(name, root, split)]
    from zoo.data.audio_visual import read_split

    return lambda split: [*read_split(name, root, split, condition if split == "test" else CLEAN)]


def _pairs(name: str, root: Path, split: str) -> Iterator[ImageEntry]:
    """One entry a picture and recording."""
    from zoo.data.coco import read_coco_karpathy
    from zoo.data.flickr8k import NAME, read_flickr8k

    read = read_flickr8k if name == NAME else read_coco_karpathy
    for entry in read(root, split):
        for caption in entry.captions:
            if caption.wav is not None:
                yield replace(entry, captions=(caption,))


def _ordered(entries: list[Entry], split: str, seed: int) -> list[Entry]:
    if split.startswith(("train", "pretrain")):
        random.Random(seed).shuffle(entries)
    return entries


def _write_split(
    root: Path,
    out: Path,
    key: str,
    entries: Sequence[Entry],
    extras: Extras,
    chunk_bytes: int,
    told: Told | None,
) -> int:
    cache_class = _cache()
    (out / key).mkdir()
    cache = cache_class(str(out / key), chunk_bytes=chunk_bytes)
    kept: list[Entry] = []
    for number, entry in enumerate(entries, 1):
        try:
            sample = _sample(root, entry, extras)
        except (OSError, ZooError) as error:
            logger.warning("left out of %s: %s", key, error)
        else:
            cache[len(kept)] = pack(sample)
            kept.append(sample.entry)
        if told is not None:
            told(key, number, len(entries))
    if not kept:
        raise DataError(f"{root}: nothing of the split {key} could be read")
    cache.done()
    cache.merge()
    path = out / f"{key}.jsonl"
    if isinstance(kept[0], Utterance):
        write_utterances((one for one in kept if isinstance(one, Utterance)), path)
    else:
        write_manifest((one for one in kept if isinstance(one, ImageEntry)), path)
    return len(kept)


def _cache() -> type:
    try:
        from litdata.streaming import Cache
    except ImportError as error:
        raise DataError(
            "shards need the package litdata: pip install 'avspeech-zoo[shards]'"
        ) from error
    found: type = Cache
    return found


def _sample(root: Path, entry: Entry, extras: Extras) -> Sample:
    if isinstance(entry, ImageEntry):
        names = [entry.image, *(caption.wav for caption in entry.captions if caption.wav)]
        return Sample(entry, {name: (root / name).read_bytes() for name in names})
    if entry.video is None and entry.start_s is not None:
        return _cut_out(root, entry)
    files = {name: (root / name).read_bytes() for name in (entry.video, entry.audio) if name}
    if entry.video is not None:
        files |= _beside(entry.video, extras)
    return Sample(entry, files)


def _cut_out(root: Path, entry: Utterance) -> Sample:
    """A part of a long recording, as a recording of its own."""
    from zoo.audio import save_audio
    from zoo.data.segments import SAMPLE_RATE, load_part

    name = f"{_PART}/{entry.id}.flac"
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "part.flac"
        save_audio(path, load_part(root / entry.sound, entry.start_s, entry.end_s), SAMPLE_RATE)
        content = path.read_bytes()
    return Sample(replace(entry, audio=name, start_s=None, end_s=None), {name: content})


def _beside(video: str, extras: Extras) -> Mapping[str, bytes]:
    """Landmarks and mouth crop of a clip, below folders of their own."""
    files = {}
    if extras.landmarks is not None:
        stem = extras.landmarks / video
        found = [stem.with_suffix(ending) for ending in LANDMARK_ENDINGS]
        path = next((path for path in found if path.is_file()), None)
        if path is None:
            raise MediaError(f"{extras.landmarks}: no landmarks of {video}")
        name = Path(LANDMARKS, video).with_suffix(path.suffix).as_posix()
        files[name] = path.read_bytes()
    if extras.crops is not None:
        files[f"{CROPS}/{video}"] = (extras.crops / video).read_bytes()
    return files
