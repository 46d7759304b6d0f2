"""Checkpoints of github ms-dot-k/AVSR <-> ours (sheet section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from zoo.errors import ConversionError
from zoo.hub.keymap import Converted, KeyMap, Rule, drop
from zoo.models.av_relscore.config import AVRelScoreConfig, Fusion
from zoo.nn.espnet_rules import conformer_rules, decoder_rules
from zoo.nn.lip_frontend_rules import lip_frontend_rules, trunk_rules

VERSION: Final = 1
CONTAINER: Final = "state_dict"

_BOTH: Final = "(weight|bias)"
_NORM: Final = "(weight|bias|running_mean|running_var|num_batches_tracked)"
_UNUSED: Final = "registered by the official code and never run"
_CONVS, _NORMS = (0, 3, 6), (1, 4, 7)  # places in the official Sequential of a scoring module


def key_map(config: AVRelScoreConfig) -> KeyMap:
    """Rules of a configuration, which decides between the three networks."""
    network = "network."
    size = config.encoder.size
    rules: list[Rule] = []
    if config.fusion == "conformer":
        for theirs, ours in (("encoder_vid.", "video"), ("encoder_aud.", "audio")):
            rules += conformer_rules(theirs, f"{network}{ours}_encoder.", size)
        rules += lip_frontend_rules("encoder_vid.frontend.", f"{network}video_front_end.", "swish")
        rules += waveform_rules("encoder_aud.frontend.", f"{network}audio_front_end.")
        rules += _late_rules(network)
    else:
        rules += conformer_rules("encoders.", f"{network}encoder.", size)
        rules += lip_frontend_rules("encoders.frontend_vid.", f"{network}video_front_end.", "swish")
        rules += waveform_rules("encoders.frontend_aud.", f"{network}audio_front_end.")
        rules.append(drop(r"encoders\.after_norm_(vid|aud)\.(weight|bias)", _UNUSED))
        rules += _context_rules(network) if config.fusion == "vcafe" else _score_rules(network)
    rules += decoder_rules("decoder.", f"{network}decoder.")
    rules.append(Rule(f"ctc.ctc_lo.{_BOTH}", rf"{network}ctc.\1"))
    return KeyMap(rules, "av_relscore")


def waveform_rules(official: str, ours: str) -> list[Rule]:
    """Rules of the audio ResNet; prefixes with their last dots."""
    trunk = f"{official}trunk."
    return [
        Rule(f"{trunk}conv1.weight", f"{ours}conv.weight"),
        Rule(f"{trunk}bn1.{_NORM}", rf"{ours}norm.\1"),
        *trunk_rules(trunk, f"{ours}trunk.", "swish"),
    ]


def _score_rules(network: str) -> list[Rule]:
    rules = []
    for short, name in (("vid", "video"), ("aud", "audio")):
        theirs, ours = f"encoders.fusion.score_{short}.score", f"{network}{name}_score"
        for number, (conv, norm) in enumerate(zip(_CONVS, _NORMS, strict=True)):
            rules.append(Rule(f"{theirs}.{conv}.{_BOTH}", rf"{ours}.convs.{number}.\1"))
            rules.append(Rule(f"{theirs}.{norm}.{_NORM}", rf"{ours}.norms.{number}.\1"))
    return rules


def _context_rules(network: str) -> list[Rule]:
    names = {"q": "query", "k": "key", "v": "value", "mask.0": "conv", "mask.2": "gate"}
    names["fusion"] = "fusion"
    theirs, ours = "encoders.fusion", f"{network}context_mask"
    return [Rule(f"{theirs}.{old}.{_BOTH}", rf"{ours}.{new}.\1") for old, new in names.items()]


def _late_rules(network: str) -> list[Rule]:
    ours = f"{network}late_fusion"
    return [
        Rule(f"fusion_module.Linear1.{_BOTH}", rf"{ours}.up.\1"),
        Rule(f"fusion_module.BN.{_NORM}", rf"{ours}.norm.\1"),
        Rule(f"fusion_module.Linear2.{_BOTH}", rf"{ours}.down.\1"),
    ]


def to_ours(state: Mapping[str, Tensor], config: AVRelScoreConfig) -> Converted:
    """Convert an official state dict (meta tensors too).

    Raises:
        ConversionError: it is another of the three networks, or has a key that is not known.
    """
    found = fusion_of(state)
    if found != config.fusion:
        raise ConversionError(
            f"av_relscore: these are the weights of {found!r}, the configuration says "
            f"{config.fusion!r}: choose the preset of that network"
        )
    return key_map(config).to_ours(state)


def to_official(state: Mapping[str, Tensor], config: AVRelScoreConfig) -> dict[str, Tensor]:
    """Convert our state dict back; the official code loads it with its unused norms left alone."""
    return key_map(config).to_official(state)


def fusion_of(state: Mapping[str, Any]) -> Fusion:
    """Which of the three networks official keys belong to.

    Raises:
        ConversionError: none of them.
    """
    signs: dict[str, Fusion] = {
        "encoders.fusion.score_vid.score.0.weight": "relscore",
        "encoders.fusion.q.weight": "vcafe",
        "fusion_module.Linear1.weight": "conformer",
    }
    for key, fusion in signs.items():
        if key in state:
            return fusion
    raise ConversionError(
        "av_relscore: neither AV-RelScore, nor V-CAFE, nor the AV-Conformer: none of "
        f"{', '.join(signs)} is there"
    )


def config_from_official(raw: Mapping[str, Any]) -> AVRelScoreConfig:
    """The configuration from the arguments of the official training script.

    Released checkpoints hold weights alone and go by the presets.

    Args:
        raw: `architecture` (AVRelScore, VCAFE or Conformer), `adim`, `aheads`, `eunits`, `elayers`,
            `dunits`, `dlayers`, `cnn_module_kernel`, `odim`, `trunk_widths`, `mtlalpha`,
            `lsm_weight`; what is lacking is as in the released models.

    Raises:
        ConversionError: an option asks for a network that no released model has.
    """
    kinds: dict[str, Fusion] = {
        "AVRelScore": "relscore",
        "VCAFE": "vcafe",
        "Conformer": "conformer",
    }
    kind = str(raw.get("architecture", "AVRelScore"))
    if kind not in kinds:
        raise ConversionError(f"architecture {kind!r}: expected one of {', '.join(kinds)}")
    for option, expected in _FIXED.items():
        if raw.get(option, expected) != expected:
            raise ConversionError(f"{option} is {raw[option]!r}; released models have {expected!r}")
    changes = {path: raw[name] for name, paths in _SIZES.items() for path in paths if name in raw}
    return AVRelScoreConfig(fusion=kinds[kind]).replace(**changes)


_FIXED: Final = {
    "relu_type": "swish",
    "a_upsample_ratio": 1,
    "macaron_style": True,
    "use_cnn_module": True,
    "rel_pos_type": "latest",
}
_SIZES: Final = {
    "adim": ("encoder.size", "decoder.size"),
    "aheads": ("encoder.num_heads", "decoder.num_heads"),
    "eunits": ("encoder.ffn_size",),
    "elayers": ("encoder.num_layers",),
    "dunits": ("decoder.ffn_size",),
    "dlayers": ("decoder.num_layers",),
    "odim": ("decoder.vocab_size",),
    "cnn_module_kernel": ("encoder.kernel",),
    "trunk_widths": ("input.video_widths", "input.audio_widths"),
    "mtlalpha": ("training.ctc_weight",),
    "lsm_weight": ("training.label_smoothing",),
}
