"""Short stretches of talking faces with their MFCC, kept in memory: for training a SyncNet."""

from __future__ import annotations

import logging
from typing import Any, Final

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from zoo.audio.mfcc import FRAME, mfcc
from zoo.audio.variation import Variation
from zoo.data.audio_visual import (
    SAMPLES_PER_FRAME,
    AudioVisualDataModule,
    AudioVisualDataset,
    Streams,
)
from zoo.data.utterances import spread

log = logging.getLogger(__name__)

# the microphone and the room may change, the pace must not
_SOUND: Final = Variation(speed_share=0.0, noise_share=0.4, snr_db=(15.0, 40.0), band_share=0.2)
_ZOOM: Final = (0.6, 1.0)  # side of the part of a frame that is taken
_SHARPNESS: Final = (0.4, 1.0)  # generated faces are blurred: resolution before enlarging
_BRIGHTNESS: Final = (0.75, 1.25)
_COLUMNS_A_FRAME: Final = 4
_AFTER: Final = FRAME - 160  # samples by which the last MFCC frame reaches beyond the last picture


class TalkingStretches(Dataset[dict[str, Tensor]]):
    """A stretch of each clip with its sound.

    An item is `frames` (R, 3, size, size) uint8 RGB and `mfcc` (4 R, 13) float32, whose columns
    4 i .. 4 i + 19 belong to the five frames from i on.

    Args:
        clips: a dataset whose items have `video` (T, 3, H, W) uint8 and `audio` (S,).
        size: side of the frames.
        stretch: R; shorter clips are left out.
        vary: take another stretch every time and change picture and sound at random; otherwise
            the middle as it is.
    """

    def __init__(self, clips: AudioVisualDataset, size: int, stretch: int, vary: bool) -> None:
        self.size, self.stretch, self.vary = size, stretch, vary
        self._clips: list[tuple[Tensor, NDArray[np.float32]]] = []
        for k in range(len(clips)):
            item = clips[k]
            if "skipped" in item:
                log.warning("left out: %s", item["skipped"])
            elif len(item["video"]) > stretch:
                self._clips.append((_resized(item["video"], size), item["audio"].numpy()))

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        frames, sound = self._clips[index]
        spare = len(frames) - self.stretch
        # torch's generator is the one that loaders seed in every worker
        start = int(torch.randint(spare, ())) if self.vary else spare // 2
        pictures = frames[start : start + self.stretch]
        first = start * SAMPLES_PER_FRAME
        heard = torch.from_numpy(sound[first : first + self.stretch * SAMPLES_PER_FRAME + _AFTER])
        if self.vary:
            rng = np.random.default_rng(int(torch.randint(2**62, ())))
            pictures, heard = varied_picture(pictures, rng), _SOUND(heard, rng)
        rows = mfcc((heard.numpy() * 32_768.0).round())[: self.stretch * _COLUMNS_A_FRAME]
        return {"frames": pictures, "mfcc": torch.from_numpy(rows.astype(np.float32))}


def _resized(frames: Tensor, size: int) -> Tensor:
    parts = [
        F.interpolate(part.float(), (size, size), mode="area").round().byte()
        for part in torch.split(frames, 64)
    ]
    return torch.cat(parts)


def varied_picture(frames: Tensor, rng: Generator) -> Tensor:
    """Another view of (R, 3, S, S) uint8: nearer, mirrored, less sharp, brighter or darker."""
    size = frames.shape[-1]
    side = round(size * rng.uniform(*_ZOOM))
    # the face is in the middle of LRS-style tracks, the mouth a little below it
    x, y = (round((size - side) * np.clip(0.5 + rng.normal(0, 0.2), 0, 1)) for _ in range(2))
    part = frames[..., y : y + side, x : x + side].float()
    if rng.random() < 0.5:
        part = part.flip(-1)
    coarse = round(size * rng.uniform(*_SHARPNESS))
    if coarse < side:
        part = F.interpolate(part, (coarse, coarse), mode="area")
    part = F.interpolate(part, (size, size), mode="bilinear", align_corners=False)
    return (part * rng.uniform(*_BRIGHTNESS)).round().clamp(0, 255).byte()


class TalkingStretchesDataModule(LightningDataModule):
    """Stretches of the clips of LRS3, LRS2 or LRS-VoxMM, decoded once.

    Args:
        root: the dataset's folder.
        dataset: as for `AudioVisualDataModule`.
        size: side of the frames.
        stretch: frames of a stretch.
        clips: how many training clips are kept in memory, spread over the recordings.
        batch_size: clips a step and process.
        train_split: what to train on.
        seed: order of the clips.
    """

    def __init__(
        self,
        root: str,
        dataset: str = "auto",
        size: int = 112,
        stretch: int = 16,
        clips: int = 1200,
        batch_size: int = 8,
        train_split: str = "train30",
        seed: int = 7122,
    ):
        super().__init__()
        self.reader = AudioVisualDataModule(root, dataset, picture="face", sound="waveform")
        self.size, self.stretch, self.clips = size, stretch, clips
        self.batch_size, self.train_split = batch_size, train_split
        self._generator = torch.Generator().manual_seed(seed)
        self._decoded: dict[str, TalkingStretches] = {}

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Another stretch of every clip each time, in random order."""
        data = self._in_memory(self.train_split, vary=True)
        whole = len(data) >= self.batch_size
        return self._loader(data, shuffle=True, drop_last=whole)

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """The middle of the validation clips, in order."""
        return self._loader(self._in_memory("dev", vary=False))

    def _in_memory(self, split: str, *, vary: bool) -> TalkingStretches:
        if split not in self._decoded:
            chosen = spread(self.reader.utterances(split), self.clips)
            streams = Streams(picture="face", sound="waveform")
            clips = AudioVisualDataset(chosen, self.reader.root, streams)
            self._decoded[split] = TalkingStretches(clips, self.size, self.stretch, vary)
            log.info("%s: %d clips in memory", split, len(self._decoded[split]))
        return self._decoded[split]

    def _loader(self, data: TalkingStretches, **options: Any) -> DataLoader[dict[str, Tensor]]:
        return DataLoader(data, self.batch_size, generator=self._generator, **options)
