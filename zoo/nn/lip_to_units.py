"""Lips to speech units and mel, the first stage of Lip2Speech-Unit (arXiv 2305.19603, section 2.1).

Units are speaker-free; only the mel head hears the speaker. Everything after the lips runs at the
rate of the units, 50 a second, two for every video frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.hub.config import ZooConfig
from zoo.nn.avhubert import AVHuBERT
from zoo.nn.avhubert_config import AVHuBERTConfig
from zoo.nn.conformer import ConformerConfig, ConformerEncoder
from zoo.nn.lip_frontend import WIDTHS, LipFrontEnd

UNITS_A_FRAME = 2
MELS_A_UNIT = 2
NUM_SPECIALS = 4
"""Labels before the first unit: fairseq's bos, pad, eos, unk."""
PAD, EOS = 1, 2


@dataclass(frozen=True, kw_only=True)
class LipToUnitsConfig(ZooConfig):
    """Sizes of the first stage; the defaults are the released model without AV-HuBERT."""

    PRESETS: ClassVar[tuple[str, ...]] = ("scratch", "avhubert_large", "tiny", "tiny_avhubert")

    stem_widths: tuple[int, ...] = WIDTHS
    """Channels of the visual front-end (without AV-HuBERT)."""
    avhubert: AVHuBERTConfig | None = None
    """AV-HuBERT in place of the front-end; None trains one from scratch."""
    conformer: ConformerConfig = field(
        default_factory=lambda: ConformerConfig(size=512, num_heads=8)
    )
    """The encoder over lips."""
    upsampling: Literal["repeat", "zeros"] = "repeat"
    """How a frame of lips becomes two steps: twice the same, as published; or followed by zeros, as
    in a recogniser that leaves every second place to sound, for a conformer that starts from it."""
    num_units: int = 200
    """Units of the inventory."""
    num_mels: int = 80
    """Mel bands."""
    speaker_size: int = 256
    """Width of the speaker vector."""

    @classmethod
    def scratch(cls) -> LipToUnitsConfig:
        """90 M parameters."""
        return cls()

    @classmethod
    def avhubert_large(cls) -> LipToUnitsConfig:
        """AV-HuBERT Large below: 405 M parameters."""
        return cls(avhubert=AVHuBERTConfig.large())

    @classmethod
    def tiny(cls) -> LipToUnitsConfig:
        """For small corpora on a CPU: 1.5 M parameters."""
        conformer = ConformerConfig(
            size=128, num_layers=4, num_heads=4, ffn_size=256, kernel=15, dropout=0.05
        )
        return cls(
            stem_widths=(16, 32, 48, 96), conformer=conformer, upsampling="zeros", num_units=200
        )

    @classmethod
    def tiny_avhubert(cls) -> LipToUnitsConfig:
        """The same over a small AV-HuBERT."""
        return cls.tiny().replace(avhubert=AVHuBERTConfig.tiny(), upsampling="repeat")


@dataclass(frozen=True)
class LipUnits:
    """What the first stage says of a batch of T video frames.

    Attributes:
        logits: (B, 2 T, specials + units).
        mel: (B, 4 T, num_mels) natural log.
        mask: (B, 2 T) bool, True = valid.
    """

    logits: Tensor
    mel: Tensor
    mask: Tensor

    def units(self) -> Tensor:
        """The best unit (B, 2 T) of every 20 ms, in [0, num_units)."""
        return self.logits[..., NUM_SPECIALS:].argmax(-1)


class LipToUnits(nn.Module):
    """Visual encoder, conformer, a head for units and one for mel."""

    def __init__(self, config: LipToUnitsConfig) -> None:
        super().__init__()
        self.config = config
        size = config.conformer.size
        self.lips: LipFrontEnd | AVHuBERT
        self.proj_in: nn.Linear | None = None
        if config.avhubert is None:
            self.lips = LipFrontEnd(config.stem_widths, "swish")
            width = self.lips.out_channels
        else:
            self.lips = AVHuBERT(config.avhubert)
            self.proj_in = nn.Linear(config.avhubert.hidden_size, size)
            width = size
        self.conformer = ConformerEncoder(config.conformer, width)
        self.unit_head = nn.Linear(size, NUM_SPECIALS + config.num_units)
        self.mel_convs = nn.ModuleList(
            nn.Conv1d(size + config.speaker_size * (i == 0), size, 3, padding=1) for i in range(3)
        )
        self.mel_head = nn.Linear(size, MELS_A_UNIT * config.num_mels)

    def forward(self, video: Tensor, speaker: Tensor, mask: Tensor | None = None) -> LipUnits:
        """Read lips.

        parity: padding reaches valid frames through the convolutions, as in the official code;
        one clip at a time gives the result that does not depend on others.

        Args:
            video: (B, T, H, W) float, normalised grey mouths, zero beyond each end.
            speaker: (B, speaker_size).
            mask: (B, T) bool, True = valid; None: all.
        """
        if mask is None:
            mask = torch.ones(video.shape[:2], dtype=torch.bool, device=video.device)
        x = self._upsampled(self.encode_lips(video, mask))
        mask = mask.repeat_interleave(UNITS_A_FRAME, dim=1)
        if self.proj_in is not None:
            x = self.proj_in(x)
        x = self.conformer(x, mask)
        return LipUnits(self.unit_head(x), self._mel(x, speaker), mask)

    def _upsampled(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, 2 T, C)."""
        if self.config.upsampling == "repeat":
            return x.repeat_interleave(UNITS_A_FRAME, dim=1)
        return torch.stack([x, torch.zeros_like(x)], dim=2).flatten(1, 2)

    def encode_lips(self, video: Tensor, mask: Tensor) -> Tensor:
        """Visual features (B, T, C) at the rate of the video."""
        if isinstance(self.lips, AVHuBERT):
            return torch.as_tensor(self.lips(video, mask=mask))
        return torch.as_tensor(self.lips(video))

    def _mel(self, x: Tensor, speaker: Tensor) -> Tensor:
        voice = speaker.unsqueeze(1).expand(-1, x.shape[1], -1)
        x = torch.cat([voice.to(x.dtype), x], dim=-1).transpose(1, 2)
        for conv in self.mel_convs:
            x = F.gelu(conv(x))
        mel = self.mel_head(x.transpose(1, 2))
        # output 2 k + j is band k of the j-th frame of 10 ms
        frames = mel.unflatten(-1, (self.config.num_mels, MELS_A_UNIT)).transpose(2, 3)
        return torch.as_tensor(frames.flatten(1, 2))
