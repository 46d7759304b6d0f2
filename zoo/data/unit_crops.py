"""Crops of recorded speech with their units, mel and voice, for training unit vocoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from zoo.audio.mel import mel_front_end
from zoo.data.loading import ReportingLoader
from zoo.data.speech_crops import SpeechCropDataModule
from zoo.data.speech_targets import PACKAGED_VOICES, SpeechTargets, speech_targets
from zoo.data.speech_text import SpeechInMemory
from zoo.errors import ConfigError

UNIT_SAMPLES = 320
MELS_A_UNIT = 2
PEAK = 0.95


class UnitCrops(Dataset[dict[str, Any]]):
    """Crops that begin with a unit.

    parity: the waveform is normalised to its peak, its mel is not (Lip2Speech-Unit's recipe).

    Args:
        recordings: whole recordings.
        targets: their units and voices.
        samples: length of a crop, a multiple of the 320 samples of a unit.
        front_end: name of the mel.
        train: at a random place, else from the middle.
        normalize: bring every waveform's peak to 0.95.
    """

    def __init__(
        self,
        recordings: SpeechInMemory,
        targets: SpeechTargets,
        samples: int,
        front_end: str,
        *,
        train: bool,
        normalize: bool = True,
    ) -> None:
        if samples % UNIT_SAMPLES:
            raise ConfigError(f"crop_samples {samples} is not a multiple of {UNIT_SAMPLES}")
        self.recordings, self.targets, self.train = recordings, targets, train
        self.count, self.normalize = samples // UNIT_SAMPLES, normalize
        self.front_end = mel_front_end(front_end)
        self._mels: dict[int, Tensor] = {}

    def hear(self, said: Mapping[int, tuple[Tensor, Tensor]]) -> None:
        """Take mel (2 T, C) and units (T,) of some recordings, by their number, from elsewhere."""
        self._mels |= {number: mel for number, (mel, _) in said.items()}
        units = list(self.targets.units)
        for number, (_, own) in said.items():
            units[number] = own
        self.targets = replace(self.targets, units=tuple(units))

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = self.recordings[index]
        audio: Tensor = item["audio"]
        units = self.targets.units[index]
        spare = max(0, len(units) - self.count)
        start = int(torch.randint(spare + 1, ())) if self.train else spare // 2
        if index not in self._mels:
            self._mels[index] = self.front_end(audio).T
        mel = self._mels[index][MELS_A_UNIT * start :]
        gain = PEAK / max(float(audio.abs().max()), 1e-4) if self.normalize else 1.0
        crop = {
            "wav": _fit(audio[UNIT_SAMPLES * start :] * gain, UNIT_SAMPLES * self.count),
            "units": _fit(units[start:], self.count, repeat=True),
            "mel": _fit(mel, MELS_A_UNIT * self.count, repeat=True),
            "speaker": self.targets.voices[index],
            "id": item["id"],
        }
        if self.targets.pitches:
            crop["f0"] = _fit(self.targets.pitches[index][start:], self.count)
        return crop


def _fit(x: Tensor, length: int, *, repeat: bool = False) -> Tensor:
    """The first `length` entries of (T, ...); too few are followed by zeros or by the last one."""
    x = x[:length]
    lacking = length - len(x)
    if not lacking:
        return x
    if repeat:
        return torch.cat([x, x[-1:].expand(lacking, *x.shape[1:])])
    return F.pad(x, (0, lacking))


def collate_unit_crops(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Batch crops: `wav` (B, S), `units` (B, T), `mel` (B, 2 T, C), `speaker` (B, D), `id`, and
    where it was asked for `f0` (B, T) in Hz."""
    keys = [key for key in ("wav", "units", "mel", "speaker", "f0") if key in items[0]]
    batch: dict[str, Any] = {key: torch.stack([item[key] for item in items]) for key in keys}
    return {**batch, "id": [item["id"] for item in items]}


class UnitCropDataModule(SpeechCropDataModule):
    """Loaders of speech crops with units, mel and voice.

    Args:
        root: the dataset's folder.
        dataset: as for `AudioVisualDataModule`.
        batch_size: crops in a global batch.
        crop_samples: length of a training crop at 16 kHz.
        eval_samples: length of a validation crop.
        unit_source: checkpoint that makes the units.
        speaker_source: checkpoint that makes the speaker vectors; empty for none.
        front_end: mel front-end.
        num_workers: processes that cut.
        train_split: what to train on.
        normalize: bring every waveform's peak to 0.95.
        seed: order and places of the crops.
        more_roots: further datasets to train on.
        pitch: "optional" gives every crop its pitch; all else, as the models' configurations have
            it, does not.
    """

    def __init__(
        self,
        root: str,
        dataset: str = "auto",
        batch_size: int = 16,
        crop_samples: int = 8960,
        eval_samples: int = 32_000,
        unit_source: str = "hubert_units.tiny",
        speaker_source: str = PACKAGED_VOICES,
        front_end: str = "tacotron16k",
        num_workers: int = 0,
        train_split: str = "train",
        normalize: bool = True,
        seed: int = 7122,
        more_roots: Sequence[str] | None = None,
        pitch: str = "none",
    ):
        super().__init__(
            root,
            dataset,
            batch_size,
            crop_samples,
            eval_samples,
            num_workers,
            train_split,
            vary=False,  # units belong to the recordings as they are
            seed=seed,
            more_roots=more_roots,
        )
        self.unit_source, self.speaker_source = unit_source, speaker_source
        self.front_end, self.normalize = front_end, normalize
        self.pitch = pitch
        self._targets: dict[str, SpeechTargets] = {}
        self._said: dict[str, Mapping[int, tuple[Tensor, Tensor]]] = {}

    collate_items = staticmethod(collate_unit_crops)

    def targets(self, split: str) -> SpeechTargets:
        """Units and voices of a split, made or found in the cache at the first call."""
        if split not in self._targets:
            data = self.recordings(split)
            self._targets[split] = speech_targets(
                (data[k]["audio"] for k in range(len(data))),
                unit_source=self.unit_source,
                speaker_source=self.speaker_source or None,
                pitch=self.pitch == "optional",
            )
        return self._targets[split]

    def training_units(self, source: str) -> tuple[Tensor, ...]:
        """Units (T,) of every training recording, in their order, by a checkpoint that need not be
        `unit_source`."""
        data = self.recordings(self.train_split)
        waves = (data[k]["audio"] for k in range(len(data)))
        return speech_targets(waves, unit_source=source, speaker_source=None).units

    def mean_speaker(self) -> Tensor:
        """(C,) the mean voice of the training recordings."""
        return self.targets(self.train_split).mean_voice

    def train_dataloader(self) -> ReportingLoader:
        """Crops at random places."""
        crops = self._unit_crops(self.train_split, self.crop_samples, train=True)
        drop_last = len(crops) >= self.batch_size
        return self._crop_loader(crops, shuffle=True, drop_last=drop_last)

    def _eval_loader(self, split: str) -> ReportingLoader:
        return self._crop_loader(self._unit_crops(split, self.eval_samples, train=False))

    def hear(self, split: str, said: Mapping[int, tuple[Tensor, Tensor]]) -> None:
        """Let the crops of a split have mel and units that another model says, see `UnitCrops`."""
        self._said[split] = said

    def _unit_crops(self, split: str, samples: int, *, train: bool) -> UnitCrops:
        crops = UnitCrops(
            self.recordings(split),
            self.targets(split),
            samples,
            self.front_end,
            train=train,
            normalize=self.normalize,
        )
        crops.hear(self._said.get(split, {}))
        return crops
