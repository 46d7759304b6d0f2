"""Configuration of Lip2Speech-Unit: two stages, their training, and where voices come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from zoo.errors import ConfigError
from zoo.hub.config import ZooConfig
from zoo.nn.gan_discriminators import DiscriminatorConfig
from zoo.nn.istft_vocoder import ISTFTVocoderConfig
from zoo.nn.lip_to_units import LipToUnitsConfig
from zoo.nn.multi_input_vocoder import MultiInputVocoderConfig
from zoo.nn.unit_hifigan import ContextConfig
from zoo.training.settings import DecayedTrainingSettings
from zoo.training.vocoder import VocoderTrainingConfig
from zoo.video.mouth_window import MouthWindow

SAMPLE_RATE = 16_000
SAMPLES_A_FRAME = 640
"""Samples of a video frame at 25 frames a second."""


@dataclass(frozen=True, kw_only=True)
class MelAugmentation(ZooConfig):
    """What the vocoder's mel is spoilt with, so that it endures predicted ones (section 2.4)."""

    blur_kernel: int = 9
    """Side of the Gaussian over bands and frames."""
    blur_sigma: tuple[float, float] = (0.1, 1.0)
    """Range of its deviation, drawn for every batch."""
    noise: float = 1.0
    """Deviation of the noise that is added."""


@dataclass(frozen=True, kw_only=True)
class FirstStageTraining(DecayedTrainingSettings):
    """Training of the first stage (sheet section 4)."""

    batch_size: int = 8
    """Clips in a global batch."""
    max_seconds: float = 24.0
    """Longer clips are left out."""
    lr: float = 1e-3
    weight_decay: float = 0.01
    """L2 penalty of Adam."""
    warmup_steps: int = 10_000
    total_steps: int = 150_000
    mel_weight: float = 10.0
    """Weight of the mel losses."""
    unit_weight: float = 1.0
    """Weight of the units; 0 leaves the mel alone (the paper's ablation)."""
    label_smoothing: float = 0.1
    """Of the units."""
    freeze_avhubert: bool = True
    """Keep AV-HuBERT as it is, as published."""
    erase: float = 0.5
    """How often a rectangle of every frame of a clip is erased."""
    official_erase: bool = False
    """Erase down to the corner of the frame, as the published code does."""
    time_mask_frames: int = 10
    """Longest span, one a second, that is set to zero."""
    gradient_clip: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Lip2SpeechUnitConfig(ZooConfig):
    """One or both stages."""

    PRESETS: ClassVar[tuple[str, ...]] = (
        "scratch",
        "avhubert",
        "vocoder_only",
        "vocoder_augmented",
        "tiny",
        "tiny_avhubert",
    )

    first: LipToUnitsConfig | None = field(default_factory=LipToUnitsConfig)
    """Lips to units and mel; None in a checkpoint of the vocoder alone."""
    vocoder: MultiInputVocoderConfig | None = field(default_factory=MultiInputVocoderConfig)
    """Units, mel and voice to a waveform; None in a checkpoint of the first stage alone."""
    vocoder_source: str = "lip2speech_unit.lrs3-vocoder-aug"
    """Checkpoint whose vocoder speaks for a first stage that has none; a mel vocoder speaks its mel
    alone, a unit vocoder its units alone."""
    unit_source: str = "hubert_units.hubert-base-l6-km200"
    """Checkpoint that makes units of recordings, for training."""
    speaker_source: str = "ge2e.resemblyzer"
    """Checkpoint that makes speaker vectors of recordings."""
    front_end: str = "tacotron16k"
    """Mel front-end of `zoo.audio.mel`."""
    mouth_preset: str = "avhubert"
    """Recipe of the mouth crops."""
    window: MouthWindow = field(default_factory=MouthWindow)
    """Which part of them is seen."""
    lips_source: str | None = None
    """Recogniser from whose visual front-end training starts, and from whose conformer where it has
    this one's sizes; None starts at random."""
    trunk_source: str | None = None
    """Mel vocoder, or vocoder of the same units, from which the training of a vocoder with an
    inverse-STFT head starts (ours); None starts at random, as the paper does."""
    vocoder_hears: Literal["recordings", "predictions"] = "recordings"
    """Whose mel and units the vocoder is trained on: the recordings', as published, or (ours) what the
    trained first stage says of their clips, which is what it is given in use."""
    augmentation: MelAugmentation | None = None
    """Used in training the vocoder; None trains on clean mels."""
    discriminators: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    """Used in training the vocoder."""
    first_training: FirstStageTraining = field(default_factory=FirstStageTraining)
    """How the first stage is trained."""
    training: VocoderTrainingConfig = field(default_factory=VocoderTrainingConfig)
    """How the vocoder is trained."""

    def __post_init__(self) -> None:
        first, vocoder = self.first, self.vocoder
        istft = None if vocoder is None else vocoder.istft
        if istft is not None and istft.front_end != self.front_end:
            raise ConfigError(f"vocoder.istft.front_end is {istft.front_end}, not {self.front_end}")
        if self.vocoder_hears == "predictions" and first is None:
            raise ConfigError(
                "vocoder_hears: there is no first stage whose predictions it could hear"
            )
        if first is None and vocoder is None:
            raise ConfigError("neither first nor vocoder: nothing is left of the model")
        if first is None or vocoder is None:
            return
        for name in ("num_units", "num_mels", "speaker_size"):
            if getattr(first, name) != getattr(vocoder, name):
                raise ConfigError(f"{name}: first and vocoder do not agree")

    @property
    def speaker_size(self) -> int:
        """Width of the speaker vector."""
        part = self.first or self.vocoder
        assert part is not None
        return part.speaker_size

    @classmethod
    def scratch(cls) -> Lip2SpeechUnitConfig:
        """The first stage, visual front-end trained from scratch."""
        return cls(vocoder=None)

    @classmethod
    def avhubert(cls) -> Lip2SpeechUnitConfig:
        """The first stage over AV-HuBERT Large."""
        return cls(
            first=LipToUnitsConfig.avhubert_large(),
            vocoder=None,
            first_training=FirstStageTraining(total_steps=50_000),
        )

    @classmethod
    def vocoder_only(cls) -> Lip2SpeechUnitConfig:
        """The second stage."""
        return cls(first=None)

    @classmethod
    def vocoder_augmented(cls) -> Lip2SpeechUnitConfig:
        """The second stage, trained on spoilt mels."""
        return cls(first=None, augmentation=MelAugmentation())

    @classmethod
    def tiny(cls) -> Lip2SpeechUnitConfig:
        """Both stages, small; trained by this project."""
        vocoder = MultiInputVocoderConfig(
            num_units=200,
            embedding_size=64,
            context=ContextConfig(),
            istft=ISTFTVocoderConfig.tiny(),
            guesses_mel=True,
        )
        first = FirstStageTraining(
            batch_size=16,
            max_seconds=6.0,
            lr=7e-4,
            warmup_steps=60,
            total_steps=1500,
            mel_weight=50.0,
            erase=0.1,
            time_mask_frames=4,
        )
        return cls(
            first=LipToUnitsConfig.tiny(),
            vocoder=vocoder,
            vocoder_source="unit_vocoder.tiny-km200",
            window=MouthWindow(mouths="fixed", size=48, row=69),
            lips_source="av_relscore.tiny",
            unit_source="hubert_units.tiny-km200",
            augmentation=MelAugmentation(blur_kernel=21, blur_sigma=(1.5, 5.0), noise=4.0),
            discriminators=DiscriminatorConfig.tiny(),
            first_training=first,
            trunk_source="unit_vocoder.tiny-km200",
            training=VocoderTrainingConfig.tiny().replace(lr=7e-4, total_steps=1700),
        )

    @classmethod
    def tiny_avhubert(cls) -> Lip2SpeechUnitConfig:
        """The same over a small AV-HuBERT, which is trained along."""
        return cls.tiny().replace(
            **{
                "first": LipToUnitsConfig.tiny_avhubert().to_dict(),
                "first_training.freeze_avhubert": False,
                "lips_source": None,
            }
        )
