"""HuBERT as a LightningModule: units and features of speech, and how a small one is trained.

Training has up to four stages, all without labels: "pretrain" predicts clusters of cepstra,
"refine" those of the pretrained encoder's own features, "invariance" (where the configuration has
it) makes the features of varied recordings, and of the same words in other voices, those of the
recordings, "units" fits the codebook.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.optim import AdamW

from zoo.audio import as_waveform
from zoo.errors import ConfigError, MediaError
from zoo.hub.load import from_pretrained
from zoo.hub.module import ZooModule
from zoo.hub.usage import Usage
from zoo.models.hubert_units.config import HubertUnitsConfig
from zoo.models.hubert_units.invariance import aligned_frames, varied_crop
from zoo.models.hubert_units.targets import aligned_cepstra
from zoo.nn.hubert import HuBERT
from zoo.nn.kmeans import whitening
from zoo.nn.masked_prediction import MaskedPrediction
from zoo.nn.modes import evaluation
from zoo.nn.units import KMeans, UnitExtractor, Units
from zoo.tasks import SpeechLike
from zoo.training.recipe import Recipe, Stage
from zoo.training.schedules import polynomial, scheduled

logger = logging.getLogger(__name__)
SAMPLE_RATE = 16_000
StageName = Literal["pretrain", "refine", "invariance", "units"]
Batch = dict[str, Any]
_CEPSTRA = 39


class HubertUnits(ZooModule):
    """Speech to discrete units.

    Args:
        config: encoder, layer, codebook and training.
        stage: what `fit` trains; None for use.
    """

    slug: ClassVar[str] = "hubert_units"
    Config: ClassVar[type[HubertUnitsConfig]] = HubertUnitsConfig
    usage: ClassVar[Usage | None] = Usage(
        name="speech units",
        input="speech at 16 kHz, files or tensors (S,) float32",
        output="Units: ids (T,) int64, 50 a second; with a duration each where repeats are merged",
        example=(
            'units = model.extract("speech.wav")\n'
            "print(units.ids, units.reduced().durations)\n"
            'features = model.features("speech.wav")  # (T, D), what the units are clusters of\n'
        ),
        pipeline_tag="feature-extraction",
    )
    batch_invariant: ClassVar[bool] = False  # GroupNorm sees the padding: one item at a time
    float32_keys: ClassVar[tuple[str, ...]] = (r"^kmeans\.",)
    made_anew: ClassVar[tuple[str, ...]] = (r"^kmeans\.",)  # another codebook, same encoder
    training_only: ClassVar[tuple[str, ...]] = (r"^(head|targets|teacher)\.", r"^directions$")

    def __init__(self, config: HubertUnitsConfig, stage: StageName | None = None) -> None:
        super().__init__(config)
        self.config: HubertUnitsConfig = config
        self.stage = stage
        self.hubert = None if config.hubert is None else HuBERT(config.hubert)
        self.kmeans = (
            None
            if config.num_units is None
            else KMeans(config.num_units, config.feature_size, config.whitened)
        )
        self._borrowed: dict[str, HuBERT] = {}
        self.head: MaskedPrediction | None = None
        self.targets: KMeans | None = None
        self.teacher: HuBERT | None = None
        self.directions: Tensor | None
        self.register_buffer("directions", None)
        self._told: dict[str, Tensor] = {}
        """Targets (T, ...) of the recordings met so far, by id: they never change in a stage."""
        self._aligned: dict[str, Tensor] = {}
        """Frames (T',) of the recordings that belong to those of the twins met so far, by twin."""
        if stage in ("pretrain", "refine"):
            self._add_task(stage)
        if stage == "invariance":
            self._add_comparison()
        if stage == "units":
            self.automatic_optimization = False

    def _add_task(self, stage: str) -> None:
        hubert = self.encoder().config
        self.head = MaskedPrediction(self.config.task, hubert.hidden_size)
        width = _CEPSTRA if stage == "pretrain" else hubert.hidden_size
        self.targets = KMeans(self.config.task.num_clusters, width)
        if stage == "refine":
            self._add_teacher()

    def _add_teacher(self) -> None:
        """A frozen copy of the encoder; what it holds comes when training starts."""
        self.teacher = HuBERT(self.encoder().config).requires_grad_(False)

    def _add_comparison(self) -> None:
        self._add_teacher()
        directions = self.config.invariance.directions
        self.directions = torch.zeros(self.config.feature_size, directions)
        for later in self.encoder().encoder.layers[self.config.layer :]:
            later.requires_grad_(False)  # nothing is asked of them

    @classmethod
    def recipe(cls, config: HubertUnitsConfig) -> Recipe:
        """Two rounds of masked prediction, invariance where it is configured, the codebook.

        Raises:
            ConfigError: the configuration is a codebook or an encoder alone.
        """
        from zoo.data.unlabelled_speech import UnlabelledSpeechDataModule

        if config.hubert is None or config.num_units is None:
            raise ConfigError("training needs both an encoder and num_units; preset tiny has them")
        size = {"training.batch_size": "batch_size"}
        rounds = (
            Stage(
                name=name,
                monitor="val/accuracy",
                mode="max",
                max_steps="training.total_steps",
                gradient_clip="training.gradient_clip",
                links=size,
            )
            for name in ("pretrain", "refine")
        )
        invariance = Stage(
            name="invariance",
            monitor="val/difference",
            max_steps="invariance.total_steps",
            gradient_clip="invariance.gradient_clip",
            links={"invariance.batch_size": "batch_size"},
        )
        return Recipe(
            stages=(
                *rounds,
                *((invariance,) if config.invariance.total_steps else ()),
                Stage(name="units", monitor="val/distance", links=size),
            ),
            datamodule=UnlabelledSpeechDataModule,
        )

    def encoder(self) -> HuBERT:
        """The encoder: its own, or that of the checkpoint the codebook belongs to.

        Raises:
            CheckpointError: that checkpoint cannot be had.
        """
        if self.hubert is not None:
            return self.hubert
        source = self.config.encoder_source
        if source is None:
            raise ConfigError("this codebook does not say which encoder it belongs to")
        if "encoder" not in self._borrowed:
            other: Any = from_pretrained(source, device=self.device)
            self._borrowed["encoder"] = other.hubert
        return self._borrowed["encoder"]

    def extract(self, speech: SpeechLike | Sequence[SpeechLike]) -> Units | list[Units]:
        """Units of a recording (50 a second, not reduced), or of each of a list.

        Raises:
            ConfigError: this checkpoint has no codebook.
            MediaError: a recording cannot be used, or is shorter than one unit sees.
        """
        if isinstance(speech, Sequence) and not isinstance(speech, str):
            return [self._extract_one(one) for one in speech]
        return self._extract_one(speech)

    def features(self, speech: SpeechLike, layer: int | None = None) -> Tensor:
        """Output (T, D) of a layer (1-based; None: the codebook's, else the last).

        Raises:
            MediaError: as `extract`.
        """
        encoder = self.encoder()
        layer = layer or self.config.layer or encoder.config.num_layers
        empty = KMeans(1, encoder.config.hidden_size)
        found: Tensor = self._run(UnitExtractor(encoder, empty, layer).features, speech)
        return found

    def _extract_one(self, speech: SpeechLike) -> Units:
        if self.kmeans is None or self.config.layer is None:
            raise ConfigError(
                "this checkpoint has an encoder but no codebook; load one such as "
                "hubert_units.mhubert-base-l11-km1000"
            )
        extractor = UnitExtractor(
            self.encoder(), self.kmeans, self.config.layer, inventory=self.config.inventory
        )
        found: Units = self._run(extractor, speech)
        return Units(found.ids.cpu(), found.rate_hz, found.inventory)

    def _run(self, compute: Any, speech: SpeechLike) -> Any:
        encoder = self.encoder()
        waveform = as_waveform(speech, SAMPLE_RATE).to(next(encoder.parameters()))
        try:
            with evaluation(encoder):
                return compute(waveform)
        except ValueError as error:
            raise MediaError(str(error)) from error

    def on_fit_start(self) -> None:
        """Make the targets of the stage, unless a resumed run brought them."""
        self._told.clear()
        self._aligned.clear()
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        recordings = data.recordings_for_targets(self.config.training.target_recordings)
        if self.stage == "units":
            assert self.kmeans is not None
            self._fit(self.kmeans, [self._layer(self.encoder(), wave) for wave in recordings])
        elif self.directions is not None and not bool(self.directions.any()):
            self._start_teacher()
            rows = torch.cat([self._layer(self.encoder(), wave) for wave in recordings])
            self.directions.copy_(whitening(rows, self.directions.shape[1]))
        elif self.targets is not None and not bool(self.targets.centers.any()):
            self._start_teacher()
            self._fit(self.targets, [self._describe(wave) for wave in recordings])

    def _start_teacher(self) -> None:
        if self.teacher is not None:
            self.teacher.load_state_dict(self.encoder().state_dict())

    def _fit(self, kmeans: KMeans, features: list[Tensor]) -> None:
        rows = torch.cat(features).to(kmeans.centers.device)
        distance = kmeans.fit(rows)
        logger.info("%d clusters of %d frames: %.4g", len(kmeans.centers), len(rows), distance)

    def _describe(self, waveform: Tensor) -> Tensor:
        """What the targets are clusters of, (T, D), for one recording (S,)."""
        if self.teacher is not None:
            return self._layer(self.teacher, waveform, self.config.target_layer)
        assert self.config.hubert is not None
        return aligned_cepstra(waveform, self.config.hubert)

    def _layer(self, encoder: HuBERT, waveform: Tensor, layer: int | None = None) -> Tensor:
        with evaluation(encoder):
            extractor = UnitExtractor(
                encoder, KMeans(1, 1), layer or self.config.layer or encoder.config.num_layers
            )
            return extractor.features(waveform.to(self.device)).clone()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Masked prediction; in stage "units" there is nothing to step, the codebook is fitted."""
        if self.stage == "units":
            self.trainer.should_stop = True
            return None
        if self.stage == "invariance":
            difference = self._difference(batch, int(torch.randint(2**31, ())))
            self.log("train/loss", difference, prog_bar=True, batch_size=len(batch["id"]))
            return difference
        loss, accuracy = self._predict(batch)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch["id"]))
        self.log("train/accuracy", accuracy, batch_size=len(batch["id"]))
        return loss

    def _predict(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss, and the share of hidden frames whose cluster was named."""
        assert self.head is not None
        head, chosen = self.head, {}

        def hide(frames: Tensor, valid: Tensor) -> Tensor:
            chosen["hidden"] = head.draw(valid)
            return torch.where(chosen["hidden"].unsqueeze(-1), head.mask_embedding, frames)

        output = self.encoder()(batch["audio"], batch["audio_len"], hide=hide)
        frames, valid, hidden = output.hidden_states[-1], output.frame_mask, chosen["hidden"]
        targets = self._targets(batch, frames.shape[1])
        loss = head.loss(frames, targets, hidden, valid)
        right = (head.logits(frames[hidden].detach()).argmax(-1) == targets[hidden]).float()
        return loss, right.mean()

    def _difference(self, batch: Batch, seed: int) -> Tensor:
        """Mean square between the whitened features of varied crops, of the recordings or of their
        twins, and of the recordings."""
        assert self.directions is not None
        rng, encoder = np.random.default_rng(seed), self.encoder()
        told = self._targets_of(batch, self._compared)
        crops = [
            varied_crop(wave, there, self.config.invariance, encoder.config, rng, frames)
            for wave, there, frames in self._cropped(batch, told, rng)
        ]
        heard = torch.stack([crop.waveform for crop in crops]).to(self.device)
        known = torch.stack([crop.frames >= 0 for crop in crops]).to(self.device)
        wanted = [row[crop.frames[crop.frames >= 0]] for crop, row in zip(crops, told, strict=True)]
        said = encoder(heard, last_layer=self.config.layer).hidden_states[-1][known]
        return F.mse_loss((said @ self.directions).float(), torch.cat(wanted).to(said).float())

    def _cropped(
        self, batch: Batch, told: list[Tensor], rng: Generator
    ) -> Iterator[tuple[Tensor, int, Tensor | None]]:
        """What crops are made of, on the CPU: a recording (S,) or its twin, the number of its
        frames, and which frames of the recording those are (None: they are its own)."""
        share, recordings = self.config.invariance.twin_share, self._recordings(batch)
        for k, (wave, row) in enumerate(zip(recordings, told, strict=True)):
            twin = batch["twin"][k] if "twin" in batch else wave[:0]
            if len(twin) and rng.random() < share:
                frames = self._frames_of_twin(batch["twin_id"][k], twin, row)
                yield twin.cpu(), len(frames), frames
            else:
                yield wave.cpu(), len(row), None

    @torch.no_grad()
    def _frames_of_twin(self, name: str, twin: Tensor, row: Tensor) -> Tensor:
        """The frame of a recording, of which the teacher says `row` (T, d), that belongs to every
        frame of its twin (S',): (T',) int64 on the CPU, found once for each twin."""
        if name not in self._aligned:
            self._aligned[name] = aligned_frames(row, self._compared(twin))
        return self._aligned[name]

    def _compared(self, waveform: Tensor) -> Tensor:
        """The teacher's features (T, d) float16 on the CPU, in the directions of comparison."""
        assert self.teacher is not None and self.directions is not None
        found: Tensor = self._layer(self.teacher, waveform) @ self.directions
        return found.to("cpu", torch.float16)

    def _recordings(self, batch: Batch) -> list[Tensor]:
        """Waveforms (S,) of a batch without their padding."""
        lengths = batch["audio_len"].tolist()
        return [wave[:length] for wave, length in zip(batch["audio"], lengths, strict=True)]

    @torch.no_grad()
    def _targets_of(self, batch: Batch, tell: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """What `tell` says of every recording, asked once for each."""
        for name, wave in zip(batch["id"], self._recordings(batch), strict=True):
            if name not in self._told:
                self._told[name] = tell(wave)
        return [self._told[name] for name in batch["id"]]

    def _targets(self, batch: Batch, frames: int) -> Tensor:
        """Clusters (B, T) of a batch."""
        rows = [row[:frames].long() for row in self._targets_of(batch, self._cluster)]
        padded = pad_sequence(rows, batch_first=True)
        padded = torch.nn.functional.pad(padded, (0, frames - padded.shape[1]))
        return padded.to(batch["audio"].device)

    def _cluster(self, waveform: Tensor) -> Tensor:
        """Targets (T,) int16 on the CPU."""
        assert self.targets is not None
        found: Tensor = self.targets(self._describe(waveform))
        return found.to("cpu", torch.int16)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Accuracy on hidden frames, the difference of the features, or the codebook's mean squared
        distance."""
        if self.stage == "units":
            assert self.kmeans is not None
            wave = batch["audio"][0, : int(batch["audio_len"][0])]
            nearest = self.kmeans.distances(self._layer(self.encoder(), wave)).amin(-1)
            self.log("val/distance", nearest.mean(), batch_size=1, sync_dist=True)
            return
        count = len(batch["id"])
        if self.stage == "invariance":
            difference = self._difference(batch, batch_idx)
            self.log("val/difference", difference, prog_bar=True, batch_size=count, sync_dist=True)
            return
        loss, accuracy = self._predict(batch)
        self.log("val/loss", loss, batch_size=count, sync_dist=True)
        self.log("val/accuracy", accuracy, prog_bar=True, batch_size=count, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """AdamW with linear growth and decay; none in stage "units"."""
        if self.stage == "units":
            return None
        settings = self.config.invariance if self.stage == "invariance" else self.config.training
        trainable = [p for p in self.parameters() if p.requires_grad]
        optimizer = AdamW(trainable, settings.lr, (0.9, 0.98), 1e-6, settings.weight_decay)
        return scheduled(optimizer, polynomial(settings.warmup_steps, settings.total_steps))
