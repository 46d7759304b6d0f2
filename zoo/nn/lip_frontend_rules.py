"""Key names of the published visual front-ends <-> ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from zoo.hub.keymap import Rule
from zoo.nn.residual_trunk import Activation

_NORM: Final = "(weight|bias|running_mean|running_var|num_batches_tracked)"


def trunk_rules(official: str, ours: str, kind: Activation) -> list[Rule]:
    """Rules of one ResNet body (1-D or 2-D).

    Args:
        official: prefix that ends before `layer1`, such as ``encoder.trunk.``.
        ours: prefix of a `ResidualTrunk`.
        kind: the activation; only PReLU has weights.
    """
    blocks = ((str(stage + 1), stage, block) for stage in range(4) for block in range(2))
    return [
        rule
        for layer, stage, block in blocks
        for rule in _block_rules(
            f"{official}layer{layer}.{block}.", f"{ours}{stage}.{block}.", kind
        )
    ]


def _block_rules(official: str, ours: str, kind: Activation) -> list[Rule]:
    rules = []
    for n in (1, 2):
        rules.append(Rule(f"{official}conv{n}.weight", f"{ours}conv{n}.weight"))
        rules.append(Rule(f"{official}bn{n}.{_NORM}", rf"{ours}norm{n}.\1"))
        if kind == "prelu":
            rules.append(Rule(f"{official}relu{n}.weight", f"{ours}act{n}.weight"))
    rules.append(Rule(f"{official}downsample.0.weight", f"{ours}shortcut.conv.weight"))
    rules.append(Rule(f"{official}downsample.1.{_NORM}", rf"{ours}shortcut.norm.\1"))
    return rules


def lip_frontend_rules(official: str, ours: str, kind: Activation = "prelu") -> Sequence[Rule]:
    """Rules of one `LipFrontEnd`.

    Args:
        official: prefix of the official keys, ending before `frontend3D` and `trunk`.
        ours: prefix of our keys.
        kind: activation of the official network.
    """
    rules = [
        Rule(f"{official}frontend3D.0.weight", f"{ours}stem_conv.weight"),
        Rule(f"{official}frontend3D.1.{_NORM}", rf"{ours}stem_norm.\1"),
    ]
    if kind == "prelu":
        rules.append(Rule(f"{official}frontend3D.2.weight", f"{ours}stem_act.weight"))
    return [*rules, *trunk_rules(f"{official}trunk.", f"{ours}trunk.", kind)]
