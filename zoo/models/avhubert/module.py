"""AV-HuBERT as a LightningModule: pretraining in iterations, fine-tuning, transcription."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, ClassVar, cast

import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zoo.errors import ConfigError
from zoo.hub.usage import Usage
from zoo.models.avhubert.config import AVHuBERTModelConfig, IterationConfig
from zoo.models.avhubert.network import AVHuBERTNetwork
from zoo.models.avhubert.targets import ClusterTargets
from zoo.nn.avhubert_pretraining import ClusterHead, PretrainingLoss
from zoo.nn.decoding.decoder import TransformerDecoder
from zoo.nn.recognition_loss import teacher_forcing
from zoo.nn.recognition_search import SearchConfig
from zoo.nn.speech_transformer import SpeechTransformerLayer
from zoo.tasks import SpeechLike, VideoLike
from zoo.training.recipe import Recipe, Stage
from zoo.training.recognition import (
    WINDOW_LINKS,
    Batch,
    RecogniserModule,
    Streams,
    load_encoder,
)
from zoo.training.schedules import polynomial, scheduled
from zoo.video.mouth_source import Source

FINETUNE = "finetune"


class AVHuBERTModel(RecogniserModule):
    """AV-HuBERT (arXiv 2201.02184): an encoder of lips and sound, and recognisers built on it.

    With several processes, layers that a step leaves out need the Trainer's strategy
    `ddp_find_unused_parameters_true`.

    Args:
        config: sizes, iterations and training.
        stage: what `fit` trains: an iteration of pretraining, or "finetune".
    """

    slug: ClassVar[str] = "avhubert"
    Config: ClassVar[type[AVHuBERTModelConfig]] = AVHuBERTModelConfig
    usage: ClassVar[Usage | None] = Usage(
        name="features of lips and sound",
        input="a video of the speaker's face at 25 frames a second, its sound at 16 kHz, or both",
        output="features (T, D) float32, 25 a second",
        example=(
            'features = model.extract_features("clip.mp4", "speech.wav")  # (T, D)\n'
            'lips = model.extract_features("clip.mp4", output_layer=2)  # of any layer\n'
        ),
        pipeline_tag="feature-extraction",
    )
    float32_keys: ClassVar[tuple[str, ...]] = (r".*norm\d?\..*",)

    def __init__(self, config: AVHuBERTModelConfig, stage: str = FINETUNE) -> None:
        super().__init__(config)
        self.config: AVHuBERTModelConfig = config
        self.stage = stage
        if stage not in (*config.iterations, FINETUNE):
            raise ConfigError(
                f"stage {stage!r}: this configuration has {', '.join(_stages(config))}"
            )
        self.network = AVHuBERTNetwork(config)
        self._targets: ClusterTargets | None = None
        self._choose_trainable()
        if stage == FINETUNE:
            self._set_fine_tuning_dropout()

    @classmethod
    def recipe(cls, config: AVHuBERTModelConfig) -> Recipe:
        """The iterations of pretraining, each with new targets, then the recogniser."""
        from zoo.data.recognition_clips import RecognitionDataModule

        clip = "training.gradient_clip"
        stages = [
            Stage(
                name=name,
                monitor="val/accuracy",
                mode="max",
                max_steps=f"{name}.total_steps",
                gradient_clip=clip,
            )
            for name in config.iterations
        ]
        if config.decoder is not None:
            steps = "finetuning.total_steps"
            stages.append(
                Stage(name=FINETUNE, monitor="val/wer", max_steps=steps, gradient_clip=clip)
            )
        return Recipe(
            stages=tuple(stages),
            datamodule=RecognitionDataModule,
            links={
                "training.batch_size": "batch_size",
                "training.max_seconds": "max_seconds",
                "training.in_memory": "in_memory",
                "training.noise.share": "noise_share",
                "training.noise.lowest_snr_db": "lowest_snr_db",
                "training.noise.highest_snr_db": "highest_snr_db",
                "training.noise.voices": "noise_voices",
                **WINDOW_LINKS,
            },
            ablations={}
            if config.decoder is None
            else {"scratch": {"pretrained": None, **dict.fromkeys(config.iterations)}},
        )

    @classmethod
    def does_its_task(cls, config: AVHuBERTModelConfig) -> bool:
        """An encoder alone writes no texts."""
        return config.decoder is not None

    # what a recogniser is

    @property
    def streams(self) -> Streams:
        """What it was fine-tuned on; pretraining has both."""
        return self.config.streams if self.stage == FINETUNE else "both"

    @property
    def search(self) -> SearchConfig:
        """How texts are searched for."""
        return self.config.search

    @property
    def text_decoder(self) -> TransformerDecoder | None:
        """The decoder of a recogniser."""
        return self.network.decoder

    def states_of(
        self, video: Tensor | None, audio: Tensor | None, mask: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Encoder states and the logits of the CTC head."""
        memory = self.network.encoder(video, audio, mask)
        return memory, None if self.network.ctc is None else self.network.ctc(memory)

    def extract_features(
        self,
        video: VideoLike | None = None,
        audio: SpeechLike | None = None,
        *,
        output_layer: int | None = None,
        landmarks: Source | None = None,
    ) -> Tensor:
        """What the encoder makes of one clip.

        Args:
            video: the clip, or None.
            audio: its sound, or None.
            output_layer: raw output of that layer (1-based; 0: the input of the transformer); None
                is the last layer with the final norm.
            landmarks: where the mouths are, see `zoo.video.mouth_source`.

        Returns:
            (T, D) float32, 25 rows a second.

        Raises:
            MediaError: the clip cannot be used.
        """
        lips, sound = self._clip(video, audio, landmarks)
        was_training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                return cast(
                    Tensor,
                    self.network.encoder(
                        None if lips is None else lips[None].to(self.device),
                        None if sound is None else sound[None].to(self.device),
                        output_layer=output_layer,
                    ),
                )[0]
        finally:
            self.train(was_training)

    # training

    def initialise_pretrained(self) -> None:
        """Fine-tuning takes over a pretrained encoder, where the configuration names one.

        Raises:
            CheckpointError: it cannot be had, or has other sizes.
        """
        if self.stage == FINETUNE and self.config.pretrained is not None:
            load_encoder(self.network.encoder, self.config.pretrained)

    def setup(self, stage: str) -> None:
        """Fit the clusters to be predicted, or learn the sub-words."""
        if stage != "fit":
            return
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if self.stage == FINETUNE:
            texts = [one.text for one in data.utterances(data.train_split)]
            self.learn_subwords(texts)
            return
        count = self.config.training.cluster_utterances
        self.prepare_targets(
            [data.plain_dataset(data.train_split), data.plain_dataset("dev")], count
        )

    def prepare_targets(self, plain: Sequence[Any], count: int) -> None:
        """Fit this iteration's clusters.

        Args:
            plain: datasets of utterances as they are, the training set first.
            count: how many of its utterances the clusters are fitted on.
        """
        iteration = self._iteration
        layer = iteration.target_layer
        teacher = None if layer is None else deepcopy(self.network.encoder)
        if teacher is not None and self._trainer is not None:
            teacher.to(self.trainer.strategy.root_device)  # this model itself is moved later
        self._targets = ClusterTargets(teacher, layer, iteration.task.num_clusters[0], plain)
        self._targets.fit(count)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The stage's loss of a batch of the data module."""
        if self.stage == FINETUNE:
            loss = self._text_step(batch)
        else:
            draw = np.random.RandomState(int(torch.randint(2**31, ())))
            loss, found = self._cluster_step(batch, draw)
            self.log("train/accuracy", found.accuracy, batch_size=len(batch["id"]))
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch["id"]))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Accuracy on hidden frames beside that of guessing, or the loss and word errors."""
        count = len(batch["id"])
        if self.stage == FINETUNE:
            self.log("val/loss", self._text_step(batch), batch_size=count)
            self.count_errors(batch)
            return
        draw = np.random.RandomState(batch_idx)  # the same frames are hidden every time
        loss, found = self._cluster_step(batch, draw)
        self.log("val/loss", loss, batch_size=count, sync_dist=True)
        self.log("val/accuracy", found.accuracy, batch_size=count, sync_dist=True, prog_bar=True)
        self.log("val/commonest", found.commonest, batch_size=count, sync_dist=True)

    def _cluster_step(
        self, batch: Batch, draw: np.random.RandomState
    ) -> tuple[Tensor, PretrainingLoss]:
        video, audio, mask = self.streams_of(batch)
        head = cast(ClusterHead, self.network.heads[self.stage])
        masked = head.hide(video, audio, mask, draw)
        found = head(self.network.encoder, masked, mask)
        loss = head.loss(found, [self._target_ids(batch)], masked.hidden, mask)
        return loss.total / loss.sample_size, loss

    def _target_ids(self, batch: Batch) -> Tensor:
        """(B, T) int64 rows of the table of clusters."""
        if self._targets is None:
            raise ConfigError("no clusters yet: `prepare_targets` comes before training steps")
        specials = self._iteration.task.num_specials
        counts = zip(batch["id"], batch["video_len"].tolist(), strict=True)
        rows = [self._targets.ids(id_)[:count] + specials for id_, count in counts]
        return pad_sequence(rows, batch_first=True).to(self.device)

    def _text_step(self, batch: Batch) -> Tensor:
        settings = self.config.finetuning
        video, audio, mask = self.streams_of(batch)
        frozen = self.training and self.global_step < settings.freeze_steps
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            memory = self.network.encoder(video, audio, mask)
        targets = self.targets(batch["text"])
        logits = self.network.decode(memory, mask, teacher_forcing(targets))
        return self.text_loss(
            logits,
            targets,
            None if self.network.ctc is None else self.network.ctc(memory),
            mask.sum(1),
            ctc_weight=settings.ctc_weight,
            smoothing=settings.label_smoothing,
        )

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Adam with fairseq's schedule of the stage."""
        if self.stage == FINETUNE:
            return self.adam(self.config.finetuning)
        one = self._iteration
        optimizer = torch.optim.Adam(
            [p for p in self.parameters() if p.requires_grad],
            lr=one.lr,
            betas=(0.9, 0.98),
            eps=1e-6,
            weight_decay=self.config.training.weight_decay,
        )
        return scheduled(optimizer, polynomial(one.warmup_steps, one.total_steps))

    @property
    def _iteration(self) -> IterationConfig:
        return self.config.iterations[self.stage]

    def _choose_trainable(self) -> None:
        network = self.network
        self.requires_grad_(False)
        network.encoder.requires_grad_(True)
        parts = [network.decoder, network.ctc] if self.stage == FINETUNE else []
        for part in (*parts, *([] if parts else [network.heads[self.stage]])):
            if part is not None:
                part.requires_grad_(True)

    def _set_fine_tuning_dropout(self) -> None:
        settings, transformer = self.config.finetuning, self.network.encoder.encoder
        transformer.layer_drop = settings.layer_drop
        for layer in transformer.layers:
            cast(SpeechTransformerLayer, layer).activation_dropout.p = settings.activation_dropout


def _stages(config: AVHuBERTModelConfig) -> list[str]:
    return [*config.iterations, FINETUNE]
