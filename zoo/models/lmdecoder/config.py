"""Configuration of LMDecoder and of the lip readers that are built on it (arXiv 2308.09311)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from zoo.errors import ConfigError
from zoo.hub.config import ZooConfig
from zoo.nn.avhubert_config import AVHuBERTConfig
from zoo.nn.decoding.decoder import DecoderConfig
from zoo.nn.recognition_search import SearchConfig
from zoo.training.settings import LipReaderSettings
from zoo.video.mouth_window import MouthWindow

LANGUAGES = ("en", "es", "fr", "it", "pt", "ar", "de", "el", "ru")
BASE, LARGE = "avhubert.base-vox-clean", "avhubert.large-vox-clean"


@dataclass(frozen=True, kw_only=True)
class UnitEncoderConfig(ZooConfig):
    """The transformer behind the memory; norms come after its parts."""

    hidden_size: int = 768
    """Width D, also of the memory."""
    num_layers: int = 4
    """Layers."""
    num_heads: int = 12
    """Attention heads."""
    ffn_size: int = 3072
    """Width of the feed-forward parts."""
    position_kernel: int = 128
    """Frames of the positional convolution."""
    position_groups: int = 16
    """Its groups."""
    dropout: float = 0.1
    """After every part and on the attention weights."""


@dataclass(frozen=True, kw_only=True)
class VisualConfig(ZooConfig):
    """What makes a lip reader of it."""

    encoder: AVHuBERTConfig = field(default_factory=AVHuBERTConfig)
    """AV-HuBERT, which sees lips only here."""
    pretrained: str | None = None
    """AV-HuBERT checkpoint that training starts from; None starts from nothing."""
    fresh_memory: bool = False
    """Training forgets what the units sounded like: the ablation of the memory."""
    memory_heads: int = 1
    """Heads of the attention to the memory; not to be seen in the shapes of the weights."""
    residual_norm: bool = False
    """Weights of a norm after the unit encoder (Spanish)."""
    inference_residual: bool = False
    """Decoding adds the visual features behind the unit encoder, then that norm (Spanish)."""


@dataclass(frozen=True, kw_only=True)
class StageConfig(LipReaderSettings):
    """Training of one stage; the defaults are those of the unit-to-text models."""

    warmup_steps: int = 15_000
    decay_steps: int = 45_000


@dataclass(frozen=True, kw_only=True)
class LMDecoderConfig(ZooConfig):
    """A unit-to-text model, with or without eyes; the defaults are those of Spanish units."""

    PRESETS: ClassVar[tuple[str, ...]] = (
        *("units", "units_en", "vsr", "vsr_es", "vsr_fr", "vsr_en", "tiny"),
    )

    language: str = "es"
    """ISO 639-1 code of the texts."""
    unit_source: str = "hubert_units.mhubert-base-l11-km1000"
    """Checkpoint that makes the units."""
    num_units: int = 1000
    """Kinds of speech units, which are the slots of the memory."""
    window: MouthWindow = field(default_factory=MouthWindow)
    """Which part of a clip is seen."""
    unit_encoder: UnitEncoderConfig = field(default_factory=UnitEncoderConfig)
    """Behind the memory."""
    decoder: DecoderConfig = field(default_factory=DecoderConfig.fairseq)
    """Writes the text."""
    visual: VisualConfig | None = None
    """The lip reader; None is the unit-to-text model alone."""
    official_ctc_lengths: bool = False
    """CTC takes every clip of a batch to be as long as the first, as the official code does."""
    in_memory: bool = False
    """Decoded clips stay in memory: for small corpora."""
    search: SearchConfig = field(default_factory=lambda: SearchConfig(beam=40, length_penalty=0.0))
    """How texts are searched for."""
    unit_training: StageConfig = field(default_factory=StageConfig)
    """Stage "units"."""
    visual_training: StageConfig = field(
        default_factory=lambda: StageConfig(
            lr=4e-4, warmup_steps=20_000, decay_steps=40_000, ctc_weight=0.1
        )
    )
    """Stage "lips"."""

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise ConfigError(
                f"language {self.language!r} is not one of mTEDx's: {', '.join(LANGUAGES)}"
            )

    @classmethod
    def units(cls) -> LMDecoderConfig:
        """Units to text for Spanish, French, Italian or Portuguese: 91.3 M parameters."""
        return cls()

    @classmethod
    def units_en(cls) -> LMDecoderConfig:
        """Units to English text: 212.0 M parameters."""
        return cls(
            language="en",
            unit_encoder=UnitEncoderConfig(hidden_size=1024, num_heads=16, ffn_size=4096),
            decoder=_large_decoder(),
        )

    @classmethod
    def vsr(cls) -> LMDecoderConfig:
        """Lip reader for Italian or Portuguese: 197.6 M parameters."""
        short = StageConfig(
            lr=1e-4, warmup_steps=10_000, decay_steps=20_000, total_steps=30_000, ctc_weight=0.1
        )
        return cls(language="it", visual=VisualConfig(pretrained=BASE), visual_training=short)

    @classmethod
    def vsr_es(cls) -> LMDecoderConfig:
        """Lip reader for Spanish, with its residual at inference."""
        return cls(
            visual=VisualConfig(pretrained=BASE, residual_norm=True, inference_residual=True)
        )

    @classmethod
    def vsr_fr(cls) -> LMDecoderConfig:
        """Lip reader for French: eight heads look into the memory."""
        search = SearchConfig(beam=50, length_penalty=0.0)
        return cls(
            language="fr", visual=VisualConfig(pretrained=BASE, memory_heads=8), search=search
        )

    @classmethod
    def vsr_en(cls) -> LMDecoderConfig:
        """Lip reader for English: 542.4 M parameters; its unit encoder has 8 heads, not 16."""
        return cls.units_en().replace(
            **{
                "visual": VisualConfig(pretrained=LARGE, encoder=AVHuBERTConfig.large()),
                "unit_encoder.num_heads": 8,
                "visual_training.lr": 3e-4,
            }
        )

    @classmethod
    def tiny(cls) -> LMDecoderConfig:
        """For tiny-mtedx on one CPU core."""
        return cls(
            unit_source="hubert_units.tiny",
            num_units=100,
            in_memory=True,
            window=MouthWindow(mouths="fixed", size=48, row=70),
            unit_encoder=UnitEncoderConfig(
                hidden_size=128,
                num_layers=2,
                num_heads=4,
                ffn_size=256,
                position_kernel=32,
                position_groups=8,
            ),
            decoder=DecoderConfig.fairseq().replace(
                vocab_size=100, size=128, ffn_size=256, num_heads=4, num_layers=2
            ),
            visual=VisualConfig(
                encoder=AVHuBERTConfig.tiny(), pretrained="avhubert.tiny", memory_heads=4
            ),
            search=SearchConfig(beam=10, length_penalty=0.0),
            unit_training=StageConfig(
                warmup_steps=150, decay_steps=1000, total_steps=1500, batch_size=32
            ),
            visual_training=StageConfig(
                warmup_steps=150,
                hold_steps=300,
                decay_steps=900,
                total_steps=1350,
                batch_size=16,
                ctc_weight=0.1,
                max_seconds=6.0,
                label_share=0.1,
            ),
        )


def _large_decoder() -> DecoderConfig:
    return DecoderConfig.fairseq().replace(size=1024, ffn_size=4096, num_heads=8, num_layers=9)
