"""Configuration of SpeechCLIP: the six released models and two tiny ones (sheet section 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from zoo.hub.config import ZooConfig
from zoo.nn.clip import CLIPConfig
from zoo.nn.clip_vocabulary import END_ROW, PADDING_ROW, START_ROW
from zoo.nn.hubert_config import HuBERTConfig
from zoo.training.settings import DecayedTrainingSettings

FLICKR8K_VOCABULARY = 8112
SPOKENCOCO_VOCABULARY = 19787


@dataclass(frozen=True, kw_only=True)
class SpeechConfig(ZooConfig):
    """The speech encoder: HuBERT and the learned sum of its layers."""

    hubert: HuBERTConfig = field(default_factory=HuBERTConfig)
    """Sizes of HuBERT."""
    trainable: bool = False
    """Train HuBERT too (the paper keeps it frozen; a tiny one has no pretrained weights)."""
    frozen_eval: bool = False
    """Keep a frozen HuBERT in eval mode; the official trainer leaves its dropout active."""
    normalize_states: bool = False
    """Layer-normalise hidden states before they are summed (large models)."""


@dataclass(frozen=True, kw_only=True)
class ParallelConfig(ZooConfig):
    """The parallel branch: one [CLS] token through a transformer."""

    num_layers: int = 1
    """Transformer layers."""
    num_heads: int = 8
    """Attention heads."""
    ffn_size: int = 3072
    """Width of the feed-forward part."""
    dropout: float = 0.1
    """Everywhere inside the layers."""


@dataclass(frozen=True, kw_only=True)
class CascadedConfig(ZooConfig):
    """The cascaded branch: keyword slots, batch norm, quantiser, CLIP's text tower."""

    num_keywords: int = 8
    """Keyword slots."""
    num_heads: int = 1
    """Attention heads of the pooling."""
    dropout: float = 0.1
    """On the attention weights and on what they pool."""
    temperature: float = 0.1
    """Of the quantiser's softmax, fixed."""
    std_scale: float = 1.0
    """Factor on the spread of the token embeddings at initialisation of the batch norm."""
    forbidden_rows: tuple[int, ...] = (PADDING_ROW, START_ROW, END_ROW)
    """Rows of the reduced vocabulary that are never chosen."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(DecayedTrainingSettings):
    """One training stage (paper section 4.1)."""

    batch_size: int = 256
    """Pairs in a global batch."""
    crop_seconds: float | None = 6.4
    """Longer speech is cut at random to this length; None keeps it."""
    bucket: bool = False
    """Batches of recordings of like length, which computes less padding."""
    lr: float = 1e-4
    final_lr: float = 1e-8
    """Learning rate at the last step."""
    weight_decay: float = 1e-6
    """L2 penalty of Adam."""
    warmup_steps: int = 5000
    total_steps: int = 50_000
    gradient_clip: float = 4.0


@dataclass(frozen=True, kw_only=True)
class SpeechCLIPConfig(ZooConfig):
    """SpeechCLIP; exactly one of the two branches."""

    PRESETS: ClassVar[tuple[str, ...]] = (
        "base_flickr8k_parallel",
        "base_flickr8k_cascaded",
        "large_flickr8k_parallel",
        "large_flickr8k_cascaded",
        "large_coco_parallel",
        "large_coco_cascaded",
        "tiny",
        "tiny_parallel",
        "tiny_cascaded",
    )

    branch: Literal["parallel", "cascaded"] = "parallel"
    """Which head the model has."""
    speech: SpeechConfig = field(default_factory=SpeechConfig)
    """The speech encoder."""
    clip: CLIPConfig = field(default_factory=CLIPConfig)
    """CLIP, whose space is the target."""
    parallel: ParallelConfig = field(default_factory=ParallelConfig)
    """The parallel branch, if it is the chosen one."""
    cascaded: CascadedConfig = field(default_factory=CascadedConfig)
    """The cascaded branch, if it is the chosen one."""
    temperature: float = 0.07
    """Of the contrastive loss, at the start."""
    learn_temperature: bool = False
    """Train the temperature (large models)."""
    pretrained_hubert: str | None = None
    """Hub repository of a transformers HuBERT that training from scratch starts from."""
    pretrained_clip: str | None = None
    """open_clip model whose OpenAI weights training from scratch starts from."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """How the speech branch is trained."""
    clip_training: TrainingConfig | None = None
    """How CLIP itself is trained first; None where pretrained towers exist."""

    @classmethod
    def base_flickr8k_parallel(cls) -> SpeechCLIPConfig:
        """HuBERT Base, ViT-B/32, Flickr8k."""
        clip = CLIPConfig.vit_b_32().replace(
            vocab_size=FLICKR8K_VOCABULARY, keep_full_embedding=True
        )
        return cls(
            clip=clip,
            pretrained_hubert="facebook/hubert-base-ls960",
            pretrained_clip="ViT-B-32-quickgelu",
        )

    @classmethod
    def base_flickr8k_cascaded(cls) -> SpeechCLIPConfig:
        """HuBERT Base, ViT-B/32, Flickr8k, with keywords."""
        return cls.base_flickr8k_parallel().replace(branch="cascaded")

    @classmethod
    def large_flickr8k_parallel(cls) -> SpeechCLIPConfig:
        """HuBERT Large, ViT-L/14, Flickr8k."""
        return cls(
            speech=SpeechConfig(
                hubert=HuBERTConfig.large().replace(conv_bias=True), normalize_states=True
            ),
            clip=CLIPConfig.vit_l_14().replace(
                vocab_size=FLICKR8K_VOCABULARY, keep_full_embedding=True
            ),
            parallel=ParallelConfig(ffn_size=4096),
            learn_temperature=True,
            pretrained_hubert="facebook/hubert-large-ll60k",
            pretrained_clip="ViT-L-14-quickgelu",
        )

    @classmethod
    def large_flickr8k_cascaded(cls) -> SpeechCLIPConfig:
        """HuBERT Large, ViT-L/14, Flickr8k, with keywords."""
        return cls.large_flickr8k_parallel().replace(branch="cascaded")

    @classmethod
    def large_coco_parallel(cls) -> SpeechCLIPConfig:
        """HuBERT Large, ViT-L/14, SpokenCOCO."""
        return cls.large_flickr8k_parallel().replace(**{"clip.vocab_size": SPOKENCOCO_VOCABULARY})

    @classmethod
    def large_coco_cascaded(cls) -> SpeechCLIPConfig:
        """HuBERT Large, ViT-L/14, SpokenCOCO, with keywords."""
        return cls.large_coco_parallel().replace(branch="cascaded")

    @classmethod
    def tiny(cls) -> SpeechCLIPConfig:
        """The small parallel model that this project trains."""
        return cls.tiny_parallel()

    @classmethod
    def tiny_parallel(cls) -> SpeechCLIPConfig:
        """About 1.6 M parameters; HuBERT is trained jointly, CLIP in a stage of its own."""
        hubert = HuBERTConfig(
            conv_channels=(16, 32, 64, 64, 96, 96, 96),
            conv_kernels=(10, 8, 3, 3, 3, 2, 2),
            conv_strides=(5, 4, 2, 2, 2, 2, 2),
            hidden_size=128,
            num_layers=3,
            num_heads=4,
            ffn_size=320,
            position_kernel=32,
            position_groups=4,
            dropout=0.0,
            attention_dropout=0.0,
        )
        clip = CLIPConfig(
            embedding_size=96,
            image_size=64,
            patch_size=8,
            vision_layers=3,
            vision_size=96,
            vision_heads=4,
            text_layers=3,
            text_size=96,
            text_heads=4,
            context_length=32,
            vocab_size=256,
        )
        stage = TrainingConfig(
            batch_size=64,
            crop_seconds=4.0,
            lr=1e-3,
            warmup_steps=200,
            total_steps=2000,
        )
        return cls(
            speech=SpeechConfig(hubert=hubert, trainable=True),
            clip=clip,
            parallel=ParallelConfig(num_heads=4, ffn_size=256),
            learn_temperature=True,
            training=stage,
            clip_training=stage,
        )

    @classmethod
    def tiny_cascaded(cls) -> SpeechCLIPConfig:
        """The same with four keyword slots; short, as it starts from a trained speech encoder.

        Keywords are learned on top of a HuBERT that already tells words apart, as in the paper.
        The tiny one has no pretraining, so `--init` gives it the tiny parallel model's.
        """
        return cls.tiny_parallel().replace(
            **{
                "branch": "cascaded",
                "cascaded.num_keywords": 4,
                "training.bucket": True,
                "training.warmup_steps": 100,
                "training.total_steps": 600,
            }
        )
