"""Configuration of SyncNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zoo.hub.config import ZooConfig


@dataclass(frozen=True, kw_only=True)
class SyncNetConfig(ZooConfig):
    """Widths of the two towers; the defaults are those of the released `syncnet_v2.model`."""

    PRESETS: ClassVar[tuple[str, ...]] = ("v2", "tiny")

    audio_channels: tuple[int, ...] = (64, 192, 384, 256, 256, 512)
    """Outputs of the six convolutions over MFCC."""
    lip_channels: tuple[int, ...] = (96, 256, 256, 256, 256, 512)
    """Outputs of the six convolutions over frames."""
    head_size: int = 512
    """Hidden width of the heads."""
    embedding_size: int = 1024
    """Width of the common space."""
    max_shift: int = 15
    """Largest offset that is searched, in video frames."""

    @classmethod
    def v2(cls) -> SyncNetConfig:
        """The released network, the field's judge."""
        return cls()

    @classmethod
    def tiny(cls) -> SyncNetConfig:
        """A sixteenth of the width."""
        return cls(
            audio_channels=(8, 12, 24, 16, 16, 32),
            lip_channels=(8, 16, 16, 16, 16, 32),
            head_size=32,
            embedding_size=64,
        )
