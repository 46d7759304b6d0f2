"""The published HuBERT and CLIP weights that the paper's training starts from."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from torch import Tensor, nn

from zoo.errors import CheckpointError
from zoo.models.speechclip.network import SpeechCLIPNetwork

logger = logging.getLogger(__name__)


def load_hubert(network: SpeechCLIPNetwork, repository: str) -> None:
    """Fill the speech encoder from a transformers HuBERT of the Hub.

    Raises:
        CheckpointError: it cannot be had, or is of another size.
    """
    from transformers import HubertModel

    try:
        source = HubertModel.from_pretrained(repository)
    except OSError as error:
        raise CheckpointError(f"HuBERT {repository} cannot be had: {error}") from error
    state = {k: v for k, v in source.state_dict().items() if k != "masked_spec_embed"}
    _fill(network.speech_encoder.hubert, state, repository)


def load_clip(network: SpeechCLIPNetwork, name: str, pretrained: str = "openai") -> None:
    """Fill CLIP from open_clip; the token table goes to the full vocabulary's place.

    Raises:
        CheckpointError: it cannot be had, or is of another size.
    """
    import open_clip

    towers = network.clip
    if towers.full_token_embedding is None:
        raise CheckpointError("pretrained CLIP needs clip.keep_full_embedding=true")
    try:
        source = open_clip.create_model(name, pretrained=pretrained)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"CLIP {name} ({pretrained}) cannot be had: {error}") from error
    state = dict(source.state_dict())
    towers.full_token_embedding.data.copy_(state.pop("token_embedding.weight"))
    state["token_embedding.weight"] = towers.token_embedding.data
    _fill(towers.model, state, name)


def _fill(module: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"{source} does not fit the configuration: {error}") from error
    logger.info("loaded %d tensors of %s", len(state), source)
