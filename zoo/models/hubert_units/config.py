"""Configuration of HuBERT as a maker of units: encoder, layer, codebook."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from zoo.errors import ConfigError
from zoo.hub.config import ZooConfig
from zoo.nn.hubert_config import HuBERTConfig
from zoo.nn.masked_prediction import MaskedPredictionConfig
from zoo.training.settings import DecayedTrainingSettings

FEATURE_SIZE = 768
"""Width of HuBERT Base, whose features the released codebooks quantise."""


@dataclass(frozen=True, kw_only=True)
class PretrainingConfig(DecayedTrainingSettings):
    """One round of masked prediction."""

    batch_size: int = 32
    """Recordings in a global batch."""
    lr: float = 5e-4
    weight_decay: float = 0.01
    warmup_steps: int = 32_000
    total_steps: int = 400_000
    gradient_clip: float = 10.0
    target_recordings: int = 1000
    """Recordings whose frames the targets' clusters are fitted to."""


@dataclass(frozen=True, kw_only=True)
class InvarianceConfig(DecayedTrainingSettings):
    """Features that follow the voice less (stage "invariance", ours)."""

    batch_size: int = 12
    """Recordings in a global batch."""
    lr: float = 5e-4
    weight_decay: float = 0.01
    warmup_steps: int = 50
    total_steps: int = 0
    """Optimizer steps; 0 leaves the stage out."""
    gradient_clip: float = 5.0
    crop_samples: int = 19_200
    """Length of the crops."""
    directions: int = 96
    """Directions of the whitened features in which they are compared."""
    speed: float = 0.25
    """Largest logarithm of the factor on pace, pitch and formants."""
    tilt_db: float = 4.0
    """How far the response of the microphone is bent, see `zoo.audio.variation.equalized`."""
    level: float = 0.3
    """Standard deviation of the logarithm of the gain."""
    twin_share: float = 0.75
    """How often the crop is one of a twin, the same words in another voice, where there is one."""

    def __post_init__(self) -> None:
        if not 0 <= self.twin_share <= 1:
            raise ConfigError(f"invariance.twin_share {self.twin_share} is not in 0..1")


@dataclass(frozen=True, kw_only=True)
class HubertUnitsConfig(ZooConfig):
    """An encoder, a codebook over one of its layers, or both."""

    PRESETS: ClassVar[tuple[str, ...]] = (
        "base",
        "large",
        "base_l6_km50",
        "base_l6_km100",
        "base_l6_km200",
        "base_l9_km500",
        "mhubert_l11_km1000",
        "tiny",
        "tiny_km200",
        "tiny_km1000",
    )

    hubert: HuBERTConfig | None = field(default_factory=HuBERTConfig)
    """The encoder; None in a checkpoint of a codebook alone."""
    layer: int | None = None
    """Layer (1-based) whose output is quantised; None in a checkpoint of an encoder alone."""
    num_units: int | None = None
    """Centres of the codebook, K."""
    feature_size: int = FEATURE_SIZE
    """Width of what is quantised."""
    whitened: int | None = None
    """Directions of the whitened features in which the codebook measures distances (ours); None, as
    in all released codebooks, takes the features as they are."""
    encoder_source: str | None = None
    """Checkpoint of the encoder that a codebook alone belongs to."""
    inventory: str = ""
    """Name of the units, kept in what `extract` returns."""
    task: MaskedPredictionConfig = field(default_factory=MaskedPredictionConfig)
    """Masked prediction, where the encoder is trained here."""
    training: PretrainingConfig = field(default_factory=PretrainingConfig)
    """Both rounds of it."""
    target_layer: int = 6
    """Layer whose clusters the second round predicts."""
    invariance: InvarianceConfig = field(default_factory=InvarianceConfig)
    """The training, after those rounds, of the layer that is quantised."""

    def __post_init__(self) -> None:
        if self.hubert is None and self.num_units is None:
            raise ConfigError("neither hubert nor num_units: nothing is left of the model")
        if (self.num_units is None) != (self.layer is None):
            raise ConfigError("layer and num_units belong together")
        if self.whitened is not None and not 1 <= self.whitened <= self.feature_size:
            raise ConfigError(f"whitened {self.whitened} is not one of 1..{self.feature_size}")
        if self.hubert is None:
            return
        wanted = self.invariance.directions if self.invariance.total_steps else 0
        if wanted >= self.hubert.hidden_size:
            raise ConfigError(
                f"invariance.directions {wanted} is not less than the {self.hubert.hidden_size} "
                "of the encoder"
            )
        for name, layer in (("layer", self.layer), ("target_layer", self.target_layer)):
            if layer is not None and not 1 <= layer <= self.hubert.num_layers:
                raise ConfigError(f"{name} {layer} is not one of 1..{self.hubert.num_layers}")

    @classmethod
    def base(cls) -> HubertUnitsConfig:
        """HuBERT Base and mHuBERT."""
        return cls()

    @classmethod
    def large(cls) -> HubertUnitsConfig:
        """HuBERT Large."""
        return cls(hubert=HuBERTConfig.large())

    @classmethod
    def base_l6_km50(cls) -> HubertUnitsConfig:
        """50 centres over layer 6 of HuBERT Base."""
        return _codebook("hubert_units.hubert-base", 6, 50)

    @classmethod
    def base_l6_km100(cls) -> HubertUnitsConfig:
        """100 centres over layer 6 of HuBERT Base."""
        return _codebook("hubert_units.hubert-base", 6, 100)

    @classmethod
    def base_l6_km200(cls) -> HubertUnitsConfig:
        """200 centres over layer 6 of HuBERT Base: the units of Lip2Speech-Unit."""
        return _codebook("hubert_units.hubert-base", 6, 200)

    @classmethod
    def base_l9_km500(cls) -> HubertUnitsConfig:
        """500 centres over layer 9 of HuBERT Base."""
        return _codebook("hubert_units.hubert-base", 9, 500)

    @classmethod
    def mhubert_l11_km1000(cls) -> HubertUnitsConfig:
        """1000 centres over layer 11 of mHuBERT: the units of UTUT and AV2AV's vocoders."""
        return _codebook("hubert_units.mhubert-base", 11, 1000)

    @classmethod
    def tiny(cls) -> HubertUnitsConfig:
        """1.2 M parameters with 100 units; trained by this project on speech alone."""
        hubert = HuBERTConfig(
            conv_channels=(16, 32, 64, 96, 96, 128),
            conv_kernels=(10, 4, 3, 3, 2, 2),
            conv_strides=(5, 4, 2, 2, 2, 2),
            hidden_size=144,
            num_layers=4,
            num_heads=4,
            ffn_size=432,
            position_kernel=32,
            position_groups=4,
            dropout=0.0,
            attention_dropout=0.0,
        )
        return cls(
            hubert=hubert,
            layer=3,
            num_units=100,
            feature_size=144,
            inventory="tiny-hubert/L3/km100",
            task=MaskedPredictionConfig(
                num_clusters=100,
                embedding_size=96,
                mask_share=0.6,
                mask_span=8,
                unmasked_weight=0.5,
            ),
            training=PretrainingConfig(
                lr=1e-3, warmup_steps=100, total_steps=800, target_recordings=400
            ),
            target_layer=3,
        )

    @classmethod
    def tiny_km200(cls) -> HubertUnitsConfig:
        """The same encoder with 200 units; trained by this project from the other's weights."""
        return cls.tiny().replace(
            **{
                "layer": 2,
                "num_units": 200,
                "inventory": "tiny-hubert-it3/L2/km200",
                "task.num_clusters": 200,
                "training.total_steps": 1600,
            }
        )

    @classmethod
    def tiny_km1000(cls) -> HubertUnitsConfig:
        """1000 units, over the whitened second layer of an encoder that follows voices less."""
        return cls.tiny_km200().replace(
            num_units=1000,
            whitened=96,
            inventory="tiny-hubert-it5/L2-white96/km1000",
            invariance=InvarianceConfig(total_steps=2000),
        )


def _codebook(encoder: str, layer: int, units: int) -> HubertUnitsConfig:
    name = encoder.partition(".")[2]
    return HubertUnitsConfig(
        hubert=None,
        layer=layer,
        num_units=units,
        encoder_source=encoder,
        inventory=f"{name}/L{layer}/km{units}",
    )
