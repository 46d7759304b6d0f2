"""The recogniser as a LightningModule: CTC training, validation by WER, transcription."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from zoo.audio import SAMPLE_RATE, as_waveform
from zoo.errors import MediaError
from zoo.hub.module import ZooModule
from zoo.models.judge_asr import alphabet
from zoo.models.judge_asr.config import JudgeASRConfig, TrainingConfig
from zoo.models.judge_asr.network import HOP, STRIDE, Recogniser, SpeechFeatures
from zoo.nn.greedy_ctc import BLANK, Symbol, greedy_symbols
from zoo.tasks import SpeechLike, Transcript, Video, VideoLike
from zoo.training.recipe import Recipe, Stage
from zoo.training.schedules import polynomial, scheduled

Batch = dict[str, Any]
_SHORTEST = 640  # samples, 40 ms


class JudgeASR(ZooModule):
    """Transcribes the synthetic English of the tiny corpora; the judge of generated speech there.

    Args:
        config: sizes and training.
        stage: "ctc", the only one.
    """

    slug: ClassVar[str] = "judge_asr"
    Config: ClassVar[type[JudgeASRConfig]] = JudgeASRConfig
    float32_keys: ClassVar[tuple[str, ...]] = (r".*\.norm\..*",)
    reads: ClassVar[tuple[str, ...]] = ("audio",)
    """Inputs of a task that it can use."""

    def __init__(self, config: JudgeASRConfig, stage: Literal["ctc"] = "ctc") -> None:
        super().__init__(config)
        self.config: JudgeASRConfig = config
        self.stage = stage
        self.features = SpeechFeatures(config.num_mels, config.dynamic_range)
        self.network = Recogniser(config, alphabet.SIZE)
        self._counts = [0.0, 0.0]

    @classmethod
    def recipe(cls, config: JudgeASRConfig) -> Recipe:
        """One stage of CTC on the corpus' sound and texts."""
        from zoo.data.speech_text import SpeechTextDataModule

        stage = Stage(
            name="ctc",
            monitor="val/wer",
            max_steps="training.total_steps",
            gradient_clip="training.gradient_clip",
        )
        return Recipe(
            stages=(stage,),
            datamodule=SpeechTextDataModule,
            links={"training.batch_size": "batch_size"},
        )

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Log probabilities (B, L, V) and valid outputs (B,) of waveforms (B, S) at 16 kHz."""
        features, frames = self.features(waveform, lengths)
        recognised: tuple[Tensor, Tensor] = self.network(features, frames)
        return recognised

    # training

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """CTC loss a character."""
        features, frames = self.features(batch["audio"], batch["audio_len"])
        log_probs, lengths = self.network(_masked(features, self.config.training), frames)
        loss = _ctc(log_probs, lengths, batch["text"])
        self.log("train/loss", loss, batch_size=len(batch["text"]))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Start counting."""
        self._counts = [0.0, 0.0]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count word errors of the best path."""
        from zoo.metrics.wer import WER

        log_probs, lengths = self(batch["audio"], batch["audio_len"])
        self.log("val/loss", _ctc(log_probs, lengths, batch["text"]), batch_size=len(lengths))
        metric = WER(alphabet.NORMALIZER)
        for symbols, text in zip(greedy_symbols(log_probs, lengths), batch["text"], strict=True):
            found = metric.score_sample(alphabet.decode(symbols), text)
            self._counts = [self._counts[0] + found["errors"], self._counts[1] + found["length"]]

    def on_validation_epoch_end(self) -> None:
        """Log the word error rate in percent."""
        errors, length = self._counts
        self.log("val/wer", 100 * errors / max(1.0, length), prog_bar=True, sync_dist=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW; linear growth, then linear decay to zero."""
        settings = self.config.training
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=settings.lr, betas=(0.9, 0.98), weight_decay=settings.weight_decay
        )
        schedule = polynomial(settings.warmup_steps, settings.total_steps)
        return scheduled(optimizer, schedule)

    # task

    def transcribe(
        self,
        video: VideoLike | Sequence[VideoLike] | None = None,
        audio: SpeechLike | Sequence[SpeechLike] | None = None,
    ) -> Transcript | list[Transcript]:
        """What is heard, in capitals, with word times; it does not look at pictures.

        Args:
            video: only its sound counts, and only where there is no `audio`.
            audio: one recording or a list, which is one padded batch.

        Raises:
            MediaError: there is no sound, or less than 40 ms.
        """
        given = video if audio is None else audio
        if isinstance(given, Sequence) and not isinstance(given, str):
            return self._transcribe([_waveform(item) for item in given])
        return self._transcribe([_waveform(given)])[0]

    @torch.inference_mode()
    def _transcribe(self, waveforms: list[Tensor]) -> list[Transcript]:
        if not waveforms:
            return []
        lengths = torch.tensor([len(waveform) for waveform in waveforms], device=self.device)
        was_training = self.training
        self.eval()
        try:
            log_probs, counts = self(
                pad_sequence(waveforms, batch_first=True).to(self.device), lengths
            )
        finally:
            self.train(was_training)
        found = greedy_symbols(log_probs, counts)
        scores = _text_log_probs(log_probs, counts, found)
        output_s = STRIDE * HOP / SAMPLE_RATE
        return [
            Transcript(alphabet.decode(symbols), score, alphabet.words(symbols, output_s))
            for symbols, score in zip(found, scores, strict=True)
        ]


def _waveform(given: Any) -> Tensor:
    """(S,) at 16 kHz of a recording or of a video with sound."""
    if given is None:
        raise MediaError("this recogniser only hears: give audio, or a video file with sound")
    if isinstance(given, Video):
        if given.speech is None:
            raise MediaError("this recogniser only hears, and the video has no sound")
        given = given.speech
    waveform = as_waveform(given)
    if len(waveform) < _SHORTEST:
        raise MediaError(f"{len(waveform)} samples are too short: expected {_SHORTEST} (40 ms)")
    return waveform


def _ctc(log_probs: Tensor, lengths: Tensor, texts: Sequence[str]) -> Tensor:
    """Mean CTC loss a character; texts that do not fit into their recording count nothing."""
    targets = [torch.tensor(alphabet.encode(text), dtype=torch.long) for text in texts]
    sizes = torch.tensor([len(target) for target in targets])
    losses = F.ctc_loss(
        log_probs.transpose(0, 1),
        torch.cat(targets).to(log_probs.device),
        lengths,
        sizes.to(log_probs.device),
        blank=BLANK,
        reduction="sum",
        zero_infinity=True,
    )
    return losses / sizes.sum()


def _text_log_probs(log_probs: Tensor, counts: Tensor, found: list[list[Symbol]]) -> list[float]:
    """Log probability of every decoded text over all its paths."""
    targets = [torch.tensor([s.id for s in symbols], dtype=torch.long) for symbols in found]
    losses = F.ctc_loss(
        log_probs.transpose(0, 1),
        torch.cat(targets).to(log_probs.device),
        counts,
        torch.tensor([len(target) for target in targets], device=log_probs.device),
        blank=BLANK,
        reduction="none",
    )
    return [-value for value in losses.tolist()]


def _masked(features: Tensor, settings: TrainingConfig) -> Tensor:
    """Features (B, N, C) with stretches of time and groups of bands set to their mean, zero."""
    batch, frames, bands = features.shape
    blank = torch.zeros(batch, frames, bands, dtype=torch.bool, device=features.device)
    for _ in range(settings.time_masks):
        blank |= _stretches(batch, frames, settings.time_mask_size, features.device)[..., None]
    for _ in range(settings.band_masks):
        blank |= _stretches(batch, bands, settings.band_mask_size, features.device)[:, None]
    return features.masked_fill(blank, 0.0)


def _stretches(batch: int, size: int, longest: int, device: torch.device) -> Tensor:
    """One stretch of at most `longest` a row: (batch, size), True inside."""
    start = torch.rand(batch, 1, device=device) * size
    length = torch.rand(batch, 1, device=device) * (longest + 1)
    place = torch.arange(size, device=device)
    return (place >= start.floor()) & (place < (start + length).floor())
