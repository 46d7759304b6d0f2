"""Clips for training and validation: mouths and sound, corrupted while training."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from zoo.audio import load_audio
from zoo.audio.noise import babble, fit_length
from zoo.data.audio_visual import AudioVisualDataModule, AudioVisualDataset, Streams, collate
from zoo.data.loading import ReportingLoader
from zoo.data.mouths import Mouths
from zoo.models.av_relscore.augmentation import MARGIN, Corruption
from zoo.models.av_relscore.config import AugmentationConfig, InputConfig
from zoo.models.av_relscore.inputs import standardize, window
from zoo.video.mouth_input import normalize

logger = logging.getLogger(__name__)

_VOICES = 8  # that make up babble
_SHORT_SHARE = 3  # the shortest third comes first


class GreyMouths(AudioVisualDataset):
    """Utterances whose `video` is the grey square around the lips, with margins, as bytes."""

    def __init__(self, *arguments: Any, inputs: InputConfig) -> None:
        super().__init__(*arguments)
        self.inputs = inputs

    def _prepared(self, pictures: Tensor) -> Tensor:
        return window(pictures, self.inputs, MARGIN).clone()


class Clips(Dataset[dict[str, Any]]):
    """Utterances as the network takes them.

    An item has `video` (T, H, W), `audio` (S,) standardised, `present` (2,) bool for video and
    sound, `text`, `id`, `source`.

    Args:
        utterances: what to read.
        inputs: what the network sees.
        corruption: what is done to the clips; None: nothing.
        keep: decode every clip once and keep it.
        noise: a recording (N,) that is mixed in; None makes babble of other clips.
    """

    def __init__(
        self,
        utterances: GreyMouths,
        inputs: InputConfig,
        corruption: Corruption | None = None,
        keep: bool = False,
        noise: Tensor | None = None,
    ) -> None:
        self.utterances, self.inputs, self.noise = utterances, inputs, noise
        self.corruption, self.keep = corruption, keep
        self._kept: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = self._read(index)
        if "skipped" in item:
            return item
        sound = item["audio"].float() / 32_768
        present, video = (True, True), normalize(item["video"])
        if self.corruption is None:
            video = normalize(_middle(item["video"], self.inputs.size))
        else:
            # torch's generator is the one that loaders seed in every worker
            draw = Random(int(torch.randint(2**62, ())))
            video = self.corruption.video(item["video"], draw)
            sound = self.corruption.audio(sound, self._noise(index, len(sound), draw), draw)
            present = self.corruption.present(draw)
        flags = torch.tensor(present)
        return {**item, "video": video, "audio": standardize(sound), "present": flags}

    def _read(self, index: int) -> dict[str, Any]:
        if index in self._kept:
            return self._kept[index]
        item = self.utterances[index]
        if "skipped" not in item:
            # two bytes a sample are what the recording had
            item["audio"] = (item["audio"] * 32_768).round().clamp(-32_768, 32_767).to(torch.int16)
        if self.keep:
            self._kept[index] = item
        return item

    def _noise(self, index: int, samples: int, draw: Random) -> Tensor:
        if self.noise is not None:
            return fit_length(self.noise, samples, draw)
        voices: list[Tensor] = []
        for _ in range(2 * _VOICES):
            other = draw.randrange(len(self))
            item: dict[str, Any] = self._read(other) if other != index else {"skipped": ""}
            if "skipped" not in item and item["source"] != self.utterances.utterances[index].source:
                voices.append(item["audio"].float() / 32_768)
            if len(voices) == _VOICES:
                break
        return babble(voices, samples, draw, _VOICES) if voices else torch.zeros(samples)


def _middle(grey: Tensor, size: int) -> Tensor:
    top, left = (grey.shape[-2] - size) // 2, (grey.shape[-1] - size) // 2
    return grey[..., top : top + size, left : left + size]


def collate_clips(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`zoo.data.audio_visual.collate`, with the flags of the streams `present` (B, 2)."""
    batch = collate(items)
    good = [item["present"] for item in items if "skipped" not in item]
    return batch | ({"present": torch.stack(good)} if good else {})


class ShortFirst(Sampler[list[int]]):
    """Batches of clips of like length; the first so many steps come from the shortest third.

    Args:
        sizes: anything that grows with a clip's length.
        batch_size: clips a batch.
        short_steps: batches that are short.
        seed: order.
    """

    def __init__(
        self, sizes: Sequence[float], batch_size: int, short_steps: int, seed: int
    ) -> None:
        self.batch_size, self.short_steps = batch_size, short_steps
        self._order = sorted(range(len(sizes)), key=sizes.__getitem__)
        self._random, self._done = Random(seed), 0

    def __len__(self) -> int:
        return max(1, len(self._order) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        third = self._order[: max(self.batch_size, len(self._order) // _SHORT_SHARE)]
        left = max(0, self.short_steps - self._done)
        batches: list[list[int]] = []
        while len(batches) < min(left, len(self)):
            batches += self._batches(third)
        batches = batches[: min(left, len(self))]
        batches += self._batches(self._order)[: len(self) - len(batches)]
        for batch in batches:
            self._done += 1
            yield batch

    def _batches(self, indices: Sequence[int]) -> list[list[int]]:
        """All of `indices`, which are sorted by length, in batches of neighbours, shuffled."""
        size = self.batch_size
        # a random start, so that not always the same clips meet
        start = self._random.randrange(size) if len(indices) >= 2 * size else 0
        batches = [list(indices[k : k + size]) for k in range(start, len(indices), size)]
        batches = [batch for batch in batches if len(batch) == size] or [list(indices)]
        self._random.shuffle(batches)
        return batches


class RelScoreDataModule(LightningDataModule):
    """Loaders over LRS3, LRS2 or LRS-VoxMM (no training) with AV-RelScore's corruption.

    Args:
        root: the dataset's folder.
        dataset: "lrs3", "lrs2", "lrs-voxmm" or "auto", which looks at the folder.
        mouth_preset: the pipeline of the mouth crops; "fixed" looks for no face.
        landmarks: folder with landmarks laid out like the clips.
        crops: folder with ready-made mouth crops laid out like the clips.
        size: side of the pictures.
        row: row of their centre in a crop of 96.
        column: column of it.
        batch_size: clips a step and process.
        num_workers: processes that decode; with `keep_in_memory` each keeps its own.
        max_seconds: longer clips are left out of training.
        keep_in_memory: decode every clip once.
        noise: a recording that is mixed in, such as the official babble; None makes babble of
            the other training clips.
        train_split: what to train on.
        short_first: share of `total_steps` that train on the shortest third.
        total_steps: optimizer steps.
        occlusion: see `AugmentationConfig`, as the following ones.
        snr_levels: in dB.
        clean: chance of no noise.
        time_mask: frames.
        hole: pixels.
        drop_video: chance.
        drop_audio: chance.
        seed: order of the batches.
    """

    def __init__(
        self,
        root: str,
        dataset: str = "auto",
        mouth_preset: str = "av_relscore",
        landmarks: str | None = None,
        crops: str | None = None,
        size: int = 88,
        row: int = 48,
        column: int = 48,
        batch_size: int = 8,
        num_workers: int = 0,
        max_seconds: float = 24.0,
        keep_in_memory: bool = False,
        noise: str | None = None,
        train_split: str = "train",
        short_first: float = 0.0,
        total_steps: int = 0,
        occlusion: float = 0.8,
        snr_levels: tuple[float, ...] = (-5.0, 0.0, 5.0, 10.0, 15.0),
        clean: float = 0.0,
        time_mask: int = 15,
        hole: tuple[int, int] = (22, 44),
        drop_video: float = 0.0,
        drop_audio: float = 0.0,
        seed: int = 7122,
    ) -> None:
        super().__init__()
        # the readers of the datasets, and their splits
        self._readers = AudioVisualDataModule(root, dataset, train_split=train_split)
        self.root, self.train_split, self.max_seconds = Path(root), train_split, max_seconds
        fixed = mouth_preset == "fixed"
        folders = (None if fixed or not folder else Path(folder) for folder in (landmarks, crops))
        self.mouths = Mouths("av_relscore" if fixed else mouth_preset, *folders)
        self.inputs = InputConfig(size=size, row=row, column=column)
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.keep, self.noise = keep_in_memory, noise
        self.short_steps = int(short_first * total_steps)
        self.corruption = Corruption(
            AugmentationConfig(
                occlusion=occlusion,
                snr_levels=tuple(snr_levels),
                clean=clean,
                time_mask=time_mask,
                hole=(hole[0], hole[1]),
                drop_video=drop_video,
                drop_audio=drop_audio,
            ),
            self.inputs,
        )
        self._made: dict[str, Clips] = {}

    def clips(self, split: str) -> Clips:
        """The clips of a split, corrupted if it is the one to train on."""
        if split not in self._made:
            training = split == self.train_split
            streams = Streams(
                mouths=self.mouths, max_seconds=self.max_seconds if training else None
            )
            utterances = self._readers.utterances(split)
            grey = GreyMouths(utterances, self.root, streams, inputs=self.inputs)
            noise = load_audio(self.noise) if self.noise and training else None
            corruption = self.corruption if training else None
            self._made[split] = Clips(grey, self.inputs, corruption, self.keep, noise)
        return self._made[split]

    def train_dataloader(self) -> ReportingLoader:
        """Corrupted clips in batches of like length."""
        clips = self.clips(self.train_split)
        batches = ShortFirst(clips.utterances.sizes(), self.batch_size, self.short_steps, self.seed)
        return self._loader(clips, batch_sampler=batches)

    def val_dataloader(self) -> ReportingLoader:
        """The validation clips as they are."""
        return self._loader(self.clips("dev"), batch_size=self.batch_size)

    def test_dataloader(self) -> ReportingLoader:
        """The test clips as they are."""
        return self._loader(self.clips("test"), batch_size=self.batch_size)

    def _loader(self, clips: Clips, **options: Any) -> ReportingLoader:
        return ReportingLoader(
            clips,
            collate_fn=collate_clips,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            generator=torch.Generator().manual_seed(self.seed),
            **options,
        )
