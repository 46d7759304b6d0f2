"""Short stretches of drawn talking faces with their MFCC, in memory: for training a SyncNet."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from zoo.audio import load_audio
from zoo.audio.mfcc import FRAME, mfcc
from zoo.audio.variation import Variation
from zoo.data.audio_visual import SAMPLES_PER_FRAME, AudioVisualDataModule
from zoo.data.drawn_truth import read_mouth
from zoo.data.loading import per_process, training_split
from zoo.data.utterances import Utterance, spread
from zoo.errors import DataError
from zoo.video import load_video

log = logging.getLogger(__name__)

# the microphone and the room may change, the pace must not
_SOUND: Final = Variation(speed_share=0.0, noise_share=0.4, snr_db=(15.0, 40.0), band_share=0.2)
_MARGIN: Final = 16  # pixels kept around the part that the network sees
_SHIFT: Final = 7.0  # spread of its place in training, in pixels
_SMALLEST: Final = 0.8  # side of the part that is taken in training, in sides of the usual one
_SHARPNESS: Final = (0.4, 1.0)  # generated faces are blurred: resolution before enlarging
_BRIGHTNESS: Final = (0.75, 1.25)
_COLUMNS_A_FRAME: Final = 4
_AFTER: Final = FRAME - 160  # samples by which the last MFCC frame reaches beyond the last picture


class TalkingStretches(Dataset[dict[str, Tensor]]):
    """A stretch of each clip with its sound.

    An item is `frames` (R, 3, size, size) uint8 RGB, `mfcc` (4 R, 13) float32, whose columns
    4 i .. 4 i + 19 belong to the five frames from i on, and `mouth` (R, 2) float32, the opening and
    the width of the mouth, standardised.

    Args:
        root: folder of the corpus.
        utterances: its clips of square frames, with the ground truth beside the videos.
        corner: upper left corner (top, left) of the part of a frame that the network sees.
        size: its side.
        stretch: R; shorter clips are left out.
        vary: take another stretch every time and change picture and sound at random; otherwise
            the middle as it is.

    Raises:
        DataError: a clip has no ground truth, or frames too small for the part.
    """

    def __init__(
        self,
        root: Path,
        utterances: list[Utterance],
        corner: tuple[int, int],
        size: int,
        stretch: int,
        vary: bool,
    ) -> None:
        self.size, self.stretch, self.vary = size, stretch, vary
        self._clips: list[tuple[Tensor, NDArray[np.float32], NDArray[np.float32]]] = []
        for one in utterances:
            if one.video is None:
                raise DataError(f"{one.id} has no video")
            path = root / one.video
            mouth = read_mouth(path)
            frames = _around(load_video(path).frames, corner, size, one.id)
            sound = load_audio(root / one.sound).numpy()
            count = min(len(frames), len(mouth), len(sound) // SAMPLES_PER_FRAME)
            if count > stretch:
                self._clips.append((frames[:count], sound[: count * SAMPLES_PER_FRAME], mouth))

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        frames, sound, mouth = self._clips[index]
        spare = len(frames) - self.stretch
        # torch's generator is the one that loaders seed in every worker
        start = int(torch.randint(spare, ())) if self.vary else spare // 2
        pictures = frames[start : start + self.stretch]
        first = start * SAMPLES_PER_FRAME
        heard = torch.from_numpy(sound[first : first + self.stretch * SAMPLES_PER_FRAME + _AFTER])
        if self.vary:
            rng = np.random.default_rng(int(torch.randint(2**62, ())))
            pictures, heard = varied_picture(pictures, self.size, rng), _SOUND(heard, rng)
        else:
            pictures = pictures[..., _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        rows = mfcc((heard.numpy() * 32_768.0).round())[: self.stretch * _COLUMNS_A_FRAME]
        return {
            "frames": pictures,
            "mfcc": torch.from_numpy(rows.astype(np.float32)),
            "mouth": torch.from_numpy(mouth[start : start + self.stretch]),
        }


def _around(frames: Tensor, corner: tuple[int, int], size: int, name: str) -> Tensor:
    """The part of frames (T, 3, H, W) that the network sees, with a margin."""
    top, left = (start - _MARGIN for start in corner)
    side = size + 2 * _MARGIN
    if min(top, left) < 0 or top + side > frames.shape[-2] or left + side > frames.shape[-1]:
        height, width = frames.shape[-2:]
        raise DataError(f"{name}: frames of {width} x {height} pixels; expected 224 x 224")
    return frames[..., top : top + side, left : left + side].clone()


def varied_picture(frames: Tensor, size: int, rng: Generator) -> Tensor:
    """Another view (R, 3, size, size) of (R, 3, S, S) uint8.

    Elsewhere, nearer or farther, mirrored, less sharp, brighter or darker; one for all frames.
    """
    whole = frames.shape[-1]
    side = round(rng.uniform(_SMALLEST * size, whole))
    x, y = (
        round(np.clip((whole - side) / 2 + rng.normal(0, _SHIFT), 0, whole - side)) for _ in "xy"
    )
    part = frames[..., y : y + side, x : x + side].float()
    if rng.random() < 0.5:
        part = part.flip(-1)
    coarse = round(size * rng.uniform(*_SHARPNESS))
    if coarse < side and rng.random() < 0.5:
        part = F.interpolate(part, (coarse, coarse), mode="area")
    part = F.interpolate(part, (size, size), mode="bilinear", align_corners=False)
    return (part * rng.uniform(*_BRIGHTNESS)).round().clamp(0, 255).byte()


class TalkingStretchesDataModule(LightningDataModule):
    """Stretches of the clips of a generated corpus in the layout of LRS3 or LRS-VoxMM.

    Args:
        root: the corpus.
        dataset: as for `AudioVisualDataModule`.
        corner: upper left corner of the part of a frame that the network sees.
        size: its side.
        stretch: frames of a stretch.
        clips: how many training clips are kept in memory, spread over the recordings.
        batch_size: clips in a global batch.
        train_split: what to train on.
        seed: order of the clips.
    """

    def __init__(
        self,
        root: str,
        dataset: str = "auto",
        corner: tuple[int, int] = (96, 56),
        size: int = 112,
        stretch: int = 17,
        clips: int = 800,
        batch_size: int = 16,
        train_split: str = "train30",
        seed: int = 7122,
    ):
        super().__init__()
        self.reader = AudioVisualDataModule(root, dataset)
        self.corner, self.size, self.stretch, self.clips = corner, size, stretch, clips
        self.batch_size, self.train_split = batch_size, training_split(train_split)
        self._generator = torch.Generator().manual_seed(seed)
        self._decoded: dict[str, TalkingStretches] = {}

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Another stretch of every clip each time, in random order."""
        data = self._in_memory(self.train_split, vary=True)
        whole = len(data) >= self.batch_size
        share = per_process(self, self.batch_size)
        return self._loader(data, batch_size=share, shuffle=True, drop_last=whole)

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """The middle of the validation clips, in order."""
        return self._loader(self._in_memory("dev", vary=False), batch_size=self.batch_size)

    def _in_memory(self, split: str, *, vary: bool) -> TalkingStretches:
        if split not in self._decoded:
            chosen = spread(self.reader.utterances(split), self.clips)
            self._decoded[split] = TalkingStretches(
                self.reader.root, chosen, self.corner, self.size, self.stretch, vary
            )
            log.info("%s: %d clips in memory", split, len(self._decoded[split]))
        return self._decoded[split]

    def _loader(self, data: TalkingStretches, **options: Any) -> DataLoader[dict[str, Tensor]]:
        return DataLoader(data, generator=self._generator, **options)
