"""Clips for training and validation: mouths and sound, corrupted while training."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import BatchSampler, Dataset, Sampler, SequentialSampler

from zoo.audio import load_audio
from zoo.audio.noise import babble, fit_length
from zoo.data.audio_visual import AudioVisualDataModule, AudioVisualDataset, Streams, collate
from zoo.data.drawn_truth import read_mouth
from zoo.data.loading import ReportingLoader, per_process
from zoo.data.mouths import Mouths
from zoo.data.utterances import Utterance
from zoo.models.av_relscore.augmentation import Corruption
from zoo.models.av_relscore.config import AugmentationConfig, InputConfig, MouthPreset
from zoo.models.av_relscore.inputs import standardize
from zoo.video.mouth_input import eval_input

logger = logging.getLogger(__name__)

_VOICES = 8  # that make up babble
_SHORT_SHARE = 3  # the shortest third comes first


class GreyMouths(AudioVisualDataset):
    """Utterances whose `video` is the grey square around the lips, with margins, as bytes.

    With `truth` they have `mouth` (T, 2) as well, what the corpus knows of the drawn mouth
    (`zoo.data.drawn_truth.read_mouth`).
    """

    def __init__(self, *arguments: Any, inputs: InputConfig, truth: bool = False) -> None:
        super().__init__(*arguments)
        self.inputs, self.truth = inputs, truth

    def _tensors(self, one: Utterance) -> dict[str, Tensor]:
        found = super()._tensors(one)
        if self.truth:
            mouth = torch.from_numpy(read_mouth(self.root / (one.video or "")))
            frames = len(found["video"])
            lacking = max(0, frames - len(mouth))
            found["mouth"] = pad(mouth[:frames], (0, 0, 0, lacking), value=torch.nan)
        return found

    def _prepared(self, pictures: Tensor) -> Tensor:
        return self.inputs.window.cut(pictures).clone()


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
        present = (True, True)
        if self.corruption is None:
            video = eval_input(item["video"], self.inputs.size)
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


def collate_clips(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`zoo.data.audio_visual.collate`, with the flags of the streams `present` (B, 2), and `mouth`
    (B, T, 2) where the clips have it."""
    batch = collate(items)
    good = [item for item in items if "skipped" not in item]
    if good:
        batch["present"] = torch.stack([item["present"] for item in good])
    if good and "mouth" in good[0]:
        batch["mouth"] = pad_sequence([item["mouth"] for item in good], batch_first=True)
    return batch


class ShortFirst(BatchSampler):
    """Batches of clips of like length; the first so many steps come from the shortest third.

    Args:
        sampler: which clips (Lightning puts a distributed one in its place).
        batch_size: clips a batch.
        drop_last: unused, all batches are whole unless there is but one.
        sizes: anything that grows with a clip's length.
        short_steps: batches that are short.
        seed: order.
    """

    def __init__(
        self,
        sampler: Sampler[int] | Iterable[int],
        batch_size: int,
        drop_last: bool,
        sizes: Sequence[float] = (),
        short_steps: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(sampler, batch_size, drop_last)
        self.short_steps, self._sizes = short_steps, sizes
        self._random, self._done = Random(seed), 0

    def __len__(self) -> int:
        return max(1, len(list(self.sampler)) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = sorted(self.sampler, key=self._sizes.__getitem__)
        count = max(1, len(order) // self.batch_size)
        third = order[: max(self.batch_size, len(order) // _SHORT_SHARE)]
        short = min(max(0, self.short_steps - self._done), count)
        batches: list[list[int]] = []
        while len(batches) < short:
            batches += self._batches(third)
        batches = batches[:short]
        batches += self._batches(order)[: count - short]
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
        batch_size: clips in a global batch.
        num_workers: processes that decode; with `keep_in_memory` each keeps its own.
        max_seconds: longer clips are left out of training.
        keep_in_memory: decode every clip once.
        noise: a recording that is mixed in, such as the official babble; None makes babble of
            the other training clips.
        train_split: what to train on.
        short_first: share of `total_steps` that train on the shortest third.
        total_steps: optimizer steps.
        mouth_weight: above 0, clips to train on come with what the corpus knows of their mouths.
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
        mouth_preset: MouthPreset = "av_relscore",
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
        mouth_weight: float = 0.0,
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
        self.inputs = InputConfig(mouth_preset=mouth_preset, size=size, row=row, column=column)
        fixed = mouth_preset == "fixed"
        folders = (None if fixed or not folder else Path(folder) for folder in (landmarks, crops))
        self.mouths = Mouths(self.inputs.pipeline, *folders)
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.keep, self.noise, self.truth = keep_in_memory, noise, mouth_weight > 0
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
        """The clips of a split, corrupted if it is the one to train on.

        Raises:
            DataError: mouths are asked for, and the corpus does not know them.
        """
        if split not in self._made:
            training = split == self.train_split
            streams = Streams(
                mouths=self.mouths, max_seconds=self.max_seconds if training else None
            )
            utterances = self._readers.utterances(split)
            truth = training and self.truth
            if truth:
                read_mouth(self.root / (utterances[0].video or ""))
            grey = GreyMouths(utterances, self.root, streams, inputs=self.inputs, truth=truth)
            noise = load_audio(self.noise) if self.noise and training else None
            corruption = self.corruption if training else None
            self._made[split] = Clips(grey, self.inputs, corruption, self.keep, noise)
        return self._made[split]

    def train_dataloader(self) -> ReportingLoader:
        """Corrupted clips in batches of like length."""
        clips = self.clips(self.train_split)
        order, share = SequentialSampler(clips), per_process(self, self.batch_size)
        sizes = clips.utterances.sizes()
        batches = ShortFirst(order, share, True, sizes, self.short_steps, self.seed)
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
