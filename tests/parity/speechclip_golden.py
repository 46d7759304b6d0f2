"""Our SpeechCLIP from one of the reduced official models of the golden folder."""

from __future__ import annotations

from typing import Any

import torch

from tests.parity.golden import Golden, load_golden
from zoo.models.speechclip import official
from zoo.models.speechclip.config import (
    CascadedConfig,
    ParallelConfig,
    SpeechCLIPConfig,
    SpeechConfig,
)
from zoo.models.speechclip.module import SpeechCLIP
from zoo.nn.clip import CLIPConfig
from zoo.nn.hubert_fairseq import config_from_fairseq


def config_from_golden(raw: dict[str, Any]) -> SpeechCLIPConfig:
    """Sizes of a reduced model, from its `<name>_config.json`."""
    clip = raw["clip"]
    hubert = config_from_fairseq(raw["hubert"], normalize=raw["hubert_waveform_normalize"])
    return SpeechCLIPConfig(
        branch=raw["branch"],
        speech=SpeechConfig(hubert=hubert, normalize_states=raw["normalize_hiddenstates"]),
        clip=CLIPConfig(
            embedding_size=clip["embed_dim"],
            image_size=clip["image_resolution"],
            patch_size=clip["vision_patch_size"],
            vision_layers=clip["vision_layers"],
            vision_size=clip["vision_width"],
            vision_heads=clip["vision_width"] // 64,
            text_layers=clip["transformer_layers"],
            text_size=clip["transformer_width"],
            text_heads=clip["transformer_heads"],
            context_length=clip["context_length"],
            vocab_size=len(raw["reduced_vocab_ids"]),
        ),
        parallel=ParallelConfig(num_heads=raw["nhead"], ffn_size=raw["dim_feedforward"]),
        cascaded=CascadedConfig(
            num_keywords=raw["keywords"],
            num_heads=raw["nhead"],
            temperature=raw["vq_temperature"],
        ),
        temperature=raw["cl_temperature_init"],
        learn_temperature=raw["cl_temperature_trainable"],
    )


def load(component: str) -> tuple[SpeechCLIP, Golden]:
    """The model with the golden's weights, in eval mode, and the golden."""
    golden = load_golden("speechclip", component)
    config = config_from_golden(golden.config)
    model = SpeechCLIP(config)
    ids = torch.tensor(golden.config["reduced_vocab_ids"])
    converted = official.to_ours(golden.weights, config, vocabulary=ids)
    model.load_state_dict(converted.state)
    return model.eval(), golden
