"""Files of Wav2Lip <-> ours: the generator (`wav2lip.pth`, `wav2lip_gan.pth`), the sync expert
(`lipsync_expert.pth`), the discriminator (`visual_quality_disc.pth`).

Each file holds one network; which one follows from the configuration, in which the others are
None. The licence forbids handing the files on, so the converter reads what the user supplies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from zoo.errors import ConversionError
from zoo.hub.keymap import Converted, KeyMap, Rule
from zoo.models.talking_face.config import DiscriminatorConfig, ExpertConfig
from zoo.models.wav2lip_syncnet.config import GeneratorConfig, Wav2LipConfig

VERSION: Final = 1
CONTAINER: Final = "state_dict"

_CONV: Final = "(weight|bias)"
_NORM: Final = "(weight|bias|running_mean|running_var|num_batches_tracked)"


def _block(official: str, ours: str, group: int) -> list[Rule]:
    """Rules of a block of convolution and norm; `group` is the number of groups before."""
    last = rf"\{group + 1}"
    return [
        Rule(f"{official}.conv_block.0.{_CONV}", f"{ours}.conv.{last}"),
        Rule(f"{official}.conv_block.1.{_NORM}", f"{ours}.norm.{last}"),
    ]


GENERATOR: Final = KeyMap(
    [
        *_block(r"face_encoder_blocks.(\d+).(\d+)", r"generator.face_encoder.\1.\2", 2),
        *_block(r"audio_encoder.(\d+)", r"generator.audio_encoder.\1", 1),
        *_block(r"face_decoder_blocks.(\d+).(\d+)", r"generator.face_decoder.\1.\2", 2),
        *_block("output_block.0", "generator.output.0", 0),
        Rule(f"output_block.1.{_CONV}", r"generator.output.1.\1"),
    ],
    name="wav2lip_syncnet, generator",
)
EXPERT: Final = KeyMap(
    [
        *_block(r"face_encoder.(\d+)", r"expert.face_encoder.\1", 1),
        *_block(r"audio_encoder.(\d+)", r"expert.audio_encoder.\1", 1),
    ],
    name="wav2lip_syncnet, sync expert",
)
DISCRIMINATOR: Final = KeyMap(
    [
        Rule(
            rf"face_encoder_blocks.(\d+).(\d+).conv_block.0.{_CONV}",
            r"discriminator.stages.\1.\2.conv.\3",
        ),
        Rule(f"binary_pred.0.{_CONV}", r"discriminator.head.\1"),
    ],
    name="wav2lip_syncnet, discriminator",
)


def key_map(config: Wav2LipConfig) -> KeyMap:
    """The map of the one network that a configuration has.

    Raises:
        ConversionError: it has none or several, which no official file holds.
    """
    maps = [
        keymap
        for keymap, part in (
            (GENERATOR, config.generator),
            (EXPERT, config.expert),
            (DISCRIMINATOR, config.discriminator),
        )
        if part is not None
    ]
    if len(maps) != 1:
        raise ConversionError(
            f"an official Wav2Lip file holds one network, but this configuration has {len(maps)}; "
            "use the preset wav2lip, sync_expert or quality"
        )
    if config.generator is not None and config.generator.copy_gate:
        raise ConversionError("an official Wav2Lip generator has no copy gate; this one is ours")
    return maps[0]


def to_ours(state: Mapping[str, Tensor], config: Wav2LipConfig) -> Converted:
    """Convert an official state dict.

    Raises:
        ConversionError: a key is unknown.
    """
    return key_map(config).to_ours(state)


def to_official(state: Mapping[str, Tensor], config: Wav2LipConfig) -> dict[str, Tensor]:
    """Convert our state dict back."""
    return key_map(config).to_official(state)


def config_from_official(raw: Mapping[str, Any]) -> Wav2LipConfig:
    """Which network, and its widths, from the shapes of the official tensors.

    Args:
        raw: `widths`, a list of [key, shape] or a mapping (the files have no hyper-parameters).

    Raises:
        ConversionError: these are the shapes of none of the three.
    """
    shapes = {key.removeprefix("module."): shape for key, shape in dict(raw["widths"]).items()}
    try:
        if "binary_pred.0.weight" in shapes:
            return Wav2LipConfig(generator=None, discriminator=_discriminator(shapes))
        if "output_block.1.weight" in shapes:
            return Wav2LipConfig(generator=_generator(shapes))
        return Wav2LipConfig(generator=None, expert=_expert(shapes))
    except KeyError as error:
        raise ConversionError(f"wav2lip_syncnet: the shape of {error} is not given") from error


def _widths(shapes: Mapping[str, Any], places: list[str], axis: int = 0) -> tuple[int, ...]:
    return tuple(int(shapes[f"{place}.conv_block.0.weight"][axis]) for place in places)


def _generator(shapes: Mapping[str, Any]) -> GeneratorConfig:
    # transposed kernels, from stage 1 on, have their outputs on the second axis
    decoder = [f"face_decoder_blocks.{i}.0" for i in range(1, 7)]
    return GeneratorConfig(
        face_channels=_widths(shapes, [f"face_encoder_blocks.{i}.0" for i in range(6)]),
        audio_channels=_widths(shapes, [f"audio_encoder.{i}" for i in (0, 3, 6, 9, 11)]),
        decoder_channels=(
            *_widths(shapes, ["face_decoder_blocks.0.0"]),
            *_widths(shapes, decoder, axis=1),
        ),
        output_channels=_widths(shapes, ["output_block.0"])[0],
    )


def _expert(shapes: Mapping[str, Any]) -> ExpertConfig:
    return ExpertConfig(
        face_channels=_widths(shapes, [f"face_encoder.{i}" for i in (0, 1, 4, 8, 11)]),
        audio_channels=_widths(shapes, [f"audio_encoder.{i}" for i in (0, 3, 6, 9, 12)]),
    )


def _discriminator(shapes: Mapping[str, Any]) -> DiscriminatorConfig:
    stages = [f"face_encoder_blocks.{i}.0" for i in range(5)]
    return DiscriminatorConfig(channels=_widths(shapes, stages))
