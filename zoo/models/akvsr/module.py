"""AKVSR as a LightningModule: the memory is fitted first, then the lip reader is trained."""

from __future__ import annotations

import logging
from typing import Any, ClassVar, Literal

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from zoo.errors import ConfigError
from zoo.hub.load import from_pretrained
from zoo.models.akvsr.config import AKVSRConfig
from zoo.models.akvsr.network import AKVSRNetwork
from zoo.nn.decoding.decoder import TransformerDecoder
from zoo.nn.kmeans import fit_kmeans
from zoo.nn.memory_bridge import slot_perplexity
from zoo.nn.recognition_loss import teacher_forcing
from zoo.nn.recognition_search import SearchConfig
from zoo.training.recipe import Recipe, Stage
from zoo.training.recognition import WINDOW_LINKS, Batch, RecogniserModule, load_encoder

logger = logging.getLogger(__name__)
_MEMORY_SEED = 0


class AKVSR(RecogniserModule):
    """Lip reading with audio knowledge from a compact memory (arXiv 2308.07593).

    Args:
        config: sizes, memory and training.
        stage: "finetune", the only one that learns by gradients.
    """

    slug: ClassVar[str] = "akvsr"
    Config: ClassVar[type[AKVSRConfig]] = AKVSRConfig
    float32_keys: ClassVar[tuple[str, ...]] = (r".*norm\d?\..*", r"network\.memory")

    def __init__(self, config: AKVSRConfig, stage: Literal["finetune"] = "finetune") -> None:
        super().__init__(config)
        self.config: AKVSRConfig = config
        self.stage = stage
        self.network = AKVSRNetwork(config)
        self.network.encoder.audio_proj.requires_grad_(False)  # it never hears anything
        if self.network.memory is not None:
            learns = config.memory.trainable and config.memory.kind == "kmeans"
            self.network.memory.requires_grad_(learns)

    @classmethod
    def recipe(cls, config: AKVSRConfig) -> Recipe:
        """Fine-tuning; the memory is fitted when it begins."""
        from zoo.data.recognition_clips import RecognitionDataModule

        stage = Stage(
            name="finetune",
            monitor="val/wer",
            max_steps="training.total_steps",
            gradient_clip="training.gradient_clip",
        )
        names = ("batch_size", "max_seconds", "in_memory", "label_share")
        return Recipe(
            stages=(stage,),
            datamodule=RecognitionDataModule,
            links={
                **{f"training.{name}": name for name in names},
                **WINDOW_LINKS,
            },
            ablations={
                "no-memory": {"memory.kind": "none"},
                "random-memory": {"memory.kind": "random"},
                "small-memory": {"memory.num_slots": 8},
            },
        )

    @property
    def search(self) -> SearchConfig:
        """How texts are searched for."""
        return self.config.search

    @property
    def text_decoder(self) -> TransformerDecoder:
        """The decoder."""
        return self.network.decoder

    def states_of(
        self, video: Tensor | None, audio: Tensor | None, mask: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """States behind the memory, and the logits of the CTC head."""
        assert video is not None
        states = self.network(video, mask)
        return states, self.network.ctc(states)

    # training

    def initialise_pretrained(self) -> None:
        """Load AV-HuBERT into the visual encoder, where the configuration names one.

        Raises:
            CheckpointError: it cannot be had, or has other sizes.
        """
        if self.config.pretrained is not None:
            load_encoder(self.network.encoder, self.config.pretrained)

    def setup(self, stage: str) -> None:
        """Learn the sub-words; fit the memory, unless it came with the weights."""
        if stage != "fit":
            return
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        self.learn_subwords([one.text for one in data.utterances(data.train_split)])
        if self.network.has_memory:
            return
        if self.config.memory.kind == "random":
            self.fit_memory([])
            return
        plain = data.plain_dataset(data.train_split, self.config.memory.utterances)
        self.fit_memory([item["audio"] for item in plain if "skipped" not in item])

    def fit_memory(self, recordings: list[Tensor]) -> None:
        """Fill the memory with the centroids of the speech model's features.

        Args:
            recordings: waveforms (S,) at 16 kHz of the training set alone.

        Raises:
            ConfigError: the speech model gives no features, or of another width.
        """
        settings = self.config.memory
        if settings.kind == "random":
            generator = torch.Generator().manual_seed(_MEMORY_SEED)
            shape = (settings.num_slots, settings.size)
            self.network.set_memory(torch.randn(*shape, generator=generator))
            return
        model: Any = from_pretrained(settings.source)
        if not hasattr(model, "features"):
            raise ConfigError(f"{settings.source} is a {type(model).__name__}, no speech model")
        rows = torch.cat([model.features(wave, settings.layer).cpu() for wave in recordings])
        if rows.shape[1] != settings.size:
            raise ConfigError(
                f"features of {settings.source} have width {rows.shape[1]}, memory.size is "
                f"{settings.size}"
            )
        centers, _ = fit_kmeans(rows, settings.num_slots, seed=_MEMORY_SEED, restarts=1)
        logger.info("memory: %d centroids of %d frames", len(centers), len(rows))
        self.network.set_memory(centers)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The hybrid loss a token."""
        loss = self._step(batch)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch["id"]))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss, word errors, and how many slots are in use."""
        self.log("val/loss", self._step(batch), batch_size=len(batch["id"]))
        self.count_errors(batch)
        bridge = self.network.bridge
        if bridge is not None:
            video, _, mask = self.streams_of(batch)
            weights = bridge.slot_weights(
                self.network.encoder(video, None, mask), self.network.memory
            )
            self.log("val/slots", slot_perplexity(weights, mask), batch_size=len(batch["id"]))

    def _step(self, batch: Batch) -> Tensor:
        settings = self.config.training
        video, _, mask = self.streams_of(batch)
        assert video is not None
        frozen = self.training and self.global_step < settings.freeze_steps
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            features = self.network.encoder(video, None, mask)
        bridge = self.network.bridge
        states = features if bridge is None else bridge(features, self.network.memory)
        targets = self.targets(batch["text"])
        return self.text_loss(
            self.network.decoder(teacher_forcing(targets), states, mask),
            targets,
            self.network.ctc(states),
            mask.sum(1),
            ctc_weight=settings.ctc_weight,
            smoothing=settings.label_smoothing,
        )

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Adam with fairseq's schedule."""
        return self.adam(self.config.training)
