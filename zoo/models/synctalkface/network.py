"""The networks of SyncTalkFace (arXiv 2211.00924, section 3): Wav2Lip's trunk, painted from sound
and from the lips that a memory recalls for that sound."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.errors import ConfigError
from zoo.models.synctalkface.config import SyncTalkFaceConfig
from zoo.nn.key_value_memory import KeyValueMemory, Recalled
from zoo.nn.sync_expert import FaceTower
from zoo.nn.wav2lip import (
    AudioEncoder,
    FaceDecoder,
    FaceEncoder,
    GeneratorChannels,
    Output,
    Wav2LipGenerator,
    paint,
)


@dataclass(frozen=True)
class Painted:
    """What a training step needs of N frames.

    Attributes:
        frames: (N, 3, S, S) from sound and recalled lips.
        frames_true_lips: (N, 3, S, S) from sound and true lips, which teaches the lip encoder.
        lips: (N, C) features of the true lips.
        stored: (N, C) what the memory has for them.
        sound: (N, C) features of the sound.
        lip_address: (N, S) how the lips address the values.
        address: (N, S) how the sound addresses the keys.
    """

    frames: Tensor
    frames_true_lips: Tensor
    lips: Tensor
    stored: Tensor
    sound: Tensor
    lip_address: Tensor
    address: Tensor


class SyncTalkFaceNetwork(nn.Module):
    """Audio encoder, lip encoder, identity encoder, memory and decoder."""

    def __init__(self, config: SyncTalkFaceConfig) -> None:
        super().__init__()
        channels = GeneratorChannels.scaled(config.width)
        size, features = config.image_size, channels.audio[-1]
        self.features = features
        self.audio_encoder = AudioEncoder(channels.audio)
        self.lip_encoder = FaceTower(channels.audio, size)
        self.memory = KeyValueMemory(config.memory.slots, features, config.memory.kappa)
        self.constant = None if config.memory.recall else nn.Parameter(torch.zeros(features))
        self.identity_encoder = FaceEncoder(channels.face, size)
        self.decoder = FaceDecoder(channels.decoder, channels.face, size, 2 * features)
        self.output = Output(self.decoder.out_channels, channels.output, gate=config.copy_gate)

    def start_from(self, painter: Wav2LipGenerator) -> None:
        """Copy a trained Wav2Lip generator, but for the layer that reads the condition: that has to
        learn how much to trust sound, and how much the lips, which Wav2Lip does not have.

        Raises:
            ConfigError: its sizes differ.
        """
        own = (self.audio_encoder, self.identity_encoder, self.output, self.decoder)
        others = (painter.audio_encoder, painter.face_encoder, painter.output, painter.face_decoder)
        try:
            for part, other in zip(own, others, strict=True):
                state = other.state_dict()
                if part is self.decoder:
                    reader = {k: v for k, v in part.state_dict().items() if k.startswith("0.")}
                    state.update(reader)
                part.load_state_dict(state)
        except RuntimeError as error:
            raise ConfigError(
                "SyncTalkFace can only start from a Wav2Lip generator of its own width, picture "
                "size and copy gate; set training.trunk_source to one, or to null"
            ) from error

    def encode_audio(self, mel: Tensor) -> Tensor:
        """Mel windows (N, 1, 80, 16) -> features (N, C)."""
        features: Tensor = self.audio_encoder(mel)
        return features.flatten(1)

    def encode_lips(self, windows: Tensor) -> Tensor:
        """Lower halves of five frames (N, 15, S / 2, S) -> features (N, C)."""
        features: Tensor = self.lip_encoder(windows)
        return features.flatten(1)

    def recall(self, sound: Tensor, address: Tensor | None = None) -> Recalled:
        """Lips for sound (N, C), or those at an address (N, S)."""
        if address is None:
            address = self.memory.address_keys(sound)
        if self.constant is not None:
            return Recalled(self.constant.expand_as(sound), address)
        return Recalled(self.memory.read(address), address)

    def decode(self, lips: Tensor, sound: Tensor, skips: list[Tensor], faces: Tensor) -> Tensor:
        """Frames (N, 3, S, S) of features (N, C) and the skips of `faces` (N, 6, S, S)."""
        condition = torch.cat([lips, sound], dim=1)[:, :, None, None]
        return paint(self.output(self.decoder(condition, skips)), faces)

    def generate(self, sound: Tensor, faces: Tensor, address: Tensor | None = None) -> Tensor:
        """Frames (N, 3, S, S) as in use: from sound alone, or with another address (N, S)."""
        skips = self.identity_encoder(faces)
        return self.decode(self.recall(sound, address).values, sound, skips, faces)

    def forward(self, mel: Tensor, lip_windows: Tensor, faces: Tensor) -> Painted:
        """Everything that training compares.

        Args:
            mel: (N, 1, 80, 16).
            lip_windows: (N, 15, S / 2, S) true lips around each frame.
            faces: (N, 6, S, S).
        """
        sound, lips = self.encode_audio(mel), self.encode_lips(lip_windows)
        recalled = self.recall(sound)
        lip_address = self.memory.address_values(lips)
        skips = self.identity_encoder(faces)
        return Painted(
            frames=self.decode(recalled.values, sound, skips, faces),
            frames_true_lips=self.decode(lips, sound, skips, faces),
            lips=lips,
            stored=self.memory.read(lip_address),
            sound=sound,
            lip_address=lip_address,
            address=recalled.address,
        )
