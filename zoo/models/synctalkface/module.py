"""SyncTalkFace as a LightningModule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, ClassVar

import torch
from lightning.fabric.utilities.apply_func import move_data_to_device
from torch import Tensor

from zoo.errors import ConfigError
from zoo.hub.load import from_pretrained
from zoo.models.synctalkface.config import SyncTalkFaceConfig
from zoo.models.synctalkface.network import Painted, SyncTalkFaceNetwork
from zoo.models.talking_face.animation import FaceLike
from zoo.models.talking_face.training import (
    Batch,
    StageName,
    TrainedAnimator,
    pictures,
    recipe,
)
from zoo.nn.face_windows import by_clip, expert_input, generator_input, sliding_windows
from zoo.nn.key_value_memory import align_loss, store_loss
from zoo.nn.lip_sync_losses import (
    discriminator_loss,
    perceptual_loss,
    weighted_l1,
    without_gradient,
)
from zoo.nn.modes import evaluation, mode_of
from zoo.nn.quality_discriminator import QualityDiscriminator
from zoo.nn.sync_expert import WINDOW, SyncExpert
from zoo.nn.wav2lip import AudioEncoder, Wav2LipGenerator
from zoo.tasks import SpeechLike, Video
from zoo.training.recipe import Recipe


class SyncTalkFace(TrainedAnimator):
    """A face saying speech, with lips recalled from a memory (arXiv 2211.00924).

    Args:
        config: sizes and training.
        stage: what `fit` trains: "expert", then "generator" (everything else at once).
    """

    slug: ClassVar[str] = "synctalkface"
    Config: ClassVar[type[SyncTalkFaceConfig]] = SyncTalkFaceConfig
    float32_keys: ClassVar[tuple[str, ...]] = (r".*\.norm\..*",)

    def __init__(self, config: SyncTalkFaceConfig, stage: StageName | None = None) -> None:
        super().__init__(config, stage)
        self.config: SyncTalkFaceConfig = config
        expert, judge = config.expert, config.discriminator
        self.network = SyncTalkFaceNetwork(config)
        self.expert = None
        if expert is not None:
            self.expert = SyncExpert(expert.face_channels, expert.audio_channels, config.image_size)
        self.discriminator = None
        if judge is not None:
            self.discriminator = QualityDiscriminator(judge.channels, config.image_size)
        judged = config.training.gan_weight > 0
        if judged and self.discriminator is None:
            raise ConfigError("training.gan_weight is above 0: give a discriminator, too")
        painting = [self.network, self.discriminator if judged else None]
        self.train_only([self.expert] if stage == "expert" else painting)

    @classmethod
    def recipe(cls, config: SyncTalkFaceConfig) -> Recipe:
        """Stages of `zoo train`: the expert, then the rest."""
        ablations: dict[str, dict[str, Any]] = {
            "no-memory": {"memory.recall": False},
            "no-visual-visual": {"training.lip_weight": 0.0},
        }
        return recipe(config, links={"context": "context"}, ablations=ablations)

    def encode_audio(self, mel: Tensor) -> Tensor:
        """Audio features (B, T, C), before the memory, of mel windows (B, T, 1, 80, 16)."""
        return by_clip(self.network.encode_audio(mel.flatten(0, 1)), mel)

    def generate(self, latent: Tensor, faces: Tensor, address: Tensor | None = None) -> Tensor:
        """Faces (B, T, 3, S, S) BGR in [0, 1]; arguments as `Animator.generate`.

        Args:
            latent: (B, T, C).
            faces: (B, T, 6, S, S).
            address: (B, T, N) weights over the memory's slots in place of those that the sound
                gives: a row with a single 1 shows the lips of that slot.
        """
        weights = None if address is None else address.flatten(0, 1)
        painted = self.network.generate(latent.flatten(0, 1), faces.flatten(0, 1), weights)
        return by_clip(painted, faces)

    @property
    def audio_encoder_in_use(self) -> AudioEncoder:
        """The network's audio encoder."""
        return self.network.audio_encoder

    def setup(self, stage: str) -> None:
        """Start from a trained trunk, too, where the configuration names one.

        Raises:
            ConfigError: it is not Wav2Lip's, or of other sizes.
            CheckpointError: it cannot be had.
        """
        super().setup(stage)
        source = self.config.training.trunk_source
        if stage == "fit" and self.stage == "generator" and source is not None:
            painter = getattr(from_pretrained(source), "generator", None)
            if not isinstance(painter, Wav2LipGenerator):
                raise ConfigError(
                    f"training.trunk_source: {source} has no Wav2Lip generator; name a checkpoint "
                    "of the model wav2lip_syncnet, or null"
                )
            self.network.start_from(painter)

    def on_train_start(self) -> None:
        """Fill the memory where the configuration says so; a run that goes on has filled it."""
        memory = self.config.memory
        if (
            self.stage == "generator"
            and memory.fill_from
            and memory.recall
            and not self.global_step
        ):
            batches: Any = self.trainer.train_dataloader
            self.fill_memory(islice(batches, memory.fill_from))

    def fill_memory(self, batches: Iterable[Batch]) -> None:
        """Let clusters of the sound in some batches, each with its lips, be the slots."""
        lips, sound = [], []
        network = self.network
        with evaluation(network):
            for batch in batches:
                batch = move_data_to_device(batch, self.device)
                lips.append(network.encode_lips(lip_windows(batch)))
                sound.append(network.encode_audio(batch["frame_mel"].flatten(0, 1)))
        network.memory.fill(torch.cat(lips), torch.cat(sound))
        for half in (network.memory.value, network.memory.key):
            # each process has seen its own clips
            half.data.copy_(self.trainer.strategy.broadcast(half.data))

    def start_from_expert(self) -> None:
        """Copy both encoders of the expert."""
        super().start_from_expert()
        self.network.lip_encoder.load_state_dict(self.sync_expert.face_encoder.state_dict())

    def addresses(self, latent: Tensor) -> Tensor:
        """Weights (B, T, N) over the memory's slots that latents (B, T, C) give."""
        return self.network.memory.address_keys(latent)

    def animate(
        self,
        face: FaceLike | Sequence[FaceLike],
        speech: SpeechLike | Sequence[SpeechLike] | None = None,
        *,
        address: Tensor | None = None,
        **options: Any,
    ) -> Video | list[Video]:
        """As `Animator.animate`, whose options these are; `address` moves the lips directly.

        Args:
            face: see there.
            speech: see there.
            address: (N,) or (T, N) weights over the memory's slots, see `generate`.
            options: see there.
        """
        if address is not None:
            options["controls"] = {**(options.get("controls") or {}), "address": address}
        return super().animate(face, speech, **options)

    def generator_loss(self, batch: Batch) -> Tensor:
        """All losses of the paper, section 3.3."""
        settings = self.config.training
        target, painted = self._paint(batch)
        share = self.sync_share()
        lip_share = settings.lip_weight if share > 0 else 0.0
        l1 = sum(weighted_l1(frames, target, settings.mouth_weight) for frames in films(painted))
        loss = (1 - share - lip_share - settings.gan_weight) * l1
        loss = loss + settings.store_weight * store_loss(painted.lips, painted.stored)
        loss = loss + settings.align_weight * align_loss(painted.lip_address, painted.address)
        loss = loss + self.guidance(batch)
        if share > 0:
            loss = loss + share * sum(self.sync_loss(batch, frames) for frames in films(painted))
        if lip_share > 0:
            loss = loss + lip_share * sum(self.lip_loss(target, f) for f in films(painted))
        if settings.gan_weight > 0:
            loss = loss + self._gan_loss(target, painted)
        return loss

    def _gan_loss(self, target: Tensor, painted: Painted) -> Tensor:
        assert self.discriminator is not None
        weight, films_ = self.config.training.gan_weight, torch.cat(films(painted))
        # one step on the sum is a step of either side, since neither gradient reaches the other
        deceive = weight * 2 * perceptual_loss(self.discriminator, films_)
        return deceive + discriminator_loss(self.discriminator, target, films_)

    def lip_loss(self, target: Tensor, painted: Tensor) -> Tensor:
        """Visual-visual sync loss of frames (B, 5, 3, S, S): do they look like the same lips?

        The lip encoder judges but does not learn from it, else it would come to see nothing.
        """
        with mode_of(self.network.lip_encoder, training=False):
            with torch.no_grad():
                true = self.network.encode_lips(expert_input(target))
            seen = without_gradient(self.network.lip_encoder, expert_input(painted))
        return (seen.flatten(1) - true).abs().mean()

    def _paint(self, batch: Batch) -> tuple[Tensor, Painted]:
        """True frames (B, 5, 3, S, S) and everything painted for them, N = 5 B."""
        target, reference = pictures(batch["faces"][:, 0]), pictures(batch["reference"])
        painted: Painted = self.network(
            batch["frame_mel"].flatten(0, 1),
            lip_windows(batch),
            generator_input(target, reference).flatten(0, 1),
        )
        return target, painted

    def validate_generator(self, batch: Batch) -> None:
        """Log L1, sync losses, and how alike the two addresses of the memory are."""
        settings, size = self.config.training, len(batch["faces"])
        target, painted = self._paint(batch)
        frames = films(painted)[0]
        self.log_faces(batch, target, frames)
        sync, lip = self.sync_loss(batch, frames), self.lip_loss(target, frames)
        agree = (painted.lip_address.argmax(1) == painted.address.argmax(1)).float().mean()
        for name, value in {
            "sync": sync,
            "lip": lip,
            "align": align_loss(painted.lip_address, painted.address),
            "store": store_loss(painted.lips, painted.stored),
            "agreement": agree,
            "lip_spread": painted.lips.std(dim=0).mean(),
            "slot_entropy": entropy(painted.address.mean(dim=0)),
        }.items():
            self.log(f"val/{name}", value, batch_size=size)
        l1 = weighted_l1(frames, target, settings.mouth_weight)
        kept = 1 - settings.sync_weight - settings.lip_weight
        loss = kept * l1 + settings.sync_weight * sync + settings.lip_weight * lip
        self.log("val/loss", loss, prog_bar=True, batch_size=size)


def lip_windows(batch: Batch) -> Tensor:
    """True lips (N, 15, S / 2, S) around each of the N = 5 B frames of a batch."""
    windows = torch.stack([sliding_windows(clip) for clip in pictures(batch["around"])])
    return expert_input(windows.flatten(0, 1))


def films(painted: Painted) -> tuple[Tensor, Tensor]:
    """Both paintings (B, 5, 3, S, S) of a step."""
    size = painted.frames.shape[1:]
    return (
        painted.frames.reshape(-1, WINDOW, *size),
        painted.frames_true_lips.reshape(-1, WINDOW, *size),
    )


def entropy(weights: Tensor) -> Tensor:
    """Of weights (S,) that sum to one, in nats: how many slots are in use."""
    terms: Tensor = torch.special.xlogy(weights, weights)
    return -terms.sum()
