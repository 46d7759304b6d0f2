"""LMDecoder as a LightningModule (temporary minimum)."""

from __future__ import annotations

from typing import ClassVar

from zoo.hub.module import ZooModule
from zoo.models.lmdecoder.config import LMDecoderConfig
from zoo.models.lmdecoder.network import LMDecoderNetwork


class LMDecoder(ZooModule):
    """LMDecoder."""

    slug: ClassVar[str] = "lmdecoder"
    Config: ClassVar[type[LMDecoderConfig]] = LMDecoderConfig

    def __init__(self, config: LMDecoderConfig, stage: str = "lips") -> None:
        super().__init__(config)
        self.config: LMDecoderConfig = config
        self.network = LMDecoderNetwork(config)
