"""Configuration of AV-RelScore, of V-CAFE and of the AV-Conformer baseline (sheet section 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from zoo.hub.config import ZooConfig
from zoo.nn.conformer import ConformerConfig
from zoo.nn.decoding.decoder import DecoderConfig
from zoo.nn.lip_frontend import WIDTHS
from zoo.training.settings import DecayedTrainingSettings
from zoo.video.mouth_window import MouthWindow

Fusion = Literal["relscore", "vcafe", "conformer"]
MouthPreset = Literal["av_relscore", "avhubert", "fixed"]


@dataclass(frozen=True, kw_only=True)
class InputConfig(ZooConfig):
    """What the networks see and hear, and the front-ends that read it."""

    mouth_preset: MouthPreset = "av_relscore"
    """The pipeline of the mouth crops; "fixed" looks for no face."""
    size: int = 88
    """Side in pixels of the square that is cut out of a crop of 96."""
    row: int = 48
    """Row of its centre in the crop."""
    column: int = 48
    """Column of its centre in the crop."""
    video_widths: tuple[int, ...] = WIDTHS
    """Channels of the stages of the visual ResNet."""
    sound: Literal["waveform", "mel"] = "waveform"
    """What the audio front-end reads: samples (ResNet), or stacked log-mel bands (two layers)."""
    audio_widths: tuple[int, ...] = WIDTHS
    """Channels of the stages of the audio ResNet; with bands, the last is the output."""
    official_length: bool = True
    """Cut the sound as the official code does, a sample short for some lengths of the video."""
    one_may_lack: bool = False
    """The model was trained to do with one stream alone."""

    @property
    def window(self) -> MouthWindow:
        """Which part of a clip is seen."""
        return MouthWindow(
            mouths="fixed" if self.mouth_preset == "fixed" else "aligned",
            size=self.size,
            row=self.row,
            column=self.column,
        )

    @property
    def pipeline(self) -> str:
        """The preset of `zoo.video.mouth` whose crops are cut."""
        return "av_relscore" if self.mouth_preset == "fixed" else self.mouth_preset


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig(ZooConfig):
    """Corruption of the training clips (paper section 3.1, sheet section 4)."""

    occlusion: float = 0.8
    """Chance that a clip is occluded and made noisy or blurred; needs pictures of things."""
    snr_levels: tuple[float, ...] = (-5.0, 0.0, 5.0, 10.0, 15.0)
    """Levels of the babble in dB."""
    clean: float = 0.0
    """Chance that a clip's sound stays as it is."""
    time_mask: int = 15
    """Most frames of the stretch of video that is blanked."""
    hole: tuple[int, int] = (22, 44)
    """Smallest and largest side of the square that is blanked in all frames."""
    drop_video: float = 0.0
    """Chance that a clip has no video."""
    drop_audio: float = 0.0
    """Chance that a clip has no sound."""


@dataclass(frozen=True, kw_only=True)
class DecodingConfig(ZooConfig):
    """The beam search (ESPnet's rules)."""

    beam: int = 40
    """Hypotheses."""
    ctc_weight: float = 0.1
    """Of the CTC prefix score; the decoder has the rest to one."""
    lm_weight: float = 0.5
    """Of the language model, where one is attached."""
    length_bonus: float = 0.5
    """Added for each token."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(DecayedTrainingSettings):
    """Training (sheet section 4)."""

    batch_size: int = 8
    """Clips in a global batch."""
    max_seconds: float = 24.0
    """Longer clips are left out (600 frames)."""
    lr: float = 3.95e-4
    schedule: Literal["noam", "linear"] = "noam"
    """After the warm-up: with the inverse root of the step, or linearly to zero."""
    warmup_steps: int = 25_000
    total_steps: int = 400_000
    short_first: float = 0.0
    """Share of the steps that train on the shortest third of the clips."""
    weight_decay: float = 0.0
    """Decoupled."""
    gradient_clip: float = 0.0
    """Limit of the gradient norm; 0: none."""
    ctc_weight: float = 0.1
    """Of the CTC loss; the decoder's has the rest to one."""
    label_smoothing: float = 0.1
    """Probability spread over the wrong tokens."""
    mouth_weight: float = 0.0
    """Of telling the mouth's opening and width from the visual front-end's output, which generated
    corpora know; stands in for front-ends that were pretrained on words."""
    keep_in_memory: bool = False
    """Decode every clip once; for corpora that fit."""
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    """Corruption of the clips."""


@dataclass(frozen=True, kw_only=True)
class AVRelScoreConfig(ZooConfig):
    """Audio-visual speech recognition with reliability scores, and its siblings."""

    PRESETS: ClassVar[tuple[str, ...]] = ("paper", "vcafe", "conformer", "tiny")

    fusion: Fusion = "relscore"
    """How the streams meet: weighted by scores and joined in time (AV-RelScore), sound masked by
    what is seen (V-CAFE), or two encoders joined at their ends (AV-Conformer)."""
    input: InputConfig = field(default_factory=InputConfig)
    """Front-ends."""
    scoring: bool = True
    """Weight the streams by reliability; False joins them as they are (the paper's ablation)."""
    scoring_kernel: int = 7
    """Frames of the convolutions that score."""
    order: Literal["behind", "interleaved"] = "behind"
    """Where the frames of the sound stand in time: behind all of the video, as the paper has it, or
    each behind its own frame of the video (ours; which sound belongs to which frame is then learned
    within minutes)."""
    encoder: ConformerConfig = field(default_factory=ConformerConfig)
    """The conformer."""
    decoder: DecoderConfig = field(default_factory=DecoderConfig.espnet)
    """The attention decoder."""
    pretrained_front_ends: bool = False
    """Training starts from front-ends pretrained on LRW, as the papers' did."""
    mask_padding: bool = False
    """Keep padding away from valid frames, so that batching changes nothing; official code lets
    it in."""
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    """The beam search."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """How it is trained."""

    @classmethod
    def paper(cls) -> AVRelScoreConfig:
        """AV-RelScore as released: 85.7 M parameters."""
        return cls(pretrained_front_ends=True)

    @classmethod
    def vcafe(cls) -> AVRelScoreConfig:
        """V-CAFE as released."""
        return cls(fusion="vcafe", pretrained_front_ends=True)

    @classmethod
    def conformer(cls) -> AVRelScoreConfig:
        """The AV-Conformer baseline of the same code."""
        return cls(fusion="conformer", pretrained_front_ends=True)

    @classmethod
    def tiny(cls) -> AVRelScoreConfig:
        """A small one for synthetic corpora, which also reads lips alone and hears alone."""
        return cls(
            input=InputConfig(
                mouth_preset="fixed",
                size=48,
                row=69,
                video_widths=(16, 32, 48, 96),
                sound="mel",
                audio_widths=(96,),
                official_length=False,
                one_may_lack=True,
            ),
            scoring_kernel=3,
            order="interleaved",
            encoder=ConformerConfig(
                size=128,
                num_layers=4,
                num_heads=4,
                ffn_size=256,
                kernel=15,
                dropout=0.0,
                mask_convolution=True,
            ),
            decoder=DecoderConfig(
                size=128, num_layers=2, num_heads=4, ffn_size=256, activation_dropout=0.1
            ),
            mask_padding=True,
            decoding=DecodingConfig(beam=10, ctc_weight=0.3, lm_weight=0.0, length_bonus=0.0),
            training=TrainingConfig(
                batch_size=12,
                lr=1.5e-3,
                schedule="linear",
                warmup_steps=100,
                total_steps=3000,
                short_first=0.15,
                weight_decay=1e-2,
                gradient_clip=5.0,
                ctc_weight=0.3,
                mouth_weight=10.0,
                keep_in_memory=True,
                augmentation=AugmentationConfig(
                    occlusion=0.3,
                    snr_levels=(-7.5, -5.0, -2.5, 0.0, 5.0, 10.0),
                    clean=0.5,
                    time_mask=6,
                    hole=(6, 14),
                    drop_video=0.15,
                    drop_audio=0.25,
                ),
            ),
        )
