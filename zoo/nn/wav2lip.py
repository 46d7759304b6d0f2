"""The generator of Wav2Lip (arXiv 2008.10010): a face and 0.2 s of sound -> the face saying it.

An audio encoder makes one vector of a mel window; a face encoder keeps every resolution of the
input as a skip; a decoder grows the vector to a picture and takes the skips on its way. There is
no layer over time: frames are independent. The network of SyncTalkFace (arXiv 2211.00924) has the
same trunk with another picture size and a wider condition.

`GeneratorChannels.scaled(16)` are the paper's widths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.errors import ConfigError

Size = int | tuple[int, int]


class ConvBlock(nn.Module):
    """Convolution, batch norm, (plus the input,) ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Size = 3,
        stride: Size = 1,
        padding: Size = 1,
        *,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding)
        # a signal comes through all layers even before the norms have seen any data
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        self.norm = nn.BatchNorm2d(out_channels)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        y: Tensor = self.norm(self.conv(x))
        return F.relu(y + x if self.residual else y)


class UpBlock(nn.Module):
    """Transposed convolution, batch norm, ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int = 3, *, double: bool = True
    ) -> None:
        super().__init__()
        # the first one makes a picture of one pixel as large as its kernel, the others double
        shape: dict[str, Any] = {"stride": 2, "padding": 1, "output_padding": 1} if double else {}
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, kernel, **shape)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', 2 H, 2 W)."""
        return F.relu(self.norm(self.conv(x)))


def residuals(channels: int, count: int) -> list[nn.Module]:
    """`count` residual blocks of one width."""
    return [ConvBlock(channels, channels, residual=True) for _ in range(count)]


class AudioEncoder(nn.Sequential):
    """Mel windows (N, 1, 80, 16) -> (N, C, 1, 1).

    Args:
        channels: five widths.
        deep: one residual block more at the fourth width, as the sync expert has.
    """

    def __init__(self, channels: Sequence[int], *, deep: bool = False) -> None:
        first, second, third, fourth, last = channels
        super().__init__(
            ConvBlock(1, first),
            *residuals(first, 2),
            ConvBlock(first, second, stride=(3, 1)),
            *residuals(second, 2),
            ConvBlock(second, third, stride=3),
            *residuals(third, 2),
            ConvBlock(third, fourth, stride=(3, 2)),
            *residuals(fourth, 2 if deep else 1),
            ConvBlock(fourth, last, padding=0),
            ConvBlock(last, last, kernel=1, padding=0),
        )
        self.deep = deep

    def start_from(self, other: AudioEncoder) -> None:
        """Copy the weights of another encoder of the same widths; a deep one's extra block is left
        out.

        Raises:
            ConfigError: the widths differ, or this encoder is the deeper one.
        """
        blocks = list(other)
        if other.deep and not self.deep:
            del blocks[-3]
        try:
            self.load_state_dict(nn.Sequential(*blocks).state_dict())
        except RuntimeError as error:
            raise ConfigError(
                "an audio encoder can only start from one of the same widths, no shallower than "
                "itself; give both the same audio_channels"
            ) from error


@dataclass(frozen=True, kw_only=True)
class GeneratorChannels:
    """Widths of the generator's parts."""

    face: tuple[int, ...]
    """Face encoder: full resolution first, then one for every halving."""
    audio: tuple[int, ...]
    """Audio encoder, five; the last one is the width of the latent."""
    decoder: tuple[int, ...]
    """Decoder: one pixel first, then every resolution; one more than `face` has."""
    output: int
    """Hidden layer of the output."""

    @classmethod
    def scaled(cls, width: int, halvings: int = 5) -> GeneratorChannels:
        """The paper's widths (`width` 16, five halvings) scaled, or with fewer halvings."""
        face = tuple(width * 2**i for i in range(halvings + 1))
        top = face[-1]
        grown = (min(top, width * share) for share in (32, 24, 16, 8, 4)[-halvings:])
        audio = tuple(top // 2**i for i in (4, 3, 2, 1, 0))
        return cls(face=face, audio=audio, decoder=(top, top, *grown), output=2 * width)


class FaceEncoder(nn.ModuleList):
    """Faces (N, 6, H, W) -> one feature map for every resolution, the finest first.

    Args:
        channels: widths, full resolution first.
        image_size: side of the pictures; the coarsest map is convolved to one pixel.
    """

    def __init__(self, channels: Sequence[int], image_size: int) -> None:
        last = len(channels) - 1
        stages = [nn.Sequential(ConvBlock(6, channels[0], kernel=7, padding=3))]
        for i in range(1, len(channels)):
            count = 3 if i == 2 else 1 if i == last else 2
            down = ConvBlock(channels[i - 1], channels[i], stride=2)
            stages.append(nn.Sequential(down, *residuals(channels[i], count)))
        top, kernel = channels[-1], coarsest(image_size, last)
        whole = ConvBlock(top, top, kernel, padding=0)
        stages.append(nn.Sequential(whole, ConvBlock(top, top, kernel=1, padding=0)))
        super().__init__(stages)

    def forward(self, faces: Tensor) -> list[Tensor]:
        """The skips of the decoder."""
        skips, x = [], faces
        for stage in self:
            x = stage(x)
            skips.append(x)
        return skips


class FaceDecoder(nn.ModuleList):
    """A condition (N, C, 1, 1) and the skips of a `FaceEncoder` -> (N, C', H, W).

    Args:
        channels: widths, one pixel first.
        skips: widths of the face encoder, full resolution first.
        image_size: side of the pictures.
        condition_size: width of the condition.
    """

    def __init__(
        self, channels: Sequence[int], skips: Sequence[int], image_size: int, condition_size: int
    ) -> None:
        # deepest first: one pixel and the coarsest map are equally wide
        joined = [own + skip for own, skip in zip(channels, (skips[-1], *reversed(skips)))]
        stages = [nn.Sequential(ConvBlock(condition_size, channels[0], kernel=1, padding=0))]
        kernel = coarsest(image_size, len(skips) - 1)
        for i in range(1, len(channels)):
            grow = UpBlock(joined[i - 1], channels[i], 3 if i > 1 else kernel, double=i > 1)
            stages.append(nn.Sequential(grow, *residuals(channels[i], 1 if i == 1 else 2)))
        super().__init__(stages)
        self.out_channels = joined[-1]

    def forward(self, condition: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Decoder output beside the finest skip."""
        x = condition
        for stage, skip in zip(self, reversed(skips), strict=True):
            x = torch.cat([stage(x), skip], dim=1)
        return x


class Output(nn.Sequential):
    """(N, C, H, W) -> logits of BGR, and with `gate` a fourth one."""

    def __init__(self, in_channels: int, hidden: int, *, gate: bool) -> None:
        super().__init__(ConvBlock(in_channels, hidden), nn.Conv2d(hidden, 4 if gate else 3, 1))


class FaceGenerator(nn.Module):
    """Face encoder, decoder and output: everything but where the condition comes from.

    Args:
        channels: widths.
        image_size: side of the pictures.
        condition_size: width of the condition; None is that of the audio encoder.
        copy_gate: the output is mixed, pixel by pixel, with the pixels given: the visible half of
            the target and the other half of the reference. A small model then need not paint what
            does not move.
    """

    def __init__(
        self,
        channels: GeneratorChannels,
        image_size: int = 96,
        condition_size: int | None = None,
        *,
        copy_gate: bool = False,
    ) -> None:
        super().__init__()
        size = channels.audio[-1] if condition_size is None else condition_size
        self.face_encoder = FaceEncoder(channels.face, image_size)
        self.face_decoder = FaceDecoder(channels.decoder, channels.face, image_size, size)
        self.output = Output(self.face_decoder.out_channels, channels.output, gate=copy_gate)

    def forward(self, condition: Tensor, faces: Tensor) -> Tensor:
        """Paint.

        Args:
            condition: (N, C).
            faces: (N, 6, H, W) BGR in [0, 1], a target without its lower half and a reference.

        Returns:
            (N, 3, H, W) BGR in [0, 1].
        """
        skips = self.face_encoder(faces)
        logits = self.output(self.face_decoder(condition[:, :, None, None], skips))
        return paint(logits, faces)


class Wav2LipGenerator(FaceGenerator):
    """Wav2Lip: the condition is the audio encoder's output alone."""

    def __init__(
        self, channels: GeneratorChannels, image_size: int = 96, *, copy_gate: bool = False
    ) -> None:
        super().__init__(channels, image_size, copy_gate=copy_gate)
        self.audio_encoder = AudioEncoder(channels.audio)

    def encode_audio(self, mel: Tensor) -> Tensor:
        """Mel windows (N, 1, 80, 16) -> latents (N, C)."""
        latent: Tensor = self.audio_encoder(mel)
        return latent.flatten(1)


def paint(logits: Tensor, faces: Tensor) -> Tensor:
    """Pixels (N, 3, H, W) in [0, 1] of an `Output`'s logits; with a gate, mixed with the given."""
    painted = logits[:, :3].sigmoid()
    if logits.shape[1] == 3:
        return painted
    gate = logits[:, 3:].sigmoid()
    return gate * painted + (1 - gate) * given_pixels(faces)


def given_pixels(faces: Tensor) -> Tensor:
    """Upper half of the target over the lower half of the reference: (N, 6, H, W) -> (N, 3, ...)."""
    half = faces.shape[-2] // 2
    return torch.cat([faces[:, :3, :half], faces[:, 3:, half:]], dim=-2)


def coarsest(image_size: int, halvings: int) -> int:
    """Side of the picture after all halvings, which the bottleneck's kernel has as well.

    Raises:
        ConfigError: the side cannot be halved that often.
    """
    side = image_size >> halvings
    if side < 1 or side << halvings != image_size:
        raise ConfigError(
            f"image_size {image_size} cannot be halved {halvings} times; use a multiple of "
            f"{1 << halvings}"
        )
    return side
