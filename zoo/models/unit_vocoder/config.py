"""Configuration of the unit vocoders."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from zoo.errors import ConfigError
from zoo.hub.config import ZooConfig
from zoo.nn.gan_discriminators import DiscriminatorConfig
from zoo.nn.istft_vocoder import ISTFTVocoderConfig
from zoo.nn.unit_hifigan import ContextConfig, DurationConfig, UnitHiFiGANConfig
from zoo.training.vocoder import VocoderTrainingConfig

SAMPLE_RATE = 16_000


@dataclass(frozen=True, kw_only=True)
class UnitVocoderConfig(ZooConfig):
    """A unit vocoder: its network, whose units it speaks, and how it is trained."""

    PRESETS: ClassVar[tuple[str, ...]] = (
        "mhubert_km1000",
        "speaker_id",
        "speaker_vector",
        "hubert_km100",
        "tiny",
        "tiny_km200",
    )

    network: UnitHiFiGANConfig = field(default_factory=UnitHiFiGANConfig)
    """Sizes and conditions."""
    inventory: str = ""
    """Name of the units, as `Units.inventory`; empty where it is not known."""
    unit_source: str = "hubert_units.mhubert-base-l11-km1000"
    """Checkpoint that makes units of recordings, for training and resynthesis."""
    speaker_source: str = "ge2e.resemblyzer"
    """Checkpoint that makes speaker vectors of recordings."""
    trunk_source: str | None = None
    """Mel vocoder from which the training of an inverse-STFT trunk starts (ours); None starts at
    random."""
    embeddings_source: str | None = None
    """Vocoder of other units that training starts from (`--init`, ours): the embedding of each unit
    starts from the mean of those of its units that it coincides with in the training recordings."""
    duration_weight: float = 1.0
    """Weight of the loss of the durations."""
    pitch_dropout: float = 0.5
    """Share of the training crops whose pitch is kept back (`network.f0="optional"`)."""
    discriminators: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    """Used in training."""
    training: VocoderTrainingConfig = field(default_factory=VocoderTrainingConfig)
    """How it is trained."""

    def __post_init__(self) -> None:
        if not 0 <= self.pitch_dropout <= 1:
            raise ConfigError(f"pitch_dropout {self.pitch_dropout} is not between 0 and 1")

    @classmethod
    def mhubert_km1000(cls) -> UnitVocoderConfig:
        """The released mHuBERT vocoders: one voice, durations."""
        return cls()

    @classmethod
    def speaker_id(cls) -> UnitVocoderConfig:
        """The same with a table of voices."""
        return cls(network=UnitHiFiGANConfig.speaker_id())

    @classmethod
    def speaker_vector(cls) -> UnitVocoderConfig:
        """The same with a speaker vector."""
        return cls(network=UnitHiFiGANConfig.speaker_vector())

    @classmethod
    def hubert_km100(cls) -> UnitVocoderConfig:
        """100 units of HuBERT's sixth layer, one a frame."""
        return cls(
            network=UnitHiFiGANConfig.frame_units(),
            unit_source="hubert_units.hubert-base-l6-km100",
        )

    @classmethod
    def tiny(cls) -> UnitVocoderConfig:
        """Three million parameters, with a speaker vector, durations, and a pitch if it is known."""
        network = UnitHiFiGANConfig(
            num_units=1000,
            embedding_size=64,
            speaker="vector",
            f0="optional",
            durations=DurationConfig(hidden=64),
            context=ContextConfig(),
            istft=ISTFTVocoderConfig.tiny(),
        )
        return cls(
            network=network,
            inventory="tiny-hubert-it5/L2-white96/km1000",
            unit_source="hubert_units.tiny-km1000",
            trunk_source="mel_vocoder.tiny",
            discriminators=DiscriminatorConfig.tiny(),
            training=VocoderTrainingConfig.tiny().replace(
                crop_samples=32_000, envelope_weight=6.0, guess_updates=3000, total_steps=3180
            ),
        )

    @classmethod
    def tiny_km200(cls) -> UnitVocoderConfig:
        """The same of the units that Lip2Speech-Unit reads from lips, which show no pitch."""
        return cls.tiny().replace(
            **{
                "network.num_units": 200,
                "network.f0": "none",
                "inventory": "tiny-hubert-it3/L2/km200",
                "unit_source": "hubert_units.tiny-km200",
            }
        )
