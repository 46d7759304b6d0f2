"""LMDecoder as a LightningModule: units to text first, then lips to text by way of the units."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zoo.errors import ConfigError, MediaError
from zoo.hub.usage import Usage
from zoo.models.lmdecoder.config import LMDecoderConfig, StageConfig
from zoo.models.lmdecoder.network import LMDecoderNetwork, reduced_units
from zoo.nn.decoding.decoder import TransformerDecoder
from zoo.nn.decoding.hypothesis import Hypothesis
from zoo.nn.recognition_loss import teacher_forcing
from zoo.nn.recognition_search import SearchConfig
from zoo.tasks import Transcript
from zoo.training.recipe import Recipe, Stage
from zoo.training.recognition import WINDOW_LINKS, Batch, RecogniserModule, load_encoder

if TYPE_CHECKING:
    from zoo.data.recognition_clips import RecognitionDataModule

logger = logging.getLogger(__name__)
StageName = Literal["units", "lips"]


class LMDecoder(RecogniserModule):
    """Lip reading in languages with little labelled video (arXiv 2308.09311).

    Args:
        config: sizes, language and training.
        stage: what `fit` trains: "units" (units to text) or "lips" (the lip reader).
    """

    slug: ClassVar[str] = "lmdecoder"
    Config: ClassVar[type[LMDecoderConfig]] = LMDecoderConfig
    usage: ClassVar[Usage | None] = Usage(
        name="units to text",
        input="speech units (U,) int64, 50 a second, repetitions included",
        output="a Transcript (text, score, words with times)",
        example="transcript = model.transcribe_units(units)\nprint(transcript.text)\n",
        pipeline_tag="text-generation",
    )
    float32_keys: ClassVar[tuple[str, ...]] = (r".*norm\d?\..*",)

    def __init__(self, config: LMDecoderConfig, stage: StageName = "lips") -> None:
        super().__init__(config)
        self.config: LMDecoderConfig = config
        self.stage = stage
        self.network = LMDecoderNetwork(config)
        self._units: dict[str, Tensor] = {}
        self._choose_trainable()

    @classmethod
    def recipe(cls, config: LMDecoderConfig) -> Recipe:
        """Units to text on sound alone, then the lip reader on clips."""
        from zoo.data.recognition_clips import RecognitionDataModule

        sections = {}
        if config.unit_training.total_steps:
            sections["units"] = ("unit_training", "none")
        if config.visual is not None:
            sections["lips"] = ("visual_training", "mouth")
        own = ("batch_size", "max_seconds", "label_share")
        return Recipe(
            stages=tuple(
                Stage(
                    name=name,
                    monitor="val/wer",
                    max_steps=f"{section}.total_steps",
                    gradient_clip=f"{section}.gradient_clip",
                    data={"picture": picture},
                    links={f"{section}.{setting}": setting for setting in own},
                )
                for name, (section, picture) in sections.items()
            ),
            datamodule=RecognitionDataModule,
            links={
                "language": "languages",
                "in_memory": "in_memory",
                **WINDOW_LINKS,
            },
            ablations={}
            if config.visual is None
            else {
                "scratch": {"unit_training.total_steps": 0, "visual.pretrained": None},
                "no-units": {"unit_training.total_steps": 0},
                "no-pretraining": {"visual.pretrained": None},
                "fresh-memory": {"visual.fresh_memory": True},
            },
        )

    @classmethod
    def does_its_task(cls, config: LMDecoderConfig) -> bool:
        """A decoder of units alone sees nothing."""
        return config.visual is not None

    @property
    def language(self) -> str:
        """ISO 639-1 code of what it writes."""
        return self.config.language

    @property
    def search(self) -> SearchConfig:
        """How texts are searched for."""
        return self.config.search

    @property
    def text_decoder(self) -> TransformerDecoder:
        """The decoder of the language."""
        return self.network.decoder

    def states_of(
        self, video: Tensor | None, audio: Tensor | None, mask: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """States for decoding; CTC is a loss only, as in the official recipe."""
        if self.network.lips is None:
            raise MediaError(
                "this lmdecoder turns units into text and sees nothing: use `transcribe_units`, or "
                "load a lip reader such as lmdecoder.vsr-es"
            )
        assert video is not None
        features = self.network.read_lips(video, mask)
        return self.network.encode_for_decoding(features, mask), None

    def transcribe_units(self, units: Tensor | Sequence[Tensor]) -> Transcript | list[Transcript]:
        """Text of speech units.

        Args:
            units: (U,) int64 in 0..K-1, 50 a second, repetitions included; or a list of them.

        Raises:
            MediaError: there are no units, or one is not of the inventory.
        """
        several = not isinstance(units, Tensor)
        given = [units] if isinstance(units, Tensor) else list(units)
        rows = [self._taken(row) for row in given]
        padded, mask = self._padded_units(rows)
        was_training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                states = self.network.encode_units(padded, mask)
                found = self._decode(states, None, mask, None)
                texts = [self._transcript(one, states[k, mask[k]]) for k, one in enumerate(found)]
        finally:
            self.train(was_training)
        return texts if several else texts[0]

    def _taken(self, units: Tensor) -> Tensor:
        """Units as the model takes them."""
        if units.dim() != 1 or not len(units):
            raise MediaError(f"units: expected (U,) numbers, got shape {tuple(units.shape)}")
        low, high = int(units.min()), int(units.max())
        if low < 0 or high >= self.config.num_units:
            raise MediaError(
                f"units {low}..{high} are not of the inventory 0..{self.config.num_units - 1} of "
                f"{self.config.unit_source}"
            )
        return reduced_units(units)

    def _padded_units(self, rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        padded = pad_sequence(list(rows), batch_first=True).to(self.device)
        return padded, padded > 0

    # training

    def initialise_pretrained(self) -> None:
        """Load AV-HuBERT into the visual encoder, where the configuration names one.

        Raises:
            CheckpointError: it cannot be had, or has other sizes.
        """
        visual, lips = self.config.visual, self.network.lips
        if lips is not None and visual is not None and visual.pretrained is not None:
            load_encoder(lips.encoder, visual.pretrained)

    def setup(self, stage: str) -> None:
        """Learn the sub-words; make the units of all recordings."""
        if stage != "fit":
            return
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        self.learn_subwords([one.text for one in data.utterances(data.train_split)])
        if self.stage == "units":
            self.make_units(data)
        elif self.config.visual is not None and self.config.visual.fresh_memory:
            # what a run resumes from is read after this
            self.network.embedding.reset_parameters()

    def make_units(self, data: RecognitionDataModule) -> None:
        """Units of the training and validation recordings, made once by `unit_source`."""
        from zoo.data.speech_targets import speech_targets

        ids, waves = [], []
        for split in (data.train_split, "dev"):
            clips = data.plain_dataset(split)
            for item in (clips[k] for k in range(len(clips))):
                if "skipped" not in item:
                    ids.append(item["id"])
                    waves.append(item["audio"])
        made = speech_targets(waves, unit_source=self.config.unit_source, speaker_source=None)
        self._units = {id_: self._taken(units) for id_, units in zip(ids, made.units, strict=True)}
        logger.info("units of %d recordings by %s", len(ids), self.config.unit_source)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The stage's loss a token."""
        loss = self._step(batch)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch["id"]))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss and word errors."""
        self.log("val/loss", self._step(batch), batch_size=len(batch["id"]))
        self.count_errors(batch)

    def _step(self, batch: Batch) -> Tensor:
        settings = self._settings
        targets = self.targets(batch["text"])
        ctc = None
        if self.stage == "units":
            units, mask = self._units_of(batch)
            states = self.network.encode_units(units, mask)
        else:
            video, _, mask = self.streams_of(batch)
            assert video is not None
            states = self.network.encode_lips(self.network.read_lips(video, mask), mask)
            ctc = self.network.ctc_logits(states)
        return self.text_loss(
            self.network.decode(states, mask, teacher_forcing(targets)),
            targets,
            ctc,
            self.network.ctc_lengths(mask),
            ctc_weight=settings.ctc_weight,
            smoothing=settings.label_smoothing,
            ctc_end=True,  # parity: the official CTC targets hold the end
        )

    def _search(
        self,
        video: Tensor | None,
        audio: Tensor | None,
        mask: Tensor,
        *,
        search: SearchConfig | None = None,
    ) -> list[list[Hypothesis]]:
        if self.stage == "lips":
            return super()._search(video, audio, mask, search=search)
        assert audio is not None  # the units, see `streams_of`
        states = self.network.encode_units(audio, mask)
        return self._decode(states, None, mask, None, search)

    def streams_of(self, batch: Batch) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """Lips and mask of a batch; in stage "units" None, units and mask."""
        if self.stage == "units":
            units, mask = self._units_of(batch)
            return None, units, mask
        return super().streams_of(batch)

    def _units_of(self, batch: Batch) -> tuple[Tensor, Tensor]:
        lacking = [id_ for id_ in batch["id"] if id_ not in self._units]
        if lacking:
            raise ConfigError(f"no units of {', '.join(lacking)}: `make_units` comes first")
        return self._padded_units([self._units[id_] for id_ in batch["id"]])

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Adam with fairseq's schedule."""
        return self.adam(self._settings)

    @property
    def _settings(self) -> StageConfig:
        config = self.config
        return config.unit_training if self.stage == "units" else config.visual_training

    def _choose_trainable(self) -> None:
        network = self.network
        if self.stage == "units":
            if network.lips is not None:
                network.lips.requires_grad_(False)
            return
        # the memory stays as the sounds of the language have made it
        network.embedding.requires_grad_(False)
        if network.lips is not None:
            encoder = network.lips.encoder
            encoder.audio_proj.requires_grad_(False)  # it never hears anything
            if network.lips.residual_norm is not None:
                network.lips.residual_norm.requires_grad_(False)  # only decoding has it
