"""Configuration of AV-HuBERT (arXiv 2201.02184): pretrained encoders and recognisers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from zoo.errors import ConfigError
from zoo.hub.config import ZooConfig
from zoo.nn.avhubert_config import AVHuBERTConfig
from zoo.nn.avhubert_pretraining import PretrainingConfig
from zoo.nn.decoding.decoder import DecoderConfig
from zoo.nn.recognition_search import SearchConfig
from zoo.training.settings import RecogniserSettings, ScheduleSettings
from zoo.video.mouth_window import MouthWindow

Streams = Literal["video", "audio", "both"]


@dataclass(frozen=True, kw_only=True)
class NoiseConfig(ZooConfig):
    """Noise that training adds to the sound (arXiv 2201.01763, section 3)."""

    share: float = 0.0
    """How often an utterance gets noise; 0.25 in the noise-robust models."""
    lowest_snr_db: float = 0.0
    """Lower end of the signal-to-noise ratios, which are drawn evenly."""
    highest_snr_db: float = 0.0
    """Upper end."""
    voices: int = 4
    """Other utterances of the training set that make up the babble."""


@dataclass(frozen=True, kw_only=True)
class IterationConfig(ScheduleSettings):
    """One iteration of pretraining: its targets and its steps."""

    task: PretrainingConfig = field(default_factory=PretrainingConfig)
    """Masking and clusters."""
    target_layer: int | None = None
    """Layer of the model so far whose features are clustered; None clusters MFCC."""
    lr: float = 5e-4
    warmup_steps: int = 32_000
    """Steps of linear growth; linear decay to zero follows."""
    total_steps: int = 400_000


@dataclass(frozen=True, kw_only=True)
class FinetuningConfig(RecogniserSettings):
    """Training of the recogniser; the defaults are those of Base with 433 h of LRS3."""

    lr: float = 1e-3
    warmup_steps: int = 40_000
    decay_steps: int = 80_000
    total_steps: int = 120_000
    freeze_steps: int = 60_000
    """First steps, in which the encoder stays as it is."""
    layer_drop: float = 0.1
    """Share of the encoder's layers left out of a step."""
    activation_dropout: float = 0.1
    """Inside the encoder's feed-forward parts."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(ZooConfig):
    """What all stages share."""

    batch_size: int = 32
    """Utterances in a global batch."""
    max_seconds: float = 20.0
    """Longer utterances are left out of training."""
    gradient_clip: float = 10.0
    """Limit of the gradient norm."""
    weight_decay: float = 0.01
    """Of Adam in pretraining."""
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    """Noise in the training sound."""
    cluster_utterances: int = 1000
    """Utterances whose frames fit the clusters."""
    in_memory: bool = False
    """Decoded clips stay in memory: for small corpora."""


@dataclass(frozen=True, kw_only=True)
class AVHuBERTModelConfig(ZooConfig):
    """An encoder, alone or with heads; the defaults are the released Base, pretrained."""

    PRESETS: ClassVar[tuple[str, ...]] = (
        *("base", "large", "base_s2s", "large_s2s", "base_lrs3", "tiny", "tiny_s2s"),
    )

    encoder: AVHuBERTConfig = field(default_factory=AVHuBERTConfig)
    """The encoder."""
    window: MouthWindow = field(default_factory=MouthWindow)
    """Which part of a clip is seen."""
    iteration1: IterationConfig | None = None
    """First iteration of pretraining; None leaves it, and its head, out."""
    iteration2: IterationConfig | None = None
    """Second iteration."""
    iteration3: IterationConfig | None = None
    """Third iteration."""
    iteration4: IterationConfig | None = None
    """Fourth iteration."""
    iteration5: IterationConfig | None = None
    """Fifth iteration, the last of the released models."""
    decoder: DecoderConfig | None = None
    """The text decoder of a recogniser."""
    ctc: bool = False
    """A CTC head beside the decoder."""
    streams: Streams = "both"
    """What a recogniser was fine-tuned on."""
    search: SearchConfig = field(default_factory=SearchConfig)
    """How texts are searched for."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Settings of all stages."""
    finetuning: FinetuningConfig = field(default_factory=FinetuningConfig)
    """The stage that makes a recogniser."""
    pretrained: str | None = None
    """AV-HuBERT checkpoint whose encoder that stage starts from, where no iteration comes before it;
    None starts from nothing."""

    def __post_init__(self) -> None:
        for name, one in self.iterations.items():
            layer = one.target_layer
            if layer is not None and not 1 <= layer <= self.encoder.num_layers:
                raise ConfigError(
                    f"{name}.target_layer {layer} is not one of 1..{self.encoder.num_layers}"
                )

    @property
    def iterations(self) -> dict[str, IterationConfig]:
        """The iterations there are, by name, in order."""
        all_of_them = {f"iteration{k}": getattr(self, f"iteration{k}") for k in range(1, 6)}
        return {name: one for name, one in all_of_them.items() if one is not None}

    @classmethod
    def base(cls) -> AVHuBERTModelConfig:
        """Encoder Base with the head of iteration 5."""
        return cls(iteration5=IterationConfig())

    @classmethod
    def large(cls) -> AVHuBERTModelConfig:
        """Encoder Large with the head of iteration 5."""
        last = IterationConfig(lr=2e-3, warmup_steps=48_000, total_steps=600_000)
        return cls(encoder=AVHuBERTConfig.large(), iteration5=last)

    @classmethod
    def base_s2s(cls) -> AVHuBERTModelConfig:
        """Recogniser Base: 160.6 M parameters."""
        return cls(decoder=DecoderConfig.fairseq())

    @classmethod
    def large_s2s(cls) -> AVHuBERTModelConfig:
        """Recogniser Large: 477.3 M parameters."""
        decoder = DecoderConfig.fairseq().replace(
            size=1024, ffn_size=4096, num_heads=8, num_layers=9
        )
        finetuning = FinetuningConfig(
            warmup_steps=20_000, decay_steps=40_000, total_steps=60_000, freeze_steps=48_000
        )
        return cls(encoder=AVHuBERTConfig.large(), decoder=decoder, finetuning=finetuning)

    @classmethod
    def base_lrs3(cls) -> AVHuBERTModelConfig:
        """All stages of Base on LRS3: five iterations, then a recogniser."""

        def iteration(clusters: int, layer: int | None) -> IterationConfig:
            masking: Literal["input", "feature"] = "feature" if layer is None else "input"
            task = PretrainingConfig(num_clusters=(clusters,), num_specials=0, masking=masking)
            return IterationConfig(task=task, target_layer=layer)

        return cls(
            iteration1=iteration(100, None),
            iteration2=iteration(100, 9),
            iteration3=iteration(500, 12),
            iteration4=iteration(1000, 12),
            iteration5=iteration(2000, 12),
            decoder=DecoderConfig.fairseq(),
        )

    @classmethod
    def tiny(cls) -> AVHuBERTModelConfig:
        """Encoder for tiny-lrs3 on one CPU core, in two iterations."""
        task = PretrainingConfig(num_clusters=(100,), num_specials=0, embedding_size=64)
        first = IterationConfig(task=task, lr=1e-3, warmup_steps=100, total_steps=900)
        return cls(
            # lips are harder to learn than sound, and are to be read without it
            encoder=AVHuBERTConfig.tiny().replace(modality_dropout=0.6, audio_dropout=0.7),
            window=MouthWindow(mouths="fixed", size=48, row=70),
            iteration1=first,
            iteration2=first.replace(target_layer=3),
            training=TrainingConfig(
                batch_size=16,
                max_seconds=6.0,
                noise=NoiseConfig(share=0.5, lowest_snr_db=-7.5, highest_snr_db=7.5),
                cluster_utterances=600,
                in_memory=True,
            ),
        )

    @classmethod
    def tiny_s2s(cls) -> AVHuBERTModelConfig:
        """Recogniser on top of it, of lips, sound or both: 1.7 M parameters."""
        decoder = DecoderConfig.fairseq().replace(
            vocab_size=80, size=128, ffn_size=256, num_heads=4, num_layers=2, memory_size=None
        )
        return cls.tiny().replace(
            iteration1=None,
            iteration2=None,
            pretrained="avhubert.tiny",
            decoder=decoder,
            ctc=True,
            search=SearchConfig(beam=10, ctc_weight=0.3),
            finetuning=FinetuningConfig(
                warmup_steps=150,
                hold_steps=550,
                decay_steps=1000,
                total_steps=1700,
                freeze_steps=0,
                ctc_weight=0.3,
                layer_drop=0.0,
                activation_dropout=0.0,
            ),
        )
