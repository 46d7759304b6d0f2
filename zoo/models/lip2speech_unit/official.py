"""Released Lip2Speech-Unit files <-> ours: both kinds of first stage, and the vocoder.

A first stage is a fairseq checkpoint (the AV-HuBERT it stands on is inside), a vocoder a
HiFi-GAN file with a json beside it. Which of the three a file is shows in its keys and settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from zoo.errors import ConversionError
from zoo.hub.keymap import Converted, KeyMap, Rule, drop
from zoo.models.lip2speech_unit.config import FirstStageTraining, Lip2SpeechUnitConfig
from zoo.nn.avhubert_config import AVHuBERTConfig
from zoo.nn.avhubert_fairseq import encoder_config
from zoo.nn.avhubert_rules import avhubert_rules
from zoo.nn.conformer import ConformerConfig
from zoo.nn.espnet_rules import conformer_rules
from zoo.nn.hifigan_official import hifigan_config, hifigan_rules
from zoo.nn.lip_frontend_rules import lip_frontend_rules
from zoo.nn.lip_to_units import NUM_SPECIALS, LipToUnitsConfig
from zoo.nn.multi_input_vocoder import MultiInputVocoderConfig

VERSION: Final = 1

MEAN_SPEAKER: Final = "mean_speaker"
_W: Final = "(weight|bias)"
_CONVS: Final = (0, 3, 6)  # places of the mel convolutions in the official sequence


def key_map(config: Lip2SpeechUnitConfig) -> KeyMap:
    """Rules of a configuration with one of the two stages."""
    return KeyMap([*_first_rules(config.first), *_vocoder_rules()], "lip2speech_unit")


def _first_rules(first: LipToUnitsConfig | None) -> list[Rule]:
    if first is None:
        return []
    if first.avhubert is None:
        lead = "encoder."
        lips = lip_frontend_rules("encoder.encoder.frontend.", "first.lips.", "swish")
    else:
        lead = "conformer."
        lips = [
            drop(
                r"encoder\.w2v_model\.(mask_emb|label_embs_concat|final_proj\..*)",
                "used only in pretraining AV-HuBERT",
            ),
            *avhubert_rules("encoder.w2v_model.", "first.lips."),
            Rule(f"{lead}proj_in.{_W}", r"first.proj_in.\1"),
        ]
    return [
        *lips,
        *conformer_rules(f"{lead}encoder.", "first.conformer.", first.conformer.size),
        Rule(f"{lead}proj_out.{_W}", r"first.unit_head.\1"),
        *(
            Rule(f"{lead}mel_conv.{place}.{_W}", rf"first.mel_convs.{i}.\1")
            for i, place in enumerate(_CONVS)
        ),
        Rule(f"{lead}mel_proj.{_W}", r"first.mel_head.\1"),
    ]


def _vocoder_rules() -> list[Rule]:
    return [
        *hifigan_rules(ours="vocoder.generator."),
        Rule("dict.weight", "vocoder.dict.weight"),
        Rule(f"spkr.{_W}", r"vocoder.spkr.\1"),
        Rule(f"layer.0.{_W}", r"vocoder.upsampler.\1"),
        Rule(f"fc.{_W}", r"vocoder.fc.\1"),
    ]


def to_ours(state: Mapping[str, Tensor], config: Lip2SpeechUnitConfig) -> Converted:
    """Convert an official state dict; the mean voice, which it lacks, is zero (= not known).

    Raises:
        ConversionError: a key is unknown.
    """
    converted = key_map(config).to_ours(state)
    sample = next(iter(state.values()))
    mean = torch.zeros(config.speaker_size, device=sample.device)
    return Converted(converted.state | {MEAN_SPEAKER: mean}, converted.dropped)


def to_official(state: Mapping[str, Tensor], config: Lip2SpeechUnitConfig) -> dict[str, Tensor]:
    """Convert our state dict back; a checkpoint of both stages gives the keys of both."""
    ours = {key: tensor for key, tensor in state.items() if key != MEAN_SPEAKER}
    return key_map(config).to_official(ours)


def config_from_official(raw: Mapping[str, Any]) -> Lip2SpeechUnitConfig:
    """Our configuration from a file's fairseq settings, or from the json beside a vocoder.

    Raises:
        ConversionError: the settings are of no known stage.
    """
    if "upsample_rates" in raw:
        return Lip2SpeechUnitConfig(first=None, vocoder=_vocoder_config(raw))
    model = raw.get("model", raw)
    if "conformer_embed_dim" not in model:
        raise ConversionError("lip2speech_unit: neither a vocoder nor a conformer is described")
    first = _first_config(model)
    steps = 150_000 if first.avhubert is None else 50_000
    return Lip2SpeechUnitConfig(
        first=first, vocoder=None, first_training=FirstStageTraining(total_steps=steps)
    )


def _first_config(model: Mapping[str, Any]) -> LipToUnitsConfig:
    base = LipToUnitsConfig()
    avhubert = _avhubert_config(model)
    widths = model.get("resnet_channels") if avhubert is None else None
    return LipToUnitsConfig(
        stem_widths=tuple(widths or base.stem_widths),
        avhubert=avhubert,
        conformer=ConformerConfig(
            size=int(model["conformer_embed_dim"]),
            num_layers=int(model.get("conformer_layers", 12)),
            num_heads=int(model.get("conformer_attention_heads", 8)),
            ffn_size=int(model.get("conformer_ffn_embed_dim", 2048)),
            kernel=int(model.get("cnn_kernel", 31)),
        ),
        num_units=int(model.get("vocab", NUM_SPECIALS + base.num_units)) - NUM_SPECIALS,
        num_mels=int(model.get("n_mels", base.num_mels)),
        speaker_size=int(model.get("spk_emb_dim", base.speaker_size)),
    )


def _avhubert_config(model: Mapping[str, Any]) -> AVHuBERTConfig | None:
    """The AV-HuBERT below, whose settings travel in `w2v_args`; Large where they do not."""
    described = model.get("avhubert") or (model.get("w2v_args") or {}).get("model")
    if described:
        stem = {key: model[key] for key in ("resnet_channels",) if key in model}
        return encoder_config({**stem, **described})
    is_over = str(model.get("_name", "")).endswith("avhubert") or model.get("w2v_path")
    return AVHuBERTConfig.large() if is_over else None


def _vocoder_config(raw: Mapping[str, Any]) -> MultiInputVocoderConfig:
    width = int(raw.get("embedding_dim", 128))
    bands = int(raw.get("model_in_dim", 80 + 2 * width)) - 2 * width
    return MultiInputVocoderConfig(
        num_units=int(raw.get("num_embeddings", 200)),
        embedding_size=width,
        num_mels=bands,
        speaker_size=int(raw.get("embedder_dim", 256)),
        generator=hifigan_config(raw),
    )
