"""Configuration of the GE2E speaker encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zoo.hub.config import ZooConfig


@dataclass(frozen=True, kw_only=True)
class GE2EConfig(ZooConfig):
    """Sizes; the defaults are those of Resemblyzer's `pretrained.pt`."""

    PRESETS: ClassVar[tuple[str, ...]] = ("resemblyzer", "tiny")

    num_mels: int = 40
    """Mel bands."""
    hidden_size: int = 256
    """Width of the LSTM."""
    num_layers: int = 3
    """Layers of the LSTM."""
    embedding_size: int = 256
    """Width of the speaker vector."""

    @classmethod
    def resemblyzer(cls) -> GE2EConfig:
        """The released encoder, the judge behind SECS."""
        return cls()

    @classmethod
    def tiny(cls) -> GE2EConfig:
        """A small one."""
        return cls(hidden_size=64, num_layers=2, embedding_size=64)
