"""The front-ends pretrained on LRW, from which the papers' training starts."""

from __future__ import annotations

import logging
import re
from typing import Final

from torch import nn

from zoo.errors import CheckpointError
from zoo.hub.catalogue import find
from zoo.hub.hubrepo import Access
from zoo.hub.keymap import KeyMap, Rule, drop
from zoo.hub.official import official_files
from zoo.hub.paths import PathLike
from zoo.hub.raw import RawCheckpoint
from zoo.models.av_relscore.network import AVRelScoreNetwork
from zoo.models.av_relscore.official import waveform_rules
from zoo.nn.lip_frontend_rules import lip_frontend_rules

logger = logging.getLogger(__name__)

ENTRIES: Final = {
    "video": "av_relscore.frontend-lrw-video",
    "audio": "av_relscore.frontend-lrw-audio",
}
_PLACE: Final = "model_state_dict"
_NOT_OURS: Final = "classifies words of LRW"
_ABSENT: Final = re.compile(r".*num_batches_tracked")


def load_front_ends(network: AVRelScoreNetwork) -> None:
    """Fill both front-ends from the archives of the catalogue (downloaded by hand).

    Raises:
        CheckpointError: an archive cannot be had, or does not fit the configuration.
    """
    for stream, name in ENTRIES.items():
        path = official_files(find(name), Access())[0]
        fill_front_end(network, stream, path)


def fill_front_end(network: AVRelScoreNetwork, stream: str, path: PathLike) -> None:
    """Fill one front-end from an LRW archive.

    Args:
        network: whose front-end it is.
        stream: "video" or "audio".
        path: the archive.

    Raises:
        CheckpointError: it does not fit the configuration.
        ConversionError: it has keys that are not known.
    """
    rules: list[Rule] = [drop(r"tcn\..*", _NOT_OURS)]
    target: nn.Module = network.video_front_end
    if stream == "video":
        rules += lip_frontend_rules("", "", "swish")
    else:
        target, more = network.audio_front_end, waveform_rules("", "")
        rules += more
    state = (
        KeyMap(rules, f"LRW {stream} front-end")
        .to_ours(RawCheckpoint.open(path, place=_PLACE).tensors)
        .state
    )
    try:
        found = target.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit the configuration: {error}") from error
    lacking = [key for key in found.missing_keys if not _ABSENT.fullmatch(key)]
    if lacking or found.unexpected_keys:
        raise CheckpointError(f"{path}: lacking {lacking}, too many {found.unexpected_keys}")
    logger.info("loaded %d tensors of %s", len(state), path)
