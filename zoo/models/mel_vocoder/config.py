"""Configuration of the mel vocoders."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from zoo.audio.mel import CONFIGS
from zoo.errors import ConfigError
from zoo.hub.config import ZooConfig
from zoo.nn.gan_discriminators import DiscriminatorConfig
from zoo.nn.hifigan import HiFiGANConfig
from zoo.nn.istft_vocoder import ISTFTVocoderConfig
from zoo.training.vocoder import VocoderTrainingConfig


@dataclass(frozen=True, kw_only=True)
class MelVocoderConfig(ZooConfig):
    """A mel vocoder: which mel it inverts, how, and how it is trained."""

    PRESETS: ClassVar[tuple[str, ...]] = (
        "hifigan_16k_hop160",
        "hifigan_v1",
        "istft_base",
        "tiny",
        "tiny_hifigan",
    )

    front_end: str = "tacotron16k"
    """Mel front-end of `zoo.audio.mel`."""
    kind: Literal["hifigan", "istft"] = "hifigan"
    """Generator: transposed convolutions up to samples, or a spectrum that is inverted."""
    hifigan: HiFiGANConfig = field(default_factory=HiFiGANConfig.mel_16k)
    """Sizes of the first kind."""
    istft: ISTFTVocoderConfig = field(default_factory=ISTFTVocoderConfig)
    """Sizes of the second kind."""
    discriminators: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    """Used in training."""
    training: VocoderTrainingConfig = field(default_factory=VocoderTrainingConfig)
    """How it is trained."""

    def __post_init__(self) -> None:
        mel = CONFIGS.get(self.front_end)
        if mel is None or mel.log_floor is None:
            raise ConfigError(f"front_end {self.front_end!r} is not one of {', '.join(CONFIGS)}")
        if self.kind == "hifigan" and self.hifigan.hop != mel.hop_length:
            raise ConfigError(
                f"the generator makes {self.hifigan.hop} samples a frame, {self.front_end} has "
                f"{mel.hop_length}"
            )
        if self.kind == "istft" and self.istft.front_end != self.front_end:
            raise ConfigError(f"istft.front_end is {self.istft.front_end}, not {self.front_end}")

    @classmethod
    def hifigan_16k_hop160(cls) -> MelVocoderConfig:
        """HiFi-GAN for mel frames of 10 ms at 16 kHz."""
        return cls()

    @classmethod
    def hifigan_v1(cls) -> MelVocoderConfig:
        """HiFi-GAN V1 as first released: 22.05 kHz, 256 samples a frame."""
        return cls(front_end="hifigan22k", hifigan=HiFiGANConfig.mel_22k())

    @classmethod
    def istft_base(cls) -> MelVocoderConfig:
        """The inverse-STFT head at the size of Vocos."""
        return cls(kind="istft", istft=ISTFTVocoderConfig.base())

    @classmethod
    def tiny(cls) -> MelVocoderConfig:
        """The inverse-STFT head this project trains."""
        return cls(
            kind="istft",
            istft=ISTFTVocoderConfig.tiny(),
            discriminators=DiscriminatorConfig.tiny(),
            training=VocoderTrainingConfig.tiny(),
        )

    @classmethod
    def tiny_hifigan(cls) -> MelVocoderConfig:
        """The paper's shape at the same size; it starts from weights that small budgets can move."""
        return cls(
            hifigan=HiFiGANConfig.mel_16k().replace(
                channels=208,
                block_kernels=(3, 7),
                block_dilations=((1, 3, 5), (1, 3, 5)),
                initial_std=None,
            ),
            discriminators=DiscriminatorConfig.tiny(),
            training=VocoderTrainingConfig.tiny().replace(
                batch_size=8, crop_samples=9600, envelope_weight=5.0, total_steps=4000
            ),
        )
