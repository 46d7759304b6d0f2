"""Configuration of AKVSR (arXiv 2308.07593)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from zoo.hub.config import ZooConfig
from zoo.nn.avhubert_config import AVHuBERTConfig
from zoo.nn.decoding.decoder import DecoderConfig
from zoo.nn.recognition_search import SearchConfig
from zoo.training.settings import LipReaderSettings
from zoo.video.mouth_window import MouthWindow


@dataclass(frozen=True, kw_only=True)
class MemoryConfig(ZooConfig):
    """The memory of audio knowledge and the module that reads it (sections III-B and III-C)."""

    source: str = "hubert_units.hubert-large-hub"
    """Checkpoint of the speech model whose features are compressed."""
    layer: int | None = None
    """Its layer (1-based); None is the codebook's, else the last."""
    size: int = 1024
    """Width of its features."""
    num_slots: int = 200
    """Codewords."""
    num_heads: int = 8
    """Heads of the attention to them."""
    kind: Literal["kmeans", "random", "none"] = "kmeans"
    """Centroids; or, to see what they are worth, fixed random vectors, or no memory at all."""
    trainable: bool = True
    """Training goes on with the codewords."""
    utterances: int = 2000
    """Training recordings that the centroids are fitted on."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(LipReaderSettings):
    """Training; the defaults are those of AV-HuBERT Large with 433 h of labels."""

    warmup_steps: int = 20_000
    decay_steps: int = 40_000
    freeze_steps: int = 30_000
    """First steps, in which the visual encoder stays as it is."""
    ctc_weight: float = 0.1
    in_memory: bool = False
    """Decoded clips stay in memory: for small corpora."""


@dataclass(frozen=True, kw_only=True)
class AKVSRConfig(ZooConfig):
    """A lip reader with a memory; the defaults are the paper's Large."""

    PRESETS: ClassVar[tuple[str, ...]] = ("large", "base", "tiny")

    encoder: AVHuBERTConfig = field(default_factory=AVHuBERTConfig.large)
    """The visual encoder."""
    window: MouthWindow = field(default_factory=MouthWindow)
    """Which part of a clip is seen."""
    pretrained: str | None = "avhubert.large-vox-clean"
    """AV-HuBERT checkpoint that training starts from."""
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    """Audio knowledge."""
    decoder: DecoderConfig = field(
        default_factory=lambda: DecoderConfig.fairseq().replace(
            size=1024, ffn_size=4096, num_heads=8, num_layers=9
        )
    )
    """Writes the text."""
    search: SearchConfig = field(default_factory=SearchConfig)
    """How texts are searched for."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Its training."""

    @classmethod
    def large(cls) -> AKVSRConfig:
        """AV-HuBERT Large with a memory of HuBERT Large."""
        return cls()

    @classmethod
    def base(cls) -> AKVSRConfig:
        """AV-HuBERT Base with a memory of HuBERT Base."""
        return cls(
            encoder=AVHuBERTConfig.base(),
            pretrained="avhubert.base-vox-clean",
            memory=MemoryConfig(source="hubert_units.hubert-base", layer=9, size=768),
            decoder=DecoderConfig.fairseq(),
        )

    @classmethod
    def tiny(cls) -> AKVSRConfig:
        """For tiny-lrs3 on one CPU core."""
        return cls(
            encoder=AVHuBERTConfig.tiny(),
            window=MouthWindow(mouths="fixed", size=48, row=70),
            pretrained="avhubert.tiny",
            memory=MemoryConfig(
                source="hubert_units.tiny", size=144, num_slots=64, num_heads=4, utterances=600
            ),
            decoder=DecoderConfig.fairseq().replace(
                vocab_size=80, size=128, ffn_size=256, num_heads=4, num_layers=2
            ),
            search=SearchConfig(beam=10, ctc_weight=0.1),
            training=TrainingConfig(
                warmup_steps=150,
                hold_steps=300,
                decay_steps=1050,
                total_steps=1500,
                freeze_steps=0,
                batch_size=16,
                max_seconds=6.0,
                in_memory=True,
            ),
        )
