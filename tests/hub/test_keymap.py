"""Key maps: every rule both ways, on real tensors and on the meta device."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from zoo.errors import ConversionError
from zoo.hub.keymap import (
    Alias,
    Cat,
    KeyMap,
    Reshape,
    Rule,
    Split,
    Transpose,
    WeightNorm,
    check_bijection,
    drop,
)

RULES = [
    drop(r"(final_proj\..*|mask_emb)", "pre-training head"),
    Rule(r"dup.(cls)", r"enc.\1", Alias()),
    Rule(r"enc.layers.(\d+).fc1.(weight|bias)", r"layers.\1.up.\2"),
    Rule(r"enc.layers.(\d+).fc2.(weight)", r"layers.\1.down.\2", Transpose()),
    Rule(
        (r"enc.layers.(\d+).q.(weight|bias)", r"enc.layers.(\d+).k.(weight|bias)"),
        r"layers.\1.qk.\2",
        Cat(sizes=(2, 4)),
    ),
    Rule(r"enc.in_proj", ("in.q", "in.k", "in.v"), Split(dim=1)),
    Rule(r"enc.cls", "cls", Reshape(ours=(-1,), official=(1, 1, -1))),
    Rule(r"enc.pos_conv.0", "pos", WeightNorm()),
    Rule(r"enc.pos_conv.0.bias", "pos.bias"),
]


def official_state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    state = {
        "enc.layers.0.fc1.weight": torch.randn(5, 3),
        "enc.layers.0.fc1.bias": torch.randn(5),
        "enc.layers.11.fc1.weight": torch.randn(5, 3),
        "enc.layers.11.fc2.weight": torch.randn(3, 5),
        "enc.layers.0.q.weight": torch.randn(2, 3),
        "enc.layers.0.k.weight": torch.randn(4, 3),
        "enc.in_proj": torch.randn(2, 9),
        "enc.cls": torch.randn(1, 1, 7),
        "enc.pos_conv.0.weight_g": torch.randn(1, 1, 3),
        "enc.pos_conv.0.weight_v": torch.randn(4, 2, 3),
        "enc.pos_conv.0.bias": torch.randn(4),
    }
    return {**state, "dup.cls": state["enc.cls"].clone()}


def test_every_op_maps_and_inverts():
    state = official_state()
    ours = KeyMap(RULES).to_ours({**state, "mask_emb": torch.ones(2)})
    assert ours.dropped == {"dup.cls": "equal to enc.cls", "mask_emb": "pre-training head"}
    assert set(ours.state) == {
        "layers.0.up.weight", "layers.0.up.bias", "layers.11.up.weight", "layers.11.down.weight",
        "layers.0.qk.weight", "in.q", "in.k", "in.v", "cls", "pos.bias",
        "pos.parametrizations.weight.original0", "pos.parametrizations.weight.original1",
    }  # fmt: skip
    assert torch.equal(ours.state["layers.11.down.weight"], state["enc.layers.11.fc2.weight"].T)
    assert torch.equal(ours.state["layers.0.qk.weight"][2:], state["enc.layers.0.k.weight"])
    assert torch.equal(ours.state["in.k"], state["enc.in_proj"][:, 3:6])
    assert ours.state["cls"].shape == (7,)
    back = KeyMap(RULES).to_official(ours.state)
    assert back.keys() == state.keys()
    # aliases come back as well, so that the official code can load strictly
    assert all(torch.equal(back[key], state[key]) for key in state)


def test_meta_tensors_go_through_with_their_shapes():
    state = {k: v.to("meta") for k, v in official_state().items()}
    ours = KeyMap(RULES).to_ours(state).state
    assert ours["layers.0.qk.weight"].shape == (6, 3) and ours["in.v"].is_meta


def test_weight_norm_loads_into_the_parametrized_module():
    old = nn.utils.weight_norm(nn.Conv1d(2, 4, 3), dim=2)
    state = {f"conv.0.{key}": value for key, value in old.state_dict().items()}
    rules = [Rule("conv.0", "conv", WeightNorm()), Rule("conv.0.bias", "conv.bias")]
    new = nn.ModuleDict({"conv": weight_norm(nn.Conv1d(2, 4, 3), dim=2)})
    new.load_state_dict(KeyMap(rules).to_ours(state).state, strict=True)
    x = torch.randn(1, 2, 8)
    torch.testing.assert_close(new["conv"](x), old(x))


def test_the_first_matching_rule_wins_in_both_directions():
    keymap = KeyMap([Rule(r"a.0.(w)", r"first.\1"), Rule(r"a.(\d).(w)", r"rest.\1.\2")])
    state = {"a.0.w": torch.zeros(1), "a.1.w": torch.ones(1)}
    ours = keymap.to_ours(state).state
    assert list(ours) == ["first.w", "rest.1.w"]
    assert list(keymap.to_official(ours)) == list(state)
    with pytest.raises(ConversionError, match=r"rest\.0\.w"):
        keymap.to_official({"rest.0.w": torch.zeros(1)})


def test_a_dot_in_a_pattern_is_only_a_dot():
    with pytest.raises(ConversionError, match="aXb"):
        KeyMap([Rule("a.b", "c")]).to_ours({"aXb": torch.zeros(1)})
    assert list(KeyMap([Rule(r"a\.b", "c")]).to_ours({"a.b": torch.zeros(1)}).state) == ["c"]


def test_unknown_keys_are_listed_but_not_endlessly():
    state = {f"odd.{i}": torch.zeros(1) for i in range(30)}
    with pytest.raises(ConversionError, match=r"speechclip: 30 official key.*odd\.0.*and 10 more"):
        KeyMap([], name="speechclip").to_ours(state)


def test_two_sources_for_one_target_are_refused():
    keymap = KeyMap([Rule("a", "x"), Rule("b", "x")])
    with pytest.raises(ConversionError, match="produced twice: x"):
        keymap.to_ours({"a": torch.zeros(1), "b": torch.zeros(1)})


def test_a_part_lacking_beside_its_siblings_is_named():
    with pytest.raises(ConversionError, match=r"enc\.layers\.0\.k\.weight"):
        KeyMap(RULES).to_ours({"enc.layers.0.q.weight": torch.zeros(2, 3)})


def test_an_alias_must_equal_its_original():
    state = official_state()
    state["dup.cls"] = state["dup.cls"] + 1
    with pytest.raises(ConversionError, match=r"dup\.cls should equal enc\.cls"):
        KeyMap(RULES).to_ours(state)
    del state["enc.cls"]
    with pytest.raises(ConversionError, match="not there"):
        KeyMap(RULES).to_ours(state)


def test_a_shape_the_op_cannot_take_names_the_key():
    with pytest.raises(ConversionError, match=r"enc\.in_proj.*length 8"):
        KeyMap(RULES).to_ours({"enc.in_proj": torch.zeros(2, 8)})


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda: Rule(r"a.\d+", "b"), "inside parentheses"),
        (lambda: Rule("a.(x", "b"), "unbalanced"),
        (lambda: Rule("a.((x)y)", r"b.\1"), r"\(\?:"),
        (lambda: Rule(r"a.(\d)", "b"), "must be used"),
        (lambda: Rule("a", None), "only a Drop rule"),
        (lambda: Rule(("a", "b"), "c"), "need Cat"),
        (lambda: Rule("a", ("b", "c")), "templates Split"),
        (lambda: drop("a", ""), "without a reason"),
    ],
)
def test_rules_that_could_not_be_inverted_fail_when_the_map_is_made(rule, message):
    with pytest.raises(ValueError, match=message):
        KeyMap([rule()])


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(["q", "k", "v"]), st.booleans()),
        unique=True,
    )
)
def test_round_trip_of_any_set_of_keys(keys):
    keymap = KeyMap(
        [
            Rule(r"m.(\d+).(q|k).(weight|bias)", r"\1.attention.\2_proj.\3"),
            Rule(r"m.(\d+).(v).(weight|bias)", r"value.\3.\2.\1"),
        ]
    )
    state = {f"m.{i}.{n}.{'weight' if w else 'bias'}": torch.tensor([float(i)]) for i, n, w in keys}
    back = keymap.to_official(keymap.to_ours(state).state)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], state[key]) for key in state)


def test_bijection_reports_what_is_missing_unexpected_and_of_another_shape():
    target = nn.Linear(3, 2, device="meta")
    keys = [("fc.weight", (2, 3)), ("fc.bias", (2,)), ("head", (1,))]
    rules = [drop("head", "unused"), Rule("fc.(weight|bias)", r"\1")]
    report = check_bijection(keys, KeyMap(rules), target)
    assert report.ok and report.mapped == 2 and report.dropped == {"head": "unused"}
    keys = [("fc.weight", (3, 2)), ("head", (1,))]
    rules = [Rule("head", "extra"), Rule("fc.(weight|bias)", r"\1")]
    report = check_bijection(keys, KeyMap(rules).to_ours, target)
    assert not report.ok
    assert (report.missing, report.unexpected) == (["bias"], ["extra"])
    assert report.mismatched == ["weight (3, 2) (expected (2, 3))"]
    assert "1 missing: bias" in str(report)
