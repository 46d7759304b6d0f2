"""SpeechCLIP as a LightningModule: stages of training, losses, validation."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, cast

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from zoo.errors import ConfigError
from zoo.models.speechclip import vocabulary
from zoo.models.speechclip.config import SpeechCLIPConfig, TrainingConfig
from zoo.models.speechclip.inference import Retriever
from zoo.models.speechclip.network import SpeechOutput
from zoo.models.speechclip.retrieval import ValidationSet
from zoo.nn.contrastive import masked_contrastive_loss
from zoo.training.recipe import Recipe, Stage
from zoo.training.schedules import polynomial, scheduled

StageName = Literal["clip", "speech"]
Batch = dict[str, Any]


class SpeechCLIP(Retriever):
    """Speech and pictures in one space (arXiv 2210.00705).

    Args:
        config: sizes, branch and training.
        stage: what `fit` trains: "speech" (the paper's) or "clip" (the towers of a tiny model,
            which has no pretrained ones).
    """

    slug: ClassVar[str] = "speechclip"
    Config: ClassVar[type[SpeechCLIPConfig]] = SpeechCLIPConfig
    batch_invariant: ClassVar[bool] = False  # GroupNorm and fairseq's masks see the padding
    float32_keys: ClassVar[tuple[str, ...]] = (
        r".*batch_norm\..*",
        r".*quantizer\.temperature",
        r"log_scale",
    )

    def __init__(self, config: SpeechCLIPConfig, stage: StageName = "speech") -> None:
        super().__init__(config)
        self.stage = stage
        # the logarithm of the inverse temperature, as in the official checkpoints
        theta = torch.tensor(math.log(1 / config.temperature))
        self.log_scale = nn.Parameter(theta) if config.learn_temperature else None
        self._validation = ValidationSet()
        self._choose_trainable()

    @classmethod
    def recipe(cls, config: SpeechCLIPConfig) -> Recipe:
        """Stages of `zoo train`: CLIP first where there is no pretrained one, then the paper's."""
        from zoo.data.speech_image import SpeechImageDataModule

        names = ["speech"] if config.clip_training is None else ["clip", "speech"]
        sections = {"clip": "clip_training", "speech": "training"}
        return Recipe(
            stages=tuple(
                Stage(
                    name=name,
                    monitor="val/recall_mean_10",
                    mode="max",
                    max_steps=f"{sections[name]}.total_steps",
                    gradient_clip=f"{sections[name]}.gradient_clip",
                )
                for name in names
            ),
            datamodule=SpeechImageDataModule,
            links={
                "clip.image_size": "image_size",
                "training.batch_size": "batch_size",
                "training.crop_seconds": "crop_seconds",
                "training.bucket": "bucket",
            },
            prepare=vocabulary.size_from_corpus,
        )

    @property
    def training_config(self) -> TrainingConfig:
        """The settings of the stage being trained."""
        if self.stage == "speech":
            return self.config.training
        if self.config.clip_training is None:
            raise ConfigError("this configuration has no stage 'clip': its CLIP is pretrained")
        return self.config.clip_training

    def initialise_pretrained(self) -> None:
        """Load the published HuBERT and CLIP of the configuration, if it names any.

        Raises:
            CheckpointError: they cannot be had.
        """
        from zoo.models.speechclip import backbones

        if self.config.pretrained_hubert is not None:
            backbones.load_hubert(self.network, self.config.pretrained_hubert)
        if self.config.pretrained_clip is not None:
            backbones.load_clip(self.network, self.config.pretrained_clip)

    def setup(self, stage: str) -> None:
        """Fill in what comes from the training captions, unless loaded weights brought it."""
        if stage != "fit":
            return
        if not vocabulary.is_set(self.network.vocabulary_ids):
            ids = vocabulary.corpus_ids(self.trainer.datamodule)  # type: ignore[attr-defined]
            self.adopt_vocabulary(ids)
        branch = self.network.cascaded_branch
        if branch is not None and int(branch.batch_norm.num_batches_tracked or 0) == 0:
            branch.initialise_batch_norm(self.network.clip.token_embedding)

    def adopt_vocabulary(self, ids: Tensor) -> None:
        """Make the rows of the token table those of the CLIP ids (V,).

        Raises:
            ConfigError: the model was built for another number of rows.
        """
        vocabulary.check_size(ids, self.config)
        self.network.vocabulary_ids.copy_(ids)
        self.network.clip.take_rows(ids)

    def _choose_trainable(self) -> None:
        self.requires_grad_(False)
        if self.stage == "clip":
            self.network.clip.model.requires_grad_(True)
            return
        self.network.speech_encoder.requires_grad_(True)
        self.network.speech_encoder.hubert.requires_grad_(self.config.speech.trainable)
        branch = self.network.parallel_branch or self.network.cascaded_branch
        assert branch is not None
        branch.requires_grad_(True)
        if self.log_scale is not None:
            self.log_scale.requires_grad_(True)

    def train(self, mode: bool = True) -> SpeechCLIP:
        """Switch modes; a frozen HuBERT stays in eval mode if the configuration says so."""
        super().train(mode)
        speech = self.config.speech
        if speech.frozen_eval and not speech.trainable:
            self.network.speech_encoder.hubert.eval()
        return self

    @property
    def scale(self) -> Tensor | float:
        """Factor on the cosines in the contrastive loss of the stage."""
        if self.stage == "clip":
            return self.network.clip.logit_scale
        return 1 / self.config.temperature if self.log_scale is None else self.log_scale.exp()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Masked contrastive loss over the global batch of all processes."""
        if self.stage == "clip":
            queries = self._embed_captions(batch["caption"])
            images = self.network.encode_image(batch["image"])
        else:
            speech = self.network.encode_speech(batch["wav"], batch["wav_len"])
            queries = speech.embedding
            self._log_keywords(speech)
            with torch.no_grad():
                images = self.network.encode_image(batch["image"])
        loss = masked_contrastive_loss(
            self._gather(queries), self._gather(images), self.scale, self._gather(batch["id"])
        )
        self.log("train/loss", loss, prog_bar=True, batch_size=len(images))
        return loss

    def _gather(self, x: Tensor) -> Tensor:
        """Rows of all processes, in rank order, through which gradients flow back."""
        if self._trainer is None or self.trainer.world_size == 1:
            return x
        rows = self.all_gather(x, sync_grads=x.requires_grad)
        return cast(Tensor, rows).flatten(0, 1)

    def _log_keywords(self, speech: SpeechOutput) -> None:
        if speech.keywords is not None:
            self.log("train/code_perplexity", speech.keywords.choice.code_perplexity)
            self.log("train/prob_perplexity", speech.keywords.choice.prob_perplexity)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Adam; per step linear growth, then linear decay."""
        settings = self.training_config
        trainable = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(trainable, lr=settings.lr, weight_decay=settings.weight_decay)
        final = settings.final_lr / settings.lr
        return scheduled(optimizer, polynomial(settings.warmup_steps, settings.total_steps, final))

    def on_validation_epoch_start(self) -> None:
        """Start collecting."""
        self._validation = ValidationSet()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the embeddings of captions (spoken; written in stage "clip") and new pictures."""
        if self.stage == "clip":
            queries = self._embed_captions(batch["caption"])
        else:
            queries = self.network.encode_speech(batch["wav"], batch["wav_len"]).embedding
        self._validation.add(queries, batch["id"])
        new = self._validation.new_images(batch["id"])
        if len(new):
            images = self.network.encode_image(batch["image"][new])
            self._validation.add_images(images, batch["id"][new])

    def on_validation_epoch_end(self) -> None:
        """Log recall of both directions and their mean, in percent."""
        if not self._validation.captions:
            return
        recall = self._validation.recall()
        names = {
            f"val/recall_{way}_{k}": recall[f"{key}/recall@{k}"]
            for way, key in (
                ("mean", "mean"),
                ("s2i", "speech_to_image"),
                ("i2s", "image_to_speech"),
            )
            for k in (1, 5, 10)
        }
        for name, value in names.items():
            self.log(name, value, prog_bar=name == "val/recall_mean_10")
