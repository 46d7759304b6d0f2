"""The reduced vocabulary of a SpeechCLIP: which of CLIP's sub-words its corpus uses.

The ids are a persistent buffer of the network (`vocabulary_ids`), so they travel with the weights;
the configuration holds only how many there are. -1 means: not filled in yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from zoo.data.speech_image import SpeechImageDataModule
from zoo.errors import ConfigError
from zoo.models.speechclip.config import SpeechCLIPConfig
from zoo.nn.clip_vocabulary import reduced_ids

UNSET = -1


def is_set(ids: Tensor) -> bool:
    """Whether every row has its sub-word."""
    return bool((ids != UNSET).all())


def corpus_ids(data: SpeechImageDataModule) -> Tensor:
    """CLIP ids (V,) of the sub-words in the training captions, most frequent first."""
    return torch.tensor(reduced_ids(_captions(data)))


def size_from_corpus(config: SpeechCLIPConfig, root: Path) -> SpeechCLIPConfig:
    """The configuration with the vocabulary size of the corpus at `root`."""
    ids = corpus_ids(SpeechImageDataModule(str(root)))
    return config.replace(**{"clip.vocab_size": len(ids)})


def check_size(ids: Tensor, config: SpeechCLIPConfig) -> None:
    """Refuse a corpus whose vocabulary the model was not built for.

    Raises:
        ConfigError: the sizes differ.
    """
    if len(ids) != config.clip.vocab_size:
        raise ConfigError(
            f"the training captions use {len(ids)} of CLIP's sub-words, but clip.vocab_size is "
            f"{config.clip.vocab_size}: set it to {len(ids)}"
        )


def _captions(data: SpeechImageDataModule) -> Iterator[str]:
    for entry in data.entries("train"):
        for caption in entry.captions:
            yield caption.text
