"""Training that all GAN vocoders share: spectral losses first, then discriminators as well.

Manual optimisation with two optimizers, both of which Lightning writes into its checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import ExponentialLR, LambdaLR

from zoo.audio.mel import MelFrontEnd
from zoo.errors import ConfigError
from zoo.hub.config import ZooConfig
from zoo.hub.load import from_pretrained
from zoo.hub.module import ZooModule
from zoo.nn.envelope_loss import envelope_distance, spoken_envelope_distance
from zoo.nn.gan_discriminators import DiscriminatorConfig, Discriminators
from zoo.nn.gan_losses import discriminator_loss, feature_loss, generator_loss
from zoo.nn.istft_vocoder import GuessedMelVocoder, ISTFTVocoder
from zoo.nn.spectral_losses import MelLoss, MultiResolutionSTFTLoss
from zoo.training.schedules import cosine

Batch = dict[str, Any]
_UPDATES = "vocoder_updates"
_STARTED = (ISTFTVocoder, GuessedMelVocoder)


@dataclass(frozen=True, kw_only=True)
class VocoderTrainingConfig(ZooConfig):
    """How a vocoder is trained; the defaults are those of HiFi-GAN V1."""

    PRESETS: ClassVar[tuple[str, ...]] = ("hifigan", "tiny")

    batch_size: int = 16
    """Crops in a global batch."""
    crop_samples: int = 8960
    """Length of a crop: 28 units of 20 ms."""
    lr: float = 2e-4
    """Learning rate of both AdamWs at the start."""
    betas: tuple[float, float] = (0.8, 0.99)
    """Of both."""
    schedule: Literal["epochs", "cosine"] = "epochs"
    """Decay by 0.999 an epoch, or along a cosine to zero at the last step."""
    warmup_updates: int = 0
    """Updates of linear growth (`schedule="cosine"`)."""
    total_steps: int = 1_000_000
    """Optimizer steps; an update with discriminators counts as two."""
    gan_start: int | None = 0
    """Update from which the discriminators take part; None leaves them out."""
    gan_weight: float = 1.0
    """Weight of the adversarial and the feature-matching loss."""
    mel_weight: float = 45.0
    """Weight of the log-mel distance."""
    stft_weight: float = 0.0
    """Weight of the multi-resolution STFT distance."""
    envelope_weight: float = 0.0
    """Weight of the distance of the bands' envelopes (ours, see `zoo.nn.envelope_loss`): of what is
    spoken, in the frames of STOI; in `guess_updates`, of the guessed mel, in its own."""
    gradient_clip: float | None = None
    """Limit of the gradient norm of each network."""
    guess_updates: int = 0
    """Updates at the start that fit the guessed mel without speaking it (ours), for a vocoder that
    guesses one. They are cheap: a budget sees several times as many frames. With several processes
    they need the Trainer's strategy `ddp_find_unused_parameters_true`."""

    def __post_init__(self) -> None:
        if self.gan_start is not None and self.gan_start % 2:
            raise ConfigError("gan_start must be even, so that checkpoints fall on whole updates")
        if self.gan_start is not None and self.gan_start < self.guess_updates:
            raise ConfigError(
                f"gan_start {self.gan_start}: nothing is spoken in the first {self.guess_updates} "
                "updates (guess_updates); let the discriminators start after those, or never"
            )

    @property
    def updates(self) -> int:
        """Updates of the generator that `total_steps` has room for."""
        alone = self.total_steps if self.gan_start is None else self.gan_start
        return alone + max(0, self.total_steps - alone) // 2

    @classmethod
    def hifigan(cls) -> VocoderTrainingConfig:
        """The paper's."""
        return cls()

    @classmethod
    def tiny(cls) -> VocoderTrainingConfig:
        """Minutes on a CPU: spectral losses alone."""
        return cls(
            crop_samples=12_800,
            lr=1e-3,
            schedule="cosine",
            warmup_updates=100,
            total_steps=3000,
            gan_start=None,
            mel_weight=5.0,
            stft_weight=1.0,
            gradient_clip=5.0,
        )


def network_of(source: str) -> nn.Module | None:
    """The network of a trained mel or unit vocoder; None where a model has no such part.

    Args:
        source: checkpoint, Hub repository or folder.

    Raises:
        CheckpointError: it cannot be had.
    """
    network: nn.Module | None = getattr(from_pretrained(source), "network", None)
    return network


class GANVocoder(ZooModule):
    """Base of the vocoders; a subclass says how it makes waveforms of a batch.

    Args:
        config: the model's.
        stage: what `fit` trains; without one there are no discriminators.
        training: how.
        discriminators: which.
    """

    training_only: ClassVar[tuple[str, ...]] = (r"^discriminators\.",)

    def __init__(
        self,
        config: ZooConfig,
        stage: str | None,
        training: VocoderTrainingConfig,
        discriminators: DiscriminatorConfig,
    ) -> None:
        if training.guess_updates and not self.guesses_mel(config):
            raise ConfigError(
                f"guess_updates: this {type(self).__name__} guesses no mel that could be fitted "
                "alone; set it to 0"
            )
        super().__init__(config)
        self.stage = stage
        self.automatic_optimization = False
        self.vocoder_training = training
        self.discriminators: Discriminators | None = None
        if stage is not None and training.gan_start is not None:
            self.discriminators = Discriminators(discriminators)
        self.mel_loss = MelLoss()
        self.stft_loss = MultiResolutionSTFTLoss()
        self.updates = 0

    def start_trunk(self, own: nn.Module, other: nn.Module | None, source: str) -> None:
        """Let a part with an inverse-STFT head start from a trained mel vocoder.

        Args:
            own: the part.
            other: the mel vocoder's network, see `network_of`.
            source: where that came from, for the complaint.

        Raises:
            ConfigError: one of the two has no such head, or the sizes differ.
        """
        if not (isinstance(own, _STARTED) and isinstance(other, ISTFTVocoder)):
            raise ConfigError(
                f"trunk_source: {source} and this model's vocoder must both have an inverse-STFT "
                "head; set istft and name such a mel vocoder, or set trunk_source to null"
            )
        own.start_from(other)

    def resynthesize_batch(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Waveforms (B, 1, S) for `batch["wav"]` (B, S), and further weighted losses by name."""
        raise NotImplementedError

    @classmethod
    def guesses_mel(cls, config: Any) -> bool:
        """Whether a model of this configuration has a guessed mel for `guess_updates` to fit."""
        return False

    def guess_losses(self, batch: Batch) -> dict[str, Tensor]:
        """The distance of the mel that `resynthesize_batch` would speak from that of `batch["wav"]`,
        and further weighted losses by name."""
        raise NotImplementedError

    def generator_parameters(self) -> list[torch.nn.Parameter]:
        """What the first optimizer trains: everything but the discriminators."""
        return [
            p
            for name, p in self.named_parameters()
            if not name.startswith("discriminators.") and p.requires_grad
        ]

    def configure_optimizers(self) -> Any:
        """AdamW for the generator, and one for the discriminators where there are any."""
        groups = [self.generator_parameters()]
        if self.discriminators is not None:
            groups.append(list(self.discriminators.parameters()))
        settings = self.vocoder_training
        optimizers = [AdamW(group, settings.lr, settings.betas) for group in groups]
        starts = (0, settings.gan_start or 0)
        return [
            {"optimizer": one, "lr_scheduler": {"scheduler": self._schedule(one, start)}}
            for one, start in zip(optimizers, starts, strict=False)
        ]

    def _schedule(self, optimizer: torch.optim.Optimizer, start: int) -> Any:
        settings = self.vocoder_training
        if settings.schedule == "epochs":
            return ExponentialLR(optimizer, 0.999)
        factor = cosine(settings.warmup_updates, settings.updates)
        return LambdaLR(optimizer, lambda update: factor(start + update))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One update: the discriminators first, where they take part, then the generator."""
        if self.updates < self.vocoder_training.guess_updates:
            return self._guess_step(batch)
        adversarial = self._is_adversarial()
        real = batch["wav"].unsqueeze(1)
        made, extra = self.resynthesize_batch(batch)
        losses = {**self.spectral_losses(made, real), **extra}
        if adversarial:
            self._update(1, {"discriminator": self._discriminator_loss(real, made.detach())})
            losses |= self._adversarial_losses(real, made)
        self._update(0, losses)
        return self._updated(losses, adversarial)

    def _guess_step(self, batch: Batch) -> Tensor:
        """Fit the guessed mel alone."""
        losses = self.guess_losses(batch)
        self._update(0, losses)
        return self._updated(losses, adversarial=False)

    def _updated(self, losses: dict[str, Tensor], adversarial: bool) -> Tensor:
        self.updates += 1
        if self.vocoder_training.schedule == "cosine":
            self._step_schedules(adversarial)
        return torch.stack([loss.detach() for loss in losses.values()]).sum()

    def on_train_epoch_end(self) -> None:
        """Decay by epochs."""
        if self.vocoder_training.schedule == "epochs":
            self._step_schedules(self._is_adversarial())

    def _is_adversarial(self) -> bool:
        start = self.vocoder_training.gan_start
        return self.discriminators is not None and start is not None and self.updates >= start

    def spectral_losses(self, made: Tensor, real: Tensor) -> dict[str, Tensor]:
        """The weighted distances of the spectra of waveforms (B, 1, S)."""
        settings, pair = self.vocoder_training, (made[:, 0].float(), real[:, 0])
        losses = {"mel": settings.mel_weight * self.mel_loss(*pair)}
        if settings.stft_weight:
            losses["stft"] = settings.stft_weight * self.stft_loss(*pair)
        if settings.envelope_weight:
            rate = self.mel_loss.mel.config.sample_rate
            distance = spoken_envelope_distance(*pair, rate)
            losses["envelope"] = settings.envelope_weight * distance
        return losses

    def envelope_losses(self, made: Tensor, real: Tensor, mel: MelFrontEnd) -> dict[str, Tensor]:
        """The weighted distance of the envelopes of log-mels (B, C, T); none where it has no weight."""
        weight = self.vocoder_training.envelope_weight
        return {"envelope": weight * envelope_distance(made, real, mel)} if weight else {}

    def _discriminator_loss(self, real: Tensor, made: Tensor) -> Tensor:
        assert self.discriminators is not None
        return discriminator_loss(self.discriminators(real), self.discriminators(made))

    def _adversarial_losses(self, real: Tensor, made: Tensor) -> dict[str, Tensor]:
        assert self.discriminators is not None
        with torch.no_grad():
            judged_real = self.discriminators(real)
        judged = self.discriminators(made)
        weight = self.vocoder_training.gan_weight
        return {
            "adversarial": weight * generator_loss(judged),
            "features": weight * feature_loss(judged_real, judged),
        }

    def _update(self, index: int, losses: dict[str, Tensor]) -> None:
        """Step optimizer `index` along the sum of `losses`."""
        optimizers = self.optimizers()
        optimizer: Any = optimizers[index] if isinstance(optimizers, list) else optimizers
        optimizer.zero_grad()
        self.manual_backward(torch.stack(list(losses.values())).sum())
        limit = self.vocoder_training.gradient_clip
        if limit is not None:
            self.clip_gradients(optimizer, limit, "norm")
        optimizer.step()
        self.log_dict({f"train/{k}": v.detach() for k, v in losses.items()}, prog_bar=index == 0)

    def _step_schedules(self, adversarial: bool) -> None:
        schedules: Any = self.lr_schedulers()
        both = schedules if isinstance(schedules, list) else [schedules]
        for schedule in both if adversarial else both[:1]:
            schedule.step()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log-mel distance of resynthesised recordings (`val/mel_l1`)."""
        made, _ = self.resynthesize_batch(batch)
        distance = self.mel_loss(made[:, 0].float(), batch["wav"])
        self.log("val/mel_l1", distance, prog_bar=True, batch_size=len(made), sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the number of updates, which decides when the discriminators join."""
        checkpoint[_UPDATES] = self.updates

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up where the checkpoint was written."""
        self.updates = int(checkpoint.get(_UPDATES, 0))
