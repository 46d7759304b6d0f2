"""AV-RelScore as a LightningModule: hybrid CTC and attention training, validation by WER."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from zoo.models.av_relscore import alphabet
from zoo.models.av_relscore.config import AVRelScoreConfig, TrainingConfig
from zoo.models.av_relscore.inference import AVRecognizer
from zoo.models.av_relscore.network import Encoded, frame_mask
from zoo.nn.decoding.greedy import greedy
from zoo.nn.decoding.losses import (
    Targets,
    accuracy,
    ctc_sum,
    smoothed_divergence,
    teacher_forcing,
)
from zoo.training.recipe import Recipe, Stage
from zoo.training.schedules import scheduled

Batch = dict[str, Any]


class AVRelScore(AVRecognizer):
    """Audio-visual speech recognition that knows which stream to trust (arXiv 2303.08536).

    Args:
        config: which of the three networks, sizes, decoding, training.
        stage: what `fit` trains: "recognition", the only one; without it, what training alone needs
            is left out.
    """

    slug: ClassVar[str] = "av_relscore"
    training_only: ClassVar[tuple[str, ...]] = (r"^mouth_head\.",)

    def __init__(
        self, config: AVRelScoreConfig, stage: Literal["recognition"] | None = None
    ) -> None:
        super().__init__(config)
        self.stage = stage
        self._errors = self._words = 0.0
        self.mouth_head: nn.Linear | None = None
        if stage is not None and config.training.mouth_weight > 0:
            self.mouth_head = nn.Linear(config.input.video_widths[-1], 2)

    @classmethod
    def recipe(cls, config: AVRelScoreConfig) -> Recipe:
        """One stage, both streams, every clip corrupted in another way."""
        from zoo.models.av_relscore.data import RelScoreDataModule

        stage = Stage(
            name="recognition",
            monitor="val/wer",
            max_steps="training.total_steps",
            gradient_clip="training.gradient_clip",
        )
        shared = ("mouth_preset", "size", "row", "column")
        own = (
            "batch_size",
            "max_seconds",
            "keep_in_memory",
            "short_first",
            "total_steps",
            "mouth_weight",
        )
        corruption = AVRelScoreConfig().training.augmentation.to_dict()
        return Recipe(
            stages=(stage,),
            datamodule=RelScoreDataModule,
            links={
                **{f"input.{name}": name for name in shared},
                **{f"training.{name}": name for name in own},
                **{f"training.augmentation.{name}": name for name in corruption},
            },
            ablations={"no-scoring": {"scoring": False}},
        )

    def initialise_pretrained(self) -> None:
        """Load the front-ends pretrained on LRW, if the configuration wants them.

        Raises:
            CheckpointError: they cannot be had; the message says where they are.
        """
        from zoo.models.av_relscore.front_ends import load_front_ends

        if self.config.pretrained_front_ends:
            load_front_ends(self.network)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Weighted sum of the CTC and the decoder loss, each a clip."""
        seen, heard = self.network.features(batch["video"], batch["audio"], batch["video_len"])
        encoded, targets = self._fuse(batch, seen, heard), self._targets(batch)
        losses = self.losses(encoded, targets, batch["video_len"])
        size = len(targets.texts)
        if self.mouth_head is not None:
            losses["mouth"] = self._mouth_loss(self.mouth_head(seen), batch)
            losses["loss"] = losses["loss"] + self.config.training.mouth_weight * losses["mouth"]
        for name, loss in losses.items():
            self.log(f"train/{name}", loss, prog_bar=name == "loss", batch_size=size)
        return losses["loss"]

    def losses(self, encoded: Encoded, targets: Targets, lengths: Tensor) -> dict[str, Tensor]:
        """`ctc` and `attention`, each summed over a clip and averaged over clips, and `loss`.

        Args:
            encoded: the encoder's output.
            targets: the texts.
            lengths: (B,) valid frames.
        """
        settings, size = self.config.training, len(lengths)
        log_probs = self.network.ctc_log_probs(encoded.states)
        ctc = ctc_sum(log_probs, lengths, targets, alphabet.BLANK) / size
        logits = self.network.decoder(targets.inputs, encoded.states, encoded.mask)
        attention = smoothed_divergence(logits, targets, settings.label_smoothing) / size
        loss = settings.ctc_weight * ctc + (1 - settings.ctc_weight) * attention
        found = {"loss": loss, "ctc": ctc, "attention": attention}
        return found | {"accuracy": accuracy(logits.detach(), targets)}

    def _mouth_loss(self, found: Tensor, batch: Batch) -> Tensor:
        """Mean squared error of mouths (B, T, 2), as far as the corpus knows them (else NaN)."""
        truth = batch["mouth"][:, : found.shape[1]]
        known = frame_mask(batch["video_len"], found.shape[1]) & truth.isfinite().all(dim=-1)
        return F.mse_loss(found[known], truth[known])

    def _encode_batch(self, batch: Batch) -> Encoded:
        """Encode a batch of the data module."""
        lengths = batch["video_len"]
        return self._fuse(batch, *self.network.features(batch["video"], batch["audio"], lengths))

    def _fuse(self, batch: Batch, seen: Tensor, heard: Tensor) -> Encoded:
        """Join the front-ends' outputs; those of a stream that a clip lacks are zero."""
        lengths = batch["video_len"]
        if "present" in batch:
            flags = batch["present"].to(seen.dtype)
            seen, heard = seen * flags[:, :1, None], heard * flags[:, 1:, None]
        mask = frame_mask(lengths, seen.shape[1])
        if self.config.mask_padding:
            seen, heard = seen * mask.unsqueeze(-1), heard * mask.unsqueeze(-1)
        return self.network.fuse(seen, heard, mask)

    def _targets(self, batch: Batch) -> Targets:
        texts = [alphabet.encode(text) for text in batch["text"]]
        padded = pad_sequence(texts, batch_first=True, padding_value=alphabet.IGNORED)
        end = alphabet.END
        return teacher_forcing(padded.to(self.device), end, end, alphabet.IGNORED)

    def on_validation_epoch_start(self) -> None:
        """Start counting."""
        self._errors = self._words = 0.0

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss, and word errors of greedy decoding."""
        from zoo.metrics.wer import WER

        encoded, targets = self._encode_batch(batch), self._targets(batch)
        losses = self.losses(encoded, targets, batch["video_len"])
        self.log("val/loss", losses["loss"], batch_size=len(targets.texts))
        longest = int(targets.lengths.max()) + 10
        end = alphabet.END
        tokens = greedy(
            self.network.decoder, encoded.states, encoded.mask, end, longest, end
        ).tokens
        metric = WER(alphabet.NORMALIZER)
        for row, text in zip(tokens.tolist(), batch["text"], strict=True):
            said = row[: row.index(end)] if end in row else row
            found = metric.score_sample(alphabet.decode(said), text)
            self._errors += found["errors"]
            self._words += found["length"]

    def on_validation_epoch_end(self) -> None:
        """Log the word error rate in percent."""
        wer = 100 * self._errors / max(1.0, self._words)
        self.log("val/wer", wer, prog_bar=True, sync_dist=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Adam, its rate by Noam's schedule or a linear one."""
        settings = self.config.training
        kind = torch.optim.AdamW if settings.weight_decay else torch.optim.Adam
        optimizer = kind(
            self.parameters(),
            lr=settings.lr,
            betas=(0.9, 0.98),
            eps=1e-9,
            weight_decay=settings.weight_decay,
        )
        return scheduled(optimizer, lambda step: rate(step, settings))


def rate(step: int, settings: TrainingConfig) -> float:
    """Factor on the peak learning rate at a step, from 0."""
    now, warmup = step + 1, max(1, settings.warmup_steps)
    if now < warmup:
        return now / warmup
    if settings.schedule == "noam":
        return float((warmup / now) ** 0.5)
    return max(0.0, (settings.total_steps - step) / max(1, settings.total_steps - warmup))
