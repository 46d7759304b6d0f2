"""Silent lips with the units, mel and voice that belong to them: for lip-to-speech models."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset, SubsetRandomSampler

from zoo.audio.mel import mel_front_end
from zoo.data.audio_visual import SAMPLES_PER_FRAME
from zoo.data.loading import LengthBatches, ReportingLoader, per_process
from zoo.data.mouths import Mouths
from zoo.data.speech_targets import PACKAGED_VOICES, SpeechTargets
from zoo.data.speech_text import SpeechInMemory
from zoo.data.unit_crops import MELS_A_UNIT, UnitCropDataModule
from zoo.errors import DataError, MediaError
from zoo.video.mouth import CROP_SIZE
from zoo.video.mouth_input import INPUT_SIZE, eval_input, train_input
from zoo.video.mouth_window import MouthWindow

log = logging.getLogger(__name__)
UNITS_A_FRAME = 2
# labels: fairseq's four specials, then the units; sentences end with one of the specials
SPECIALS, PAD, EOS = 4, 1, 2


class LipSpeechClips(Dataset[dict[str, Any]]):
    """Mouths of a clip with labels, mel and voice.

    Mouth crops are decoded when they are first asked for and kept (9 kB a frame).

    Args:
        recordings: the sound of the clips.
        videos: path in the dataset of each, by id.
        root: what those are relative to.
        targets: units and voices.
        mouths: where the crops come from.
        window: which part of them is seen.
        front_end: name of the mel.
        train: random crops and mirroring instead of the middle.
    """

    def __init__(
        self,
        recordings: SpeechInMemory,
        videos: dict[str, str],
        root: Path,
        targets: SpeechTargets,
        mouths: Mouths,
        window: MouthWindow,
        front_end: str,
        *,
        train: bool,
    ) -> None:
        self.recordings, self.videos, self.root = recordings, videos, root
        self.targets, self.mouths, self.window, self.train = targets, mouths, window, train
        self.front_end = mel_front_end(front_end)
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = self.recordings[index]
        try:
            grey, mel = self._grey_and_mel(index, item["id"], item["audio"])
        except (MediaError, DataError, OSError) as error:
            return {"skipped": f"{item['id']}: {error}"}
        frames = min(len(grey), len(item["audio"]) // SAMPLES_PER_FRAME)
        units = self.targets.units[index][: UNITS_A_FRAME * frames]
        return {
            "video": self._prepared(grey[:frames]),
            "labels": torch.cat([units + SPECIALS, units.new_tensor([EOS])]),
            "mel": mel[: UNITS_A_FRAME * MELS_A_UNIT * frames],
            "speaker": self.targets.voices[index],
            "id": item["id"],
        }

    def _grey_and_mel(self, index: int, name: str, audio: Tensor) -> tuple[Tensor, Tensor]:
        if index not in self._kept:
            video = self.videos[name]
            grey = self.mouths.window(self.root / video, video, self.window)
            self._kept[index] = grey, self.front_end(audio).T
        return self._kept[index]

    def _prepared(self, grey: Tensor) -> Tensor:
        if not self.train:
            return eval_input(grey, self.window.size)
        # torch's generator is the one that loaders seed in every worker
        return train_input(grey, Random(int(torch.randint(2**62, ()))), self.window.size)


def collate_clips(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Batch clips.

    Returns:
        `video` (B, T, H, W) and `mel` (B, 4 T, C) zero padded, `video_len` (B,), `labels` (B, L)
        filled up with `PAD`, `speaker` (B, D), `id`; `skipped`, reasons of clips left out.
    """
    skipped = [item["skipped"] for item in items if "skipped" in item]
    good = [item for item in items if "skipped" not in item]
    if not good:
        return {"skipped": skipped}
    columns = {key: [item[key] for item in good] for key in good[0]}
    return {
        "video": pad_sequence(columns["video"], batch_first=True),
        "video_len": torch.tensor([len(video) for video in columns["video"]]),
        "labels": pad_sequence(columns["labels"], batch_first=True, padding_value=PAD),
        "mel": pad_sequence(columns["mel"], batch_first=True),
        "speaker": torch.stack(columns["speaker"]),
        "id": columns["id"],
        "skipped": skipped,
    }


class LipSpeechDataModule(UnitCropDataModule):
    """Clips for a model's stage "units", crops of speech for its other stages.

    Args:
        root: the dataset's folder.
        dataset: as for `AudioVisualDataModule`.
        batch_size: clips in a global batch.
        crop_batch_size: crops in a global batch.
        crop_samples: length of a training crop at 16 kHz.
        eval_samples: length of a validation crop.
        unit_source: checkpoint that makes the units.
        speaker_source: checkpoint that makes the speaker vectors.
        front_end: mel front-end.
        mouth_preset: recipe of the mouth crops.
        mouths: "aligned" (by landmarks) or "fixed" (the same part of every face track).
        size: side of the square of a crop that is seen.
        row: row of its centre.
        column: column of it.
        landmarks: folder with landmarks laid out like the clips.
        crops: folder with ready-made mouth crops laid out like the clips.
        max_seconds: longer clips are left out of training.
        num_workers: processes that load; with some, each keeps mouth crops of its own.
        train_split: what to train on.
        seed: order of the batches and places of the crops.
    """

    def __init__(
        self,
        root: str,
        dataset: str = "auto",
        batch_size: int = 8,
        crop_batch_size: int = 16,
        crop_samples: int = 8960,
        eval_samples: int = 32_000,
        unit_source: str = "hubert_units.tiny",
        speaker_source: str = PACKAGED_VOICES,
        front_end: str = "tacotron16k",
        mouth_preset: str = "avhubert",
        mouths: Literal["aligned", "fixed"] = "aligned",
        size: int = INPUT_SIZE,
        row: int = CROP_SIZE // 2,
        column: int = CROP_SIZE // 2,
        landmarks: str | None = None,
        crops: str | None = None,
        max_seconds: float | None = 24.0,
        num_workers: int = 0,
        train_split: str = "train",
        seed: int = 7122,
    ):
        super().__init__(
            root,
            dataset,
            crop_batch_size,
            crop_samples,
            eval_samples,
            unit_source,
            speaker_source,
            front_end,
            num_workers,
            train_split,
            seed=seed,
        )
        folders = (Path(folder) if folder else None for folder in (landmarks, crops))
        self.mouths = Mouths(mouth_preset, *folders)
        self.window = MouthWindow(mouths=mouths, size=size, row=row, column=column)
        self.clip_batch_size, self.max_clip_seconds = batch_size, max_seconds

    @property
    def _reads_lips(self) -> bool:
        module: Any = None if self.trainer is None else self.trainer.lightning_module
        return getattr(module, "stage", "units") in ("units", None)

    def train_dataloader(self) -> ReportingLoader:
        """Clips in batches of like length, or crops."""
        if not self._reads_lips:
            return super().train_dataloader()
        clips = self.clips(self.train_split, train=True)
        sizes = clips.recordings.sizes()
        longest = self.max_clip_seconds
        limit = None if longest is None else int(longest * 16_000)
        kept = [k for k, size in enumerate(sizes) if limit is None or size <= limit]
        order = SubsetRandomSampler(kept, generator=self._generator)
        drop_last = len(kept) >= self.clip_batch_size
        share = per_process(self, self.clip_batch_size)
        batches = LengthBatches(order, share, drop_last, sizes, self.seed)
        return self._clip_loader(clips, batch_sampler=batches)

    def _eval_loader(self, split: str) -> ReportingLoader:
        if not self._reads_lips:
            return super()._eval_loader(split)
        return self._clip_loader(self.clips(split, train=False), batch_size=self.clip_batch_size)

    def clips(self, split: str, *, train: bool) -> LipSpeechClips:
        """The clips of a split."""
        videos = {one.id: one.video for one in self.utterances(split) if one.video is not None}
        return LipSpeechClips(
            self.recordings(split),
            videos,
            self.root,
            self.targets(split),
            self.mouths,
            self.window,
            self.front_end,
            train=train,
        )

    def _clip_loader(self, clips: LipSpeechClips, **options: Any) -> ReportingLoader:
        return self._loader(clips, collate_fn=collate_clips, **options)
