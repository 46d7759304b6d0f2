"""AV-HuBERT as a LightningModule (temporary minimum)."""

from __future__ import annotations

from typing import ClassVar

from zoo.hub.module import ZooModule
from zoo.models.avhubert.config import AVHuBERTModelConfig
from zoo.models.avhubert.network import AVHuBERTNetwork


class AVHuBERTModel(ZooModule):
    """AV-HuBERT."""

    slug: ClassVar[str] = "avhubert"
    Config: ClassVar[type[AVHuBERTModelConfig]] = AVHuBERTModelConfig

    def __init__(self, config: AVHuBERTModelConfig, stage: str = "finetune") -> None:
        super().__init__(config)
        self.config: AVHuBERTModelConfig = config
        self.network = AVHuBERTNetwork(config)
