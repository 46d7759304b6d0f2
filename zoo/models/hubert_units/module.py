"""HuBERT as a LightningModule: units and features of speech, and how a small one is trained.

Training has three stages, all without labels: "pretrain" predicts clusters of cepstra, "refine"
those of the pretrained encoder's own features, "units" fits the codebook.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.optim import AdamW

from zoo.audio import as_waveform
from zoo.errors import ConfigError, MediaError
from zoo.hub.load import from_pretrained
from zoo.hub.module import ZooModule
from zoo.hub.usage import Usage
from zoo.models.hubert_units.config import HubertUnitsConfig
from zoo.models.hubert_units.targets import aligned_cepstra
from zoo.nn.hubert import HuBERT
from zoo.nn.masked_prediction import MaskedPrediction
from zoo.nn.modes import evaluation
from zoo.nn.units import KMeans, UnitExtractor, Units
from zoo.tasks import SpeechLike
from zoo.training.recipe import Recipe, Stage
from zoo.training.schedules import polynomial, scheduled

logger = logging.getLogger(__name__)
SAMPLE_RATE = 16_000
StageName = Literal["pretrain", "refine", "units"]
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
    training_only: ClassVar[tuple[str, ...]] = (r"^head\.", r"^targets\.", r"^teacher\.")

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
        self._clusters: dict[str, Tensor] = {}
        """Targets (T,) of the recordings met so far, by id: they never change within a stage."""
        if stage in ("pretrain", "refine"):
            self._add_task(stage)
        if stage == "units":
            self.automatic_optimization = False

    def _add_task(self, stage: str) -> None:
        hubert = self.encoder().config
        self.head = MaskedPrediction(self.config.task, hubert.hidden_size)
        width = _CEPSTRA if stage == "pretrain" else hubert.hidden_size
        self.targets = KMeans(self.config.task.num_clusters, width)
        if stage == "refine":
            self.teacher = HuBERT(hubert).requires_grad_(False)

    @classmethod
    def recipe(cls, config: HubertUnitsConfig) -> Recipe:
        """Two rounds of masked prediction, then the codebook.

        Raises:
            ConfigError: the configuration is a codebook or an encoder alone.
        """
        from zoo.data.unlabelled_speech import UnlabelledSpeechDataModule

        if config.hubert is None or config.num_units is None:
            raise ConfigError("training needs both an encoder and num_units; preset tiny has them")
        rounds = (
            Stage(
                name=name,
                monitor="val/accuracy",
                mode="max",
                max_steps="training.total_steps",
                gradient_clip="training.gradient_clip",
            )
            for name in ("pretrain", "refine")
        )
        return Recipe(
            stages=(*rounds, Stage(name="units", monitor="val/distance")),
            datamodule=UnlabelledSpeechDataModule,
            links={"training.batch_size": "batch_size"},
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
        self._clusters.clear()
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        recordings = data.recordings_for_targets(self.config.training.target_recordings)
        if self.stage == "units":
            assert self.kmeans is not None
            self._fit(self.kmeans, [self._layer(self.encoder(), wave) for wave in recordings])
        elif self.targets is not None and not bool(self.targets.centers.any()):
            if self.teacher is not None:
                self.teacher.load_state_dict(self.encoder().state_dict())
            self._fit(self.targets, [self._describe(wave) for wave in recordings])

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

    @torch.no_grad()
    def _targets(self, batch: Batch, frames: int) -> Tensor:
        """Clusters (B, T) of a batch."""
        lengths = batch["audio_len"].tolist()
        for name, wave, length in zip(batch["id"], batch["audio"], lengths, strict=True):
            if name not in self._clusters:
                self._clusters[name] = self._cluster(wave[:length])
        rows = [self._clusters[name][:frames].long() for name in batch["id"]]
        padded = pad_sequence(rows, batch_first=True)
        padded = torch.nn.functional.pad(padded, (0, frames - padded.shape[1]))
        return padded.to(batch["audio"].device)

    def _cluster(self, waveform: Tensor) -> Tensor:
        """Targets (T,) int16 on the CPU."""
        assert self.targets is not None
        found: Tensor = self.targets(self._describe(waveform))
        return found.to("cpu", torch.int16)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Accuracy on hidden frames, or the codebook's mean squared distance."""
        if self.stage == "units":
            assert self.kmeans is not None
            wave = batch["audio"][0, : int(batch["audio_len"][0])]
            nearest = self.kmeans.distances(self._layer(self.encoder(), wave)).amin(-1)
            self.log("val/distance", nearest.mean(), batch_size=1, sync_dist=True)
            return
        loss, accuracy = self._predict(batch)
        count = len(batch["id"])
        self.log("val/loss", loss, batch_size=count, sync_dist=True)
        self.log("val/accuracy", accuracy, prog_bar=True, batch_size=count, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """AdamW with linear growth and decay; none in stage "units"."""
        if self.stage == "units":
            return None
        settings = self.config.training
        trainable = [p for p in self.parameters() if p.requires_grad]
        optimizer = AdamW(trainable, settings.lr, (0.9, 0.98), 1e-6, settings.weight_decay)
        return scheduled(optimizer, polynomial(settings.warmup_steps, settings.total_steps))
