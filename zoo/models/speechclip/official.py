"""Released SpeechCLIP checkpoints (github atosystem/SpeechCLIP) <-> our state dict.

A Lightning checkpoint holds the weights under `state_dict` and the published yaml, as an object of
the repository's own class, under `hyper_parameters.config`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from zoo.errors import ConversionError
from zoo.hub.keymap import Alias, Converted, KeyMap, Rule, drop
from zoo.models.speechclip.config import (
    FLICKR8K_VOCABULARY,
    SPOKENCOCO_VOCABULARY,
    CascadedConfig,
    ParallelConfig,
    SpeechCLIPConfig,
    SpeechConfig,
    TrainingConfig,
)
from zoo.nn.clip import CLIP_VOCABULARY, CLIPConfig
from zoo.nn.clip_vocabulary import match_rows
from zoo.nn.hubert_config import HuBERTConfig
from zoo.nn.hubert_fairseq import hubert_rules

VERSION: Final = 1
CONTAINER: Final = "state_dict"

_VOCABULARY_IDS: Final = "network.vocabulary_ids"
_FULL_TABLE: Final = "clip.original_text_emb_weight"
_REDUCED_TABLE: Final = "clip.model.token_embedding.weight"
_CLIPS: Final = {"ViT-B/32": CLIPConfig.vit_b_32, "ViT-L/14": CLIPConfig.vit_l_14}


# the official model registers its CLIP twice
_CLIP_COPY: Final = Rule("cascaded_branch.clip.(.+)", r"clip.\1", Alias())
_PARALLEL: Final = (
    Rule("parallel_branch.cls", "network.parallel_branch.cls"),
    Rule("parallel_branch.self_att.model.layers.(.+)", r"network.parallel_branch.layers.\1"),
    Rule("parallel_branch.self_att.model.norm.(.+)", r"network.parallel_branch.norm.\1"),
    Rule("parallel_branch.linear_proj.(.+)", r"network.parallel_branch.projection.\1"),
)
_CASCADED: Final = (
    Rule("cascaded_branch.cls", "network.cascaded_branch.cls"),
    Rule(
        "cascaded_branch.self_att.multihead_attn_layer.(.+)",
        r"network.cascaded_branch.attention.\1",
    ),
    Rule("cascaded_branch.self_att.attentionBlock_Norm.(.+)", r"network.cascaded_branch.norm.\1"),
    Rule("cascaded_branch.linear_proj.(.+)", r"network.cascaded_branch.projection.\1"),
    Rule("cascaded_branch.bn_layer.bn_layer.(.+)", r"network.cascaded_branch.batch_norm.\1"),
    Rule(
        "cascaded_branch.vector_quantizer.curr_temp",
        "network.cascaded_branch.quantizer.temperature",
    ),
)


def key_map(config: SpeechCLIPConfig) -> KeyMap:
    """Rules for a configuration, which decides how HuBERT's norms are wrapped."""
    hubert = config.speech.hubert
    rules = [
        *hubert_rules(
            "audio_encoder.encoder.",
            "network.speech_encoder.hubert.",
            conv_norm=hubert.conv_norm,
        ),
        Rule("audio_encoder.weightedsum_layer.weights", "network.speech_encoder.layer_mix.weights"),
        _CLIP_COPY,
        Rule(_FULL_TABLE, "network.clip.full_token_embedding"),
        Rule("clip.model.(.+)", r"network.clip.model.\1"),
        drop(
            r"criterion\.(eye_mat|neg_eye_mat|eye_mat_fl)",
            "constant identity masks of the loss, of another size in every release",
        ),
        Rule("criterion.temperature", "log_scale"),
        *_PARALLEL,
        *_CASCADED,
    ]
    return KeyMap(rules, "speechclip")


def to_ours(
    state: Mapping[str, Tensor], config: SpeechCLIPConfig, *, vocabulary: Tensor | None = None
) -> Converted:
    """Convert an official state dict.

    Args:
        state: official tensors (meta tensors too).
        config: the configuration they belong to.
        vocabulary: (V,) CLIP id of each row of the reduced token table; None recovers it by
            finding the rows in the full table, which released checkpoints carry.

    Raises:
        ConversionError: a key is unknown, the copies of CLIP differ, or the ids cannot be found.
    """
    rows = state[_REDUCED_TABLE].shape[0] if _REDUCED_TABLE in state else 0
    if rows != config.clip.vocab_size:
        raise ConversionError(
            f"speechclip: {_REDUCED_TABLE} has {rows} rows, the configuration says "
            f"{config.clip.vocab_size}: choose the preset of that corpus or set clip.vocab_size"
        )
    converted = key_map(config).to_ours(_with_conv_bias(state, config))
    ids = _recover_ids(state, rows) if vocabulary is None else vocabulary
    return Converted(converted.state | {_VOCABULARY_IDS: ids}, converted.dropped)


def to_official(state: Mapping[str, Tensor], config: SpeechCLIPConfig) -> dict[str, Tensor]:
    """Convert our state dict back; CLIP reappears twice in a cascaded one, as it was."""
    ours = {key: tensor for key, tensor in state.items() if key != _VOCABULARY_IDS}
    official = key_map(config).to_official(ours)
    if config.branch == "cascaded":
        return official
    return {k: v for k, v in official.items() if not k.startswith("cascaded_branch.")}


def _with_conv_bias(state: Mapping[str, Tensor], config: SpeechCLIPConfig) -> Mapping[str, Tensor]:
    """Zero biases for the convolutions of a HuBERT Large that was saved without them.

    Accounts of the released HuBERT Large differ on whether its convolutions have a bias; a zero
    bias computes the same.
    """
    convs = "audio_encoder.encoder.feature_extractor.conv_layers.{}.0.{}".format
    hubert = config.speech.hubert
    if not hubert.conv_bias or convs(0, "bias") in state:
        return state
    weights = [state[convs(i, "weight")] for i in range(len(hubert.conv_channels))]
    zeros = {convs(i, "bias"): weight.new_zeros(len(weight)) for i, weight in enumerate(weights)}
    return {**state, **zeros}


def _recover_ids(state: Mapping[str, Tensor], rows: int) -> Tensor:
    reduced = state[_REDUCED_TABLE]
    if reduced.is_meta:
        return torch.empty(rows, dtype=torch.long, device="meta")
    if _FULL_TABLE in state:
        try:
            return match_rows(reduced, state[_FULL_TABLE])
        except ValueError as error:
            raise ConversionError(f"speechclip: {error}") from error
    if rows == CLIP_VOCABULARY:
        return torch.arange(rows)
    raise ConversionError(
        f"speechclip: without {_FULL_TABLE} nothing tells which sub-words the {rows} rows of "
        f"{_REDUCED_TABLE} are; pass vocabulary="
    )


def config_from_official(raw: Mapping[str, Any]) -> SpeechCLIPConfig:
    """Our configuration from the published yaml; keys that do not shape the network are ignored.

    Args:
        raw: the plain yaml, or the checkpoint's `hyper_parameters` with it under `config`.

    Raises:
        ConversionError: an option asks for a network that no released model has.
    """
    raw = raw.get("config", raw)
    audio, branches = _section(raw, "audio_encoder"), _section(raw, "model_settings")
    large = "large" in str(audio.get("name", "hubert"))
    cascaded = bool(branches.get("cascaded_objective_weight", 0))
    loss = _section(_section(raw, "cl_loss"), "args")
    return SpeechCLIPConfig(
        branch="cascaded" if cascaded else "parallel",
        speech=SpeechConfig(
            hubert=HuBERTConfig.large().replace(conv_bias=True) if large else HuBERTConfig.base(),
            trainable=bool(audio.get("trainable", False)),
            normalize_states=bool(audio.get("normalize_hiddenstates", False)),
        ),
        clip=_clip_config(_section(raw, "clip")),
        parallel=_parallel_config(_section(branches, "parallel_branch")),
        cascaded=_cascaded_config(_section(branches, "cascaded_branch")),
        temperature=float(loss.get("temperature", 0.07)),
        learn_temperature=bool(loss.get("temperature_trainable", False)),
        pretrained_hubert=f"facebook/hubert-{'large-ll60k' if large else 'base-ls960'}",
        pretrained_clip=f"{_section(raw, 'clip')['name'].replace('/', '-')}-quickgelu",
        training=_training_config(raw, audio),
    )


def _section(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return raw.get(name) or {}


def _clip_config(raw: Mapping[str, Any]) -> CLIPConfig:
    name = raw.get("name")
    if name not in _CLIPS:
        raise ConversionError(f"clip.name {name!r}: expected one of {', '.join(_CLIPS)}")
    listing = raw.get("reduce_subword_embbedding")  # spelt so in the released files
    if not listing:
        return _CLIPS[name]()
    rows = SPOKENCOCO_VOCABULARY if "coco" in str(listing).lower() else FLICKR8K_VOCABULARY
    return _CLIPS[name]().replace(vocab_size=rows, keep_full_embedding=True)


def _parallel_config(raw: Mapping[str, Any]) -> ParallelConfig:
    _expect(raw, "parallel_branch", "transformer_type", "TransformerEncoder")
    args = _section(raw, "transformer_args")
    return ParallelConfig(
        num_layers=int(args.get("n_layers", 1)),
        num_heads=int(args.get("nhead", 8)),
        ffn_size=int(args.get("dim_feedforward", 3072)),
        dropout=float(args.get("dropout", 0.1)),
    )


def _cascaded_config(raw: Mapping[str, Any]) -> CascadedConfig:
    _expect(raw, "cascaded_branch", "type", "KW_CascadedBranch")
    _expect(raw, "cascaded_branch", "transformer_type", "MultiheadAttentionAndNorm")
    args, keyword = _section(raw, "transformer_args"), _section(raw, "keyword")
    temperature = str(_section(_section(raw, "vq"), "args").get("temp", "fixed=0.1"))
    if not temperature.startswith("fixed="):
        raise ConversionError(f"cascaded_branch.vq.args.temp {temperature!r}: expected 'fixed=...'")
    return CascadedConfig(
        num_keywords=int(keyword.get("number", 8)),
        num_heads=int(args.get("nhead", 1)),
        dropout=float(args.get("dropout", 0.1)),
        temperature=float(temperature.removeprefix("fixed=")),
        std_scale=float(_section(keyword, "batchnorms").get("std_scale", 1.0)),
    )


def _expect(raw: Mapping[str, Any], section: str, key: str, value: str) -> None:
    if raw.get(key, value) != value:
        raise ConversionError(f"{section}.{key} is {raw[key]!r}; released models have {value!r}")


def _training_config(raw: Mapping[str, Any], audio: Mapping[str, Any]) -> TrainingConfig:
    optimizer = _section(_section(audio, "optim"), "args")
    schedule = _section(audio, "scheduler")
    default = TrainingConfig()
    return TrainingConfig(
        batch_size=int(_section(raw, "data").get("batch_size", default.batch_size)),
        crop_seconds=int(audio.get("max_audio_len", 102_400)) / 16_000,
        lr=float(optimizer.get("lr", default.lr)),
        weight_decay=float(optimizer.get("weight_decay", default.weight_decay)),
        warmup_steps=int(schedule.get("warmup", default.warmup_steps)),
        total_steps=int(schedule.get("max_step", default.total_steps)),
        final_lr=float(schedule.get("final_lr", default.final_lr)),
        gradient_clip=float(_section(raw, "trainer").get("gradient_clip_val", 4.0)),
    )
