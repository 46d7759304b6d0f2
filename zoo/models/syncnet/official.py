"""Released SyncNet (a bare state dict of the class `S` of syncnet_python) <-> ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor

from zoo.errors import ConversionError
from zoo.hub.keymap import Converted, KeyMap, Op, Rule, Tensors
from zoo.models.syncnet.config import SyncNetConfig
from zoo.nn.syncnet import WINDOW

VERSION: Final = 1

# places of the convolutions in the official sequences; each norm follows its convolution
_CONVOLUTIONS: Final = (0, 4, 8, 11, 14, 18)
_NORM: Final = "(weight|bias|running_mean|running_var|num_batches_tracked)"


@dataclass(frozen=True)
class FoldTime(Op):
    """A 3-d kernel (O, I, t, h, w) as the 2-d kernel (O, I * t, h, w) over frames as channels."""

    frames: int = 1

    def to_ours(self, tensors: Tensors) -> Tensors:  # noqa: D102
        return tuple(x.flatten(1, 2) for x in tensors)

    def to_official(self, tensors: Tensors) -> Tensors:  # noqa: D102
        return tuple(x.reshape(len(x), -1, self.frames, *x.shape[2:]) for x in tensors)


def _tower(official: str, ours: str, *, lips: bool) -> list[Rule]:
    rules = []
    for i, place in enumerate(_CONVOLUTIONS):
        conv, block = f"{official}.{place}", f"network.{ours}.blocks.{i}"
        fold = FoldTime(WINDOW if i == 0 else 1) if lips else Op()
        rules += [
            Rule(f"{conv}.weight", f"{block}.conv.weight", fold),
            Rule(f"{conv}.bias", f"{block}.conv.bias"),
            Rule(f"{official}.{place + 1}.{_NORM}", rf"{block}.norm.\1"),
        ]
    return rules


def _head(official: str, ours: str) -> list[Rule]:
    return [
        Rule(f"{official}.0.(weight|bias)", rf"network.{ours}.hidden.\1"),
        Rule(f"{official}.1.{_NORM}", rf"network.{ours}.norm.\1"),
        Rule(f"{official}.3.(weight|bias)", rf"network.{ours}.out.\1"),
    ]


KEY_MAP: Final = KeyMap(
    [
        *_tower("netcnnaud", "audio_tower", lips=False),
        *_tower("netcnnlip", "lip_tower", lips=True),
        *_head("netfcaud", "audio_head"),
        *_head("netfclip", "lip_head"),
    ],
    "syncnet",
)


def to_ours(state: Mapping[str, Tensor], config: SyncNetConfig) -> Converted:
    """Convert an official state dict.

    Raises:
        ConversionError: a key is unknown.
    """
    return KEY_MAP.to_ours(state)


def to_official(state: Mapping[str, Tensor], config: SyncNetConfig) -> dict[str, Tensor]:
    """Convert our state dict back."""
    return KEY_MAP.to_official(state)


def config_from_official(raw: Mapping[str, Any]) -> SyncNetConfig:
    """Widths from the shapes of the official tensors, since the file has no hyper-parameters.

    Args:
        raw: `widths`, a list of [key, shape] or a mapping of the weights.

    Raises:
        ConversionError: a layer is not listed.
    """
    shapes = dict(raw["widths"])
    try:
        audio, lips = (
            tuple(int(shapes[f"{tower}.{place}.weight"][0]) for place in _CONVOLUTIONS)
            for tower in ("netcnnaud", "netcnnlip")
        )
        hidden = int(shapes["netfcaud.0.weight"][0])
        width = int(shapes["netfcaud.3.weight"][0])
    except KeyError as error:
        raise ConversionError(f"syncnet: the shape of {error} is not given") from error
    return SyncNetConfig(
        audio_channels=audio, lip_channels=lips, head_size=hidden, embedding_size=width
    )
