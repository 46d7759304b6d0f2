"""Lips to vectors: a 3-D convolution and a ResNet-18, one vector a frame.

The visual front-end of the lip-reading literature (arXiv 1802.06424, section 3), in AV-HuBERT,
AV-RelScore, Auto-AVSR and the lip-to-speech models that build on them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.errors import ConfigError
from zoo.nn.residual_trunk import (
    Activation,
    ResidualTrunk,
    activation,
    initialise_convolutions,
)

WIDTHS = (64, 128, 256, 512)
_KERNEL = 5  # frames seen by the stem
_REACH = _KERNEL // 2
CHUNK = 256
"""Frames at once where no gradient is wanted: a minute of video then needs little memory."""


class LipFrontEnd(nn.Module):
    """Grey mouths (B, T, H, W) -> (B, T, widths[-1]), at the frame rate of the input.

    No padding mask is involved: frames of zeros act like the end of the clip on their neighbours,
    and have non-zero outputs themselves.

    Args:
        widths: channels of the four stages; the stem has the first.
        kind: activation, "prelu", "swish" or "relu".
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, kind: Activation = "prelu") -> None:
        super().__init__()
        self.out_channels = widths[-1]
        # the clip is filled up in time by `forward`, which may hand over a piece of it
        self.stem_conv = nn.Conv3d(1, widths[0], (_KERNEL, 7, 7), (1, 2, 2), (0, 3, 3), bias=False)
        self.stem_norm = nn.BatchNorm2d(widths[0])
        self.stem_act = activation(kind, widths[0])
        self.trunk = ResidualTrunk(widths[0], widths, kind)
        initialise_convolutions(self)

    def start_from(self, other: nn.Module, name: str) -> None:
        """Copy the weights of the front-end that another model has.

        Args:
            other: the model.
            name: what to call it in errors.

        Raises:
            ConfigError: it has none, or one of other sizes.
        """
        found = next((part for part in other.modules() if isinstance(part, LipFrontEnd)), None)
        if found is None or found.stem_act.__class__ is not self.stem_act.__class__:
            raise ConfigError(f"{name} has no visual front-end with this model's activation")
        try:
            self.load_state_dict(found.state_dict())
        except RuntimeError as error:
            raise ConfigError(
                f"the visual front-end of {name} has other sizes than this model's; give both the "
                "same widths"
            ) from error

    def forward(self, video: Tensor) -> Tensor:
        """Encode clips.

        Args:
            video: (B, T, H, W) float, normalised (`zoo.video.mouth_input`), zero beyond each end.

        Returns:
            (B, T, C) float.

        Raises:
            ValueError: the clips are not (B, T, H, W).
        """
        if video.dim() != 4:
            raise ValueError(f"expected grey clips (B, T, H, W), got shape {tuple(video.shape)}")
        frames = video.shape[1]
        padded = F.pad(video, (0, 0, 0, 0, _REACH, _REACH))
        if self.training or torch.is_grad_enabled() or frames <= CHUNK:
            return self._encode(padded)
        starts = range(0, frames, CHUNK)
        pieces = [self._encode(padded[:, i : i + CHUNK + 2 * _REACH]) for i in starts]
        return torch.cat(pieces, dim=1)

    def _encode(self, padded: Tensor) -> Tensor:
        """(B, T + 4, H, W), whose outer frames are context only -> (B, T, C)."""
        # the same as `stem_conv`, several times faster on a CPU: neighbouring frames as channels
        near = padded.unfold(1, _KERNEL, 1).movedim(-1, 2)
        batch, frames = near.shape[:2]
        pictures = near.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        x = F.conv2d(pictures, self.stem_conv.weight[:, 0], stride=2, padding=3)
        x = self.stem_act(self.stem_norm(x))
        x = self.trunk(F.max_pool2d(x, 3, 2, 1)).mean(dim=(2, 3))
        return torch.as_tensor(x.unflatten(0, (batch, frames)))
