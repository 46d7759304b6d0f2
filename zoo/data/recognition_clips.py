"""Clips for training lip readers and audio-visual recognisers: kept in memory, sound made noisy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal

import torch
from torch import Tensor

from zoo.audio.noise import babble, mix_at_snr, power
from zoo.data.audio_visual import AudioVisualDataModule, AudioVisualDataset, Picture, Streams
from zoo.data.utterances import Utterance
from zoo.errors import DataError
from zoo.video.mouth_input import INPUT_SIZE
from zoo.video.mouth_window import MouthWindow

_FULL_SCALE = 32_767


@dataclass(frozen=True, kw_only=True)
class Babble:
    """Other voices of the training set behind some utterances."""

    share: float
    """How often."""
    lowest_snr_db: float
    """Lower end of the ratios, which are drawn evenly."""
    highest_snr_db: float
    """Upper end."""
    voices: int
    """How many others talk."""


class RecognitionClips(AudioVisualDataset):
    """An `AudioVisualDataset` that can keep what it decodes and add babble to the sound.

    Args:
        utterances: what to read.
        root: what their paths are relative to.
        streams: which tensors.
        train: random crops and mirroring of mouths.
        keep: decoded mouths (a byte a pixel) and sound (two a sample) stay in memory.
        noise: babble behind the sound; None adds nothing.
        window: which square of the crops is shown.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        root: str | Path,
        streams: Streams | None = None,
        train: bool = False,
        *,
        keep: bool = False,
        noise: Babble | None = None,
        window: MouthWindow | None = None,
    ) -> None:
        super().__init__(utterances, root, streams, train)
        self.window = window or MouthWindow()
        self.keep, self.noise = keep, noise
        self._kept_pictures: dict[str, Tensor] = {}
        self._kept_sound: dict[str, Tensor] = {}

    def share_memory_of(self, other: RecognitionClips) -> None:
        """Keep decoded clips in one place with another dataset of the same root."""
        self._kept_pictures, self._kept_sound = other._kept_pictures, other._kept_sound

    def _pictures(self, one: Utterance) -> Tensor | None:
        if _key(one) in self._kept_pictures:
            return self._kept_pictures[_key(one)]
        pictures = self._seen(one)
        if self.keep and pictures is not None:
            self._kept_pictures[_key(one)] = pictures
        return pictures

    def _seen(self, one: Utterance) -> Tensor | None:
        """Part of the grey crops (T, side, side)."""
        if self.streams.picture == "none":
            return None
        if one.video is None:
            raise DataError("has no video, and the model wants pictures")
        return self.streams.mouths.window(self.root / one.video, one.video, self.window)

    def _sound(self, one: Utterance) -> Tensor | None:
        sound = self._clean(one)
        if sound is None or self.noise is None or torch.rand(()) >= self.noise.share:
            return sound
        return self._noisy(sound, one, self.noise)

    def _clean(self, one: Utterance) -> Tensor | None:
        if _key(one) in self._kept_sound:
            return self._kept_sound[_key(one)].float() / _FULL_SCALE
        sound = super()._sound(one)
        if self.keep and sound is not None:
            self._kept_sound[_key(one)] = (sound.clamp(-1, 1) * _FULL_SCALE).round().to(torch.int16)
        return sound

    def _noisy(self, sound: Tensor, one: Utterance, noise: Babble) -> Tensor:
        # torch's generator is the one that loaders seed in every worker
        draw = Random(int(torch.randint(2**62, ())))
        chosen = draw.sample(self.utterances, min(len(self.utterances), noise.voices + 1))
        others = [self._clean(other) for other in chosen if other.source != one.source]
        voices = [voice for voice in others if voice is not None and bool(power(voice) > 0)]
        if not voices or not bool(power(sound) > 0):
            return sound
        level = draw.uniform(noise.lowest_snr_db, noise.highest_snr_db)
        mixed = mix_at_snr(sound, babble(voices, len(sound), draw, noise.voices), level)
        return mixed / mixed.abs().max().clamp_min(1.0)


class RecognitionDataModule(AudioVisualDataModule):
    """Mouths and waveforms of LRS3, LRS2 or mTEDx.

    Args:
        root: the dataset's folder.
        dataset: as for `AudioVisualDataModule`.
        picture: "mouth" or "none".
        landmarks: folder with landmarks laid out like the clips.
        crops: folder with ready-made mouth crops laid out like the clips.
        batch_size: utterances in a global batch.
        num_workers: processes that decode; 0 if clips are to stay in memory.
        max_seconds: longer utterances are left out of training.
        train_split: what to train on.
        in_memory: decoded clips stay in memory.
        noise_share: how often training adds babble.
        lowest_snr_db: lower end of its ratios.
        highest_snr_db: upper end.
        noise_voices: how many voices make it up.
        label_share: share of the training utterances to use, for learning from few labels.
        seed: order of the batches and places of the crops.
        mouths: "aligned" (by landmarks) or "fixed" (the same part of every face track).
        size: side of the square of a crop that is shown.
        row: row of its centre.
        column: column of it.
        languages: what is spoken (mTEDx).
    """

    def __init__(
        self,
        root: str,
        dataset: str = "auto",
        picture: Picture = "mouth",
        landmarks: str | None = None,
        crops: str | None = None,
        batch_size: int = 16,
        num_workers: int = 0,
        max_seconds: float | None = 20.0,
        train_split: str = "train",
        in_memory: bool = False,
        noise_share: float = 0.0,
        lowest_snr_db: float = 0.0,
        highest_snr_db: float = 0.0,
        noise_voices: int = 4,
        label_share: float = 1.0,
        seed: int = 7122,
        languages: str | None = None,
        mouths: Literal["aligned", "fixed"] = "aligned",
        size: int = INPUT_SIZE,
        row: int = 48,
        column: int = 48,
    ) -> None:
        super().__init__(
            root,
            dataset,
            picture,
            "waveform",
            landmarks=landmarks,
            crops=crops,
            batch_size=batch_size,
            num_workers=num_workers,
            max_seconds=max_seconds,
            train_split=train_split,
            seed=seed,
            languages=languages,
            size=size,
        )
        self.window = MouthWindow(mouths=mouths, size=size, row=row, column=column)
        self.in_memory, self.label_share = in_memory, label_share
        self.noise = Babble(
            share=noise_share,
            lowest_snr_db=lowest_snr_db,
            highest_snr_db=highest_snr_db,
            voices=noise_voices,
        )
        self._made: dict[tuple[bool, str], RecognitionClips] = {}

    def utterances(self, split: str) -> list[Utterance]:
        """As of the base class; of the training split a share."""
        found = super().utterances(split)
        if split != self.train_split or self.label_share >= 1:
            return found
        count = max(1, round(self.label_share * len(found)))
        chosen = set(Random(self.seed).sample(range(len(found)), count))
        return [one for number, one in enumerate(found) if number in chosen]

    def make_dataset(
        self, utterances: Sequence[Utterance], streams: Streams, train: bool
    ) -> AudioVisualDataset:
        """One dataset a split, so that what it keeps outlives an epoch and a loader."""
        key = (train, utterances[0].split if utterances else "")
        if key not in self._made:
            noise = self.noise if train and self.noise.share > 0 else None
            self._made[key] = RecognitionClips(
                utterances,
                self.root,
                streams,
                train,
                keep=self.in_memory,
                noise=noise,
                window=self.window,
            )
            self._share_memory()
        return self._made[key]

    def plain_dataset(self, split: str, count: int | None = None) -> RecognitionClips:
        """Utterances as they are: middle of the mouths, no noise.

        Args:
            split: which; of the training split the same utterances as are trained on.
            count: only so many, drawn from all.
        """
        utterances = self.utterances(split)
        if count is not None and count < len(utterances):
            utterances = Random(self.seed).sample(utterances, count)
        longest = self.max_seconds if split == self.train_split else None
        streams = replace(self.streams, max_seconds=longest)
        plain = RecognitionClips(
            utterances, self.root, streams, keep=self.in_memory, window=self.window
        )
        self._made[(False, f"plain {split} {count}")] = plain
        self._share_memory()
        return plain

    def _share_memory(self) -> None:
        """A clip that two datasets read is decoded once."""
        first, *others = self._made.values()
        for other in others:
            other.share_memory_of(first)


def _key(one: Utterance) -> str:
    """What is decoded for an utterance: ids are unique only within a split."""
    part = "" if one.video is not None else f" {one.start_s}"
    return f"{one.video} {one.audio}{part}"
