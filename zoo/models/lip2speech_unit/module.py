"""Lip2Speech-Unit as a LightningModule: `synthesize`, and the training of both stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.optim import Adam

from zoo.errors import ConfigError
from zoo.hub.load import from_pretrained
from zoo.models.lip2speech_unit.augmentation import augment_video, spoil_mel
from zoo.models.lip2speech_unit.config import Lip2SpeechUnitConfig
from zoo.models.lip2speech_unit.inference import Synthesizer
from zoo.nn.avhubert import AVHuBERT
from zoo.nn.conformer import ConformerEncoder
from zoo.nn.lip_frontend import LipFrontEnd
from zoo.nn.lip_to_units import LipUnits
from zoo.nn.lip_to_units_loss import MultiTargetLoss, multi_target_loss
from zoo.nn.modes import evaluation
from zoo.nn.unit_hifigan import UnitHiFiGAN
from zoo.training.recipe import Recipe, Stage
from zoo.training.recognition import WINDOW_LINKS
from zoo.training.schedules import cosine, scheduled
from zoo.training.vocoder import Batch, network_of

if TYPE_CHECKING:
    from zoo.data.lip_speech import LipSpeechClips, LipSpeechDataModule

StageName = Literal["units", "vocoder"]
MEL_VOCODER = "mel_vocoder.tiny"
"""What speaks for a first stage that was trained on mels alone."""


class Lip2SpeechUnit(Synthesizer):
    """Silent lips to speech through units (arXiv 2305.19603).

    Args:
        config: which stages, sizes and training.
        stage: what `fit` trains: "units" (lips to units and mel) or "vocoder"; None for use.
    """

    slug: ClassVar[str] = "lip2speech_unit"
    Config: ClassVar[type[Lip2SpeechUnitConfig]] = Lip2SpeechUnitConfig
    batch_invariant: ClassVar[bool] = False  # padding reaches valid frames through convolutions
    float32_keys: ClassVar[tuple[str, ...]] = (r".*norm.*running_.*", r"mean_speaker")
    made_anew: ClassVar[tuple[str, ...]] = (  # units of another inventory, another vocoder
        r"^first\.unit_head\.",
        r"^vocoder\.",
    )

    def __init__(self, config: Lip2SpeechUnitConfig, stage: StageName | None = None) -> None:
        super().__init__(config, stage)
        self.automatic_optimization = stage != "vocoder"
        self._choose_trainable()

    @classmethod
    def does_its_task(cls, config: Lip2SpeechUnitConfig) -> bool:
        """A vocoder alone reads no lips."""
        return config.first is not None

    @classmethod
    def recipe(cls, config: Lip2SpeechUnitConfig) -> Recipe:
        """The stages that the configuration has, first the units."""
        from zoo.data.lip_speech import LipSpeechDataModule

        units = Stage(
            name="units",
            monitor="val/loss",
            max_steps="first_training.total_steps",
            gradient_clip="first_training.gradient_clip",
        )
        vocoder = Stage(name="vocoder", monitor="val/mel_l1", max_steps="training.total_steps")
        stages = (*[units] * (config.first is not None), *[vocoder] * (config.vocoder is not None))
        return Recipe(
            stages=stages,
            datamodule=LipSpeechDataModule,
            links={
                "first_training.batch_size": "batch_size",
                "first_training.max_seconds": "max_seconds",
                "training.batch_size": "crop_batch_size",
                "training.crop_samples": "crop_samples",
                "front_end": "front_end",
                "mouth_preset": "mouth_preset",
                **WINDOW_LINKS,
                "unit_source": "unit_source",
                "speaker_source": "speaker_source",
            },
            ablations={
                "mel-only": {
                    "first_training.unit_weight": 0.0,
                    "vocoder": None,
                    "vocoder_source": MEL_VOCODER,
                },
                "clean-mels": {"augmentation": None},
            },
        )

    def _choose_trainable(self) -> None:
        if self.stage is None:
            return
        trained, other = (
            (self.first, self.vocoder) if self.stage == "units" else (self.vocoder, self.first)
        )
        if trained is None:
            raise ConfigError(f"this configuration has no stage {self.stage!r}")
        if other is not None:
            other.requires_grad_(False)
        if self.stage == "units" and self.frozen_lips is not None:
            self.frozen_lips.requires_grad_(False)

    @property
    def frozen_lips(self) -> AVHuBERT | None:
        """AV-HuBERT where training leaves it alone."""
        if self.first is None or not self.config.first_training.freeze_avhubert:
            return None
        return self.first.lips if isinstance(self.first.lips, AVHuBERT) else None

    def train(self, mode: bool = True) -> Lip2SpeechUnit:
        """Switch modes; a frozen AV-HuBERT stays in eval mode."""
        super().train(mode)
        if self.stage is not None and self.frozen_lips is not None:
            self.frozen_lips.eval()
        return self

    def initialise_pretrained(self) -> None:
        """Take over what a recogniser has learned of lips, where the configuration names one.

        Raises:
            CheckpointError: it cannot be had.
            ConfigError: it has no front-end of the same sizes.
        """
        source, first = self.config.lips_source, self.first
        if source is None or first is None or not isinstance(first.lips, LipFrontEnd):
            return
        recogniser = from_pretrained(source)
        first.lips.start_from(recogniser, source)
        for part in recogniser.modules():
            if isinstance(part, ConformerEncoder) and _same_shapes(part, first.conformer):
                first.conformer.load_state_dict(part.state_dict())
                return

    def setup(self, stage: str) -> None:
        """Take over the mean voice of the training recordings, and a trained mel or unit vocoder
        where the configuration names one.

        Raises:
            ConfigError: that, or this model's vocoder, has no inverse-STFT head, or other sizes.
            CheckpointError: it cannot be had.
        """
        super().setup(stage)
        source = self.config.trunk_source
        if stage == "fit" and self.stage == "vocoder" and source is not None:
            # what a run resumes from is read after this
            assert self.vocoder is not None
            network = network_of(source)
            if isinstance(network, UnitHiFiGAN):
                self.vocoder.start_from_units(network)
            else:
                self.start_trunk(self.vocoder.generator, network, source)
        if stage == "fit" and not bool(self.mean_speaker.any()):
            self.mean_speaker.copy_(self._data.mean_speaker())
        hears = self.config.vocoder_hears == "predictions"
        if stage == "fit" and self.stage == "vocoder" and hears:
            for split in (self._data.train_split, "dev"):
                self._data.hear(split, self.predictions(self._data.clips(split, train=False)))

    @property
    def _data(self) -> LipSpeechDataModule:
        found: LipSpeechDataModule = self.trainer.datamodule  # type: ignore[attr-defined]
        return found

    def predictions(self, clips: LipSpeechClips) -> dict[int, tuple[Tensor, Tensor]]:
        """What the first stage says of clips, by their number: mel (4 T, C) and units (2 T,).

        A clip that cannot be read has none. Made on the device that training runs on.
        """
        assert self.first is not None
        device = self.trainer.strategy.root_device
        self.first.to(device)  # Lightning moves the model after `setup` only
        said = {}
        with evaluation(self):
            for number in range(len(clips)):
                item = clips[number]
                if "skipped" not in item:
                    inputs = (item[key][None].to(device) for key in ("video", "speaker"))
                    output = self.first(*inputs)
                    said[number] = output.mel[0].cpu(), output.units()[0].cpu()
        return said

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One update of the stage, on clips or on crops of `zoo.data.lip_speech`."""
        if self.stage == "vocoder":
            return super().training_step(batch, batch_idx)
        settings = self.config.first_training
        video = augment_video(batch["video"], batch["video_len"], settings)
        output = self._first(batch, video)
        loss = self._multi_target(output, batch)
        count = len(batch["video"])
        total = self._total(loss) / count
        self.log("train/loss", total, prog_bar=True, batch_size=count)
        self.log("train/unit_accuracy", loss.correct / max(1, loss.total), batch_size=count)
        return total

    def _first(self, batch: Batch, video: Tensor) -> LipUnits:
        assert self.first is not None
        frames = torch.arange(video.shape[1], device=video.device)
        mask = frames < batch["video_len"].unsqueeze(1)
        output: LipUnits = self.first(video, batch["speaker"], mask)
        return output

    def _multi_target(self, output: LipUnits, batch: Batch) -> MultiTargetLoss:
        return multi_target_loss(
            output,
            batch["labels"],
            batch["mel"],
            smoothing=self.config.first_training.label_smoothing,
        )

    def _total(self, loss: MultiTargetLoss) -> Tensor:
        settings = self.config.first_training
        return settings.unit_weight * loss.units + settings.mel_weight * loss.mel

    def resynthesize_batch(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Waveforms (B, 1, S) of crops, from their units, their mel and their voice."""
        assert self.vocoder is not None
        mel = batch["mel"].transpose(1, 2)
        if self.training and self.config.augmentation is not None:
            mel = spoil_mel(mel, self.config.augmentation)
        return self.vocoder(batch["units"], mel, batch["speaker"]), {}

    def configure_optimizers(self) -> Any:
        """The vocoder's two AdamWs, or Adam with warm-up and a cosine for the first stage."""
        if self.stage == "vocoder":
            return super().configure_optimizers()
        settings = self.config.first_training
        trainable = [p for p in self.parameters() if p.requires_grad]
        optimizer = Adam(trainable, settings.lr, (0.9, 0.98), weight_decay=settings.weight_decay)
        return scheduled(optimizer, cosine(settings.warmup_steps, settings.total_steps))

    def on_train_epoch_end(self) -> None:
        """Decay of the vocoder's learning rate."""
        if self.stage == "vocoder":
            super().on_train_epoch_end()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss and unit accuracy, or the vocoder's log-mel distance."""
        if self.stage == "vocoder":
            super().validation_step(batch, batch_idx)
            return
        loss = self._multi_target(self._first(batch, batch["video"]), batch)
        count = len(batch["video"])
        self.log("val/loss", self._total(loss) / count, batch_size=count, sync_dist=True)
        share = loss.correct / max(1, loss.total)
        self.log("val/unit_accuracy", share, prog_bar=True, batch_size=count, sync_dist=True)


def _same_shapes(one: nn.Module, other: nn.Module) -> bool:
    shapes = [{k: v.shape for k, v in part.state_dict().items()} for part in (one, other)]
    return shapes[0] == shapes[1]
