"""Utterances as tensors, for training and evaluating audio-visual speech models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset, RandomSampler

from zoo.audio import load_audio
from zoo.audio.avhubert import avhubert_features
from zoo.data.loading import (
    LengthBatches,
    ReportingDataModule,
    ReportingLoader,
    StreamLoader,
    per_process,
    training_split,
)
from zoo.data.lrs2 import NAME as LRS2
from zoo.data.lrs2 import looks_like_lrs2, read_lrs2
from zoo.data.lrs3 import NAME as LRS3
from zoo.data.lrs3 import looks_like_lrs3, read_lrs3
from zoo.data.lrs_voxmm import NAME as LRS_VOXMM
from zoo.data.lrs_voxmm import looks_like_lrs_voxmm, read_lrs_voxmm
from zoo.data.mouths import Mouths
from zoo.data.mtedx import NAME as MTEDX
from zoo.data.mtedx import looks_like_mtedx, read_mtedx
from zoo.data.segments import FPS, SAMPLE_RATE, frame_range, load_part
from zoo.data.shard_format import CROPS, LANDMARKS, UTTERANCES, Sample, is_shard_set, split_key
from zoo.data.utterances import CLEAN, Utterance
from zoo.errors import ConfigError, DataError, MediaError
from zoo.video import load_video
from zoo.video.mouth_input import INPUT_SIZE, eval_input, train_input

SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
DATASETS = (LRS3, LRS2, LRS_VOXMM, MTEDX)
Picture = Literal["mouth", "face", "none"]
# waveform (S,) and number of video frames -> features (N, C)
FrontEnd = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True, kw_only=True)
class Streams:
    """Which tensors an item has."""

    picture: Picture = "mouth"
    """"mouth": grey, cropped, normalised; "face": the frames as they are; or "none"."""
    sound: str = "waveform"
    """"waveform", "avhubert" (104 numbers a frame), a mel front-end of `zoo.audio.mel`, "none"."""
    mouths: Mouths = field(default_factory=Mouths)
    """Where mouth crops come from."""
    size: int = INPUT_SIZE
    """Side of the mouth pictures in pixels."""
    max_seconds: float | None = None
    """Longer utterances are left out."""

    def __post_init__(self) -> None:
        if self.picture not in ("mouth", "face", "none"):
            raise ConfigError(f"picture must be mouth, face or none, not {self.picture!r}")
        if self.picture == "none" and self.sound == "none":
            raise ConfigError("neither pictures nor sound: an item would be empty")
        front_end(self.sound)


class AudioVisualDataset(Dataset[dict[str, Any]]):
    """Utterances with the pictures and the sound that a model wants.

    An item is a dict: `video` (T, H, W) float32 of mouths or (T, 3, H, W) uint8 of faces, `audio`
    (S,) float32 at 16 kHz or features (N, C), `text`, `id`, `source`. Pictures and waveform are cut
    to the shorter of the two, 640 samples a frame. An utterance that cannot be read gives a dict
    with only `skipped`, the reason, so that one bad file ends no training run.

    Args:
        utterances: what to read.
        root: what their paths are relative to.
        streams: which tensors.
        train: random crops and mirroring of mouths instead of the middle.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        root: str | Path,
        streams: Streams | None = None,
        train: bool = False,
    ):
        self.utterances, self.root, self.train = list(utterances), Path(root), train
        self.streams = streams or Streams()
        self.front_end = front_end(self.streams.sound)

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> dict[str, Any]:
        one = self.utterances[index]
        try:
            tensors = self._tensors(one)
        except (MediaError, DataError, OSError) as error:
            return {"skipped": f"{one.id}: {error}"}
        return {**tensors, "text": one.text, "id": one.id, "source": one.source}

    def sizes(self) -> list[float]:
        """What stands for the length of every utterance: seconds where known, else bytes."""
        if all(one.duration_s is not None for one in self.utterances):
            return [one.duration_s or 0.0 for one in self.utterances]
        paths = (self.root / (one.video or one.sound) for one in self.utterances)
        return [float(path.stat().st_size) if path.is_file() else 0.0 for path in paths]

    def _tensors(self, one: Utterance) -> dict[str, Tensor]:
        pictures, sound = self._pictures(one), self._sound(one)
        frames = [] if pictures is None else [len(pictures)]
        if sound is not None:
            frames.append(len(sound) // SAMPLES_PER_FRAME)
        if pictures is None and one.video is None:
            start, stop = 0, min(frames)  # no more than the utterance was read
        else:
            start, stop = frame_range(one, min(frames))
        self._check_length(stop - start)
        tensors = {}
        if pictures is not None:
            tensors["video"] = self._prepared(pictures[start:stop])
        if sound is not None:
            part = sound[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]
            tensors["audio"] = (
                part if self.front_end is None else self.front_end(part, stop - start)
            )
        return tensors

    def _pictures(self, one: Utterance) -> Tensor | None:
        kind = self.streams.picture
        if kind == "none":
            return None
        if one.video is None:
            raise DataError("has no video, and the model wants pictures")
        path = self.root / one.video
        if kind == "mouth":
            return self.streams.mouths.grey(path, one.video)
        return load_video(path).frames

    def _sound(self, one: Utterance) -> Tensor | None:
        if self.streams.sound == "none":
            return None
        if one.video is None and one.start_s is not None:  # one of many in a long recording
            return load_part(self.root / one.sound, one.start_s, one.end_s)
        return load_audio(self.root / one.sound)

    def _prepared(self, pictures: Tensor) -> Tensor:
        if self.streams.picture == "face":
            return pictures
        if not self.train:
            return eval_input(pictures, self.streams.size)
        # torch's generator is the one that loaders seed in every worker
        draw = Random(int(torch.randint(2**62, ())))
        return train_input(pictures, draw, self.streams.size)

    def _check_length(self, frames: int) -> None:
        longest = self.streams.max_seconds
        if longest is not None and frames > longest * FPS:
            raise DataError(f"lasts {frames / FPS:.1f} s, longer than max_seconds={longest}")


def front_end(name: str) -> FrontEnd | None:
    """What makes features of a waveform, by name; None leaves the waveform.

    Raises:
        ConfigError: no such front-end.
    """
    if name in ("waveform", "none"):
        return None
    if name == "avhubert":
        return avhubert_features
    from zoo.audio.mel import mel_front_end

    mel = mel_front_end(name)
    if mel.config.sample_rate != SAMPLE_RATE:
        raise ConfigError(f"{name} wants {mel.config.sample_rate} Hz; speech is at {SAMPLE_RATE}")
    return lambda waveform, _: mel(waveform).T


def collate(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Batch dataset items.

    Returns:
        `video` (B, T, ...) and `audio` (B, S) or (B, N, C), zero padded, with `video_len` and
        `audio_len` (B,) int64; `text`, `id` and `source`, lists of B strings; `skipped`, the
        reasons of the utterances left out. If all were left out there is only `skipped`.
    """
    skipped = [item["skipped"] for item in items if "skipped" in item]
    good = [item for item in items if "skipped" not in item]
    if not good:
        return {"skipped": skipped}
    batch: dict[str, Any] = {"skipped": skipped}
    for key in ("video", "audio"):
        if key in good[0]:
            sequences = [item[key] for item in good]
            batch[key] = pad_sequence(sequences, batch_first=True)
            batch[f"{key}_len"] = torch.tensor([len(sequence) for sequence in sequences])
    return batch | {key: [item[key] for item in good] for key in ("text", "id", "source")}


class AudioVisualDataModule(ReportingDataModule):
    """Train, validation and test loaders over LRS3, LRS2, LRS-VoxMM or mTEDx.

    Args:
        root: the dataset's folder; or a shard set of it (`zoo data shard`), a folder or an address,
            which has the splits, and the landmarks and crops, that were put into it.
        dataset: "lrs3", "lrs2", "lrs-voxmm" (no training), "mtedx", or "auto", which looks at the
            folder.
        picture: "mouth", "face" or "none".
        sound: "waveform", "avhubert", a mel front-end, or "none".
        mouth_preset: the pipeline whose mouth crops the model wants.
        landmarks: folder with landmarks laid out like the clips.
        crops: folder with ready-made mouth crops laid out like the clips.
        size: side of the mouth pictures.
        batch_size: utterances in a global batch.
        eval_batch_size: the same for validation and test; None is `batch_size`.
        num_workers: processes that decode.
        max_seconds: longer utterances are left out of training.
        train_split: what to train on, e.g. "train", "train30", "pretrain".
        condition: distortion of the test set (LRS-VoxMM).
        seed: order of the batches and places of the crops (for a given number of workers).
        languages: what is spoken (mTEDx), e.g. "es" or "es,fr"; None is all that is there.
    """

    collate_items = staticmethod(collate)

    def __init__(
        self,
        root: str,
        dataset: str = "auto",
        picture: Picture = "mouth",
        sound: str = "waveform",
        mouth_preset: str = "avhubert",
        landmarks: str | None = None,
        crops: str | None = None,
        size: int = INPUT_SIZE,
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        num_workers: int = 1,
        max_seconds: float | None = 24.0,
        train_split: str = "train",
        condition: str = CLEAN,
        seed: int = 7122,
        languages: str | None = None,
    ):
        super().__init__()
        self.root, self.dataset, self.languages = Path(root), dataset, languages
        self.shards = root if is_shard_set(root) else None
        folders = (Path(folder) if folder else None for folder in (landmarks, crops))
        mouths = Mouths(mouth_preset, *folders)
        self.streams = Streams(picture=picture, sound=sound, mouths=mouths, size=size)
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.eval_batch_size = eval_batch_size or batch_size
        self.max_seconds, self.condition = max_seconds, condition
        self.train_split = training_split(train_split)
        self._generator = torch.Generator().manual_seed(seed)

    def utterances(self, split: str) -> list[Utterance]:
        """The utterances of a split, by the dataset's reader.

        Raises:
            DataError: the folder is not such a dataset, or is a shard set of one.
        """
        if self.shards is not None:
            raise DataError(
                f"{self.shards} is a shard set, whose samples are streamed, and what is trained here "
                "opens the clips themselves: name the dataset's own folder"
            )
        condition = self.condition if split == "test" else CLEAN
        name = detect_dataset(self.root) if self.dataset == "auto" else self.dataset
        return read_split(name, self.root, split, condition, self.languages)

    def make_dataset(
        self, utterances: Sequence[Utterance], streams: Streams, train: bool
    ) -> AudioVisualDataset:
        """What the loaders read from."""
        return AudioVisualDataset(utterances, self.root, streams, train)

    def train_dataloader(self) -> ReportingLoader:
        """Batches of utterances of like length; an incomplete last one is dropped, if not alone."""
        streams = replace(self.streams, max_seconds=self.max_seconds)
        size = per_process(self, self.batch_size)
        if self.shards is not None:
            return self._stream(self.train_split, streams, size, train=True)
        utterances = self.utterances(self.train_split)
        data = self.make_dataset(utterances, streams, train=True)
        order = RandomSampler(data, generator=self._generator)
        drop_last = len(data) >= self.batch_size
        sizes: Any = data.sizes()
        batches = LengthBatches(order, size, drop_last, sizes, self.seed)
        return self._loader(data, batch_sampler=batches)

    def val_dataloader(self) -> ReportingLoader:
        """The validation utterances, whole and in order."""
        return self._eval_loader("dev")

    def test_dataloader(self) -> ReportingLoader:
        """The test utterances, whole and in order."""
        return self._eval_loader("test")

    def _eval_loader(self, split: str) -> ReportingLoader:
        if self.shards is not None:
            return self._stream(split, self.streams, self.eval_batch_size, train=False)
        data = self.make_dataset(self.utterances(split), self.streams, train=False)
        return self._loader(data, batch_size=self.eval_batch_size)

    def _stream(self, split: str, streams: Streams, size: int, *, train: bool) -> StreamLoader:
        """Batches out of a shard set."""
        from zoo.data.shard_stream import Shards

        if type(self).make_dataset is not AudioVisualDataModule.make_dataset:
            raise DataError(
                f"{type(self).__name__} reads folders only, not the shard set {self.shards}"
            )
        shards = Shards(str(self.shards))
        key = split_key(split, self.condition if split == "test" else CLEAN)
        decode = SampleReader(streams, train, shards.about.landmarks, shards.about.crops)
        workers = self.num_workers
        stream = shards.stream(
            UTTERANCES,
            key,
            decode,
            batch_size=size,
            num_workers=workers,
            train=train,
            seed=self.seed,
        )
        return StreamLoader(stream, **self._options(), batch_size=size)


@dataclass(frozen=True)
class SampleReader:
    """Makes an item of a sample of a shard set, as `AudioVisualDataset` does of an utterance."""

    streams: Streams
    train: bool
    landmarks: bool
    crops: bool

    def __call__(self, sample: Sample) -> dict[str, Any]:
        """The item; files lie in a folder of their own as long as it takes."""
        if not isinstance(sample.entry, Utterance):
            raise DataError("the sample is no utterance")
        with TemporaryDirectory() as scratch:
            folder = Path(scratch)
            sample.write(folder)
            mouths = replace(
                self.streams.mouths,
                landmarks=folder / LANDMARKS if self.landmarks else None,
                crops=folder / CROPS if self.crops else None,
            )
            streams = replace(self.streams, mouths=mouths)
            return AudioVisualDataset([sample.entry], folder, streams, self.train)[0]


def read_split(
    name: str, root: Path, split: str, condition: str = CLEAN, languages: str | None = None
) -> list[Utterance]:
    """Read a split by the name of the dataset.

    Raises:
        DataError: there is no such dataset, or the folder does not hold it.
    """
    if name == LRS3:
        return read_lrs3(root, split)
    if name == LRS2:
        return read_lrs2(root, split)
    if name == LRS_VOXMM:
        return read_lrs_voxmm(root, split, condition)
    if name == MTEDX:
        return read_mtedx(root, split, languages.split(",") if languages else None)
    raise DataError(f"dataset must be auto, {', '.join(DATASETS)}, not {name!r}")


def detect_dataset(root: str | Path) -> str:
    """Tell by its files which dataset a folder holds.

    Raises:
        DataError: none of the known ones.
    """
    base = Path(root)
    known = (
        (LRS_VOXMM, looks_like_lrs_voxmm),
        (LRS2, looks_like_lrs2),
        (LRS3, looks_like_lrs3),
        (MTEDX, looks_like_mtedx),
    )
    for name, looks_like in known:
        if looks_like(base):
            return name
    raise DataError(
        f"{base} is neither LRS3 (trainval/<video>/<5 digits>.txt), LRS2 (main/ and test.txt), "
        "LRS-VoxMM (original/test/) nor mTEDx (es-es/data/): name the folder that holds these"
    )
