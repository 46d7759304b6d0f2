from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hub.toy import ToyConfig, ToyPartConfig
from zoo.errors import ConfigError
from zoo.hub.config import ZooConfig


@dataclass(frozen=True, kw_only=True)
class Everything(ZooConfig):
    size: int
    rate: float = 0.5
    shape: tuple[int, int] = (1, 2)
    parts: tuple[ToyPartConfig, ...] = ()
    names: dict[str, float] | None = None
    either: int | str = 0
    flag: bool = False


@given(
    size=st.integers(),
    rate=st.floats(allow_nan=False, allow_infinity=False),
    widths=st.lists(st.integers(1, 9), max_size=3),
    names=st.none() | st.dictionaries(st.text(), st.floats(0, 1)),
    either=st.integers() | st.text(),
)
def test_json_round_trip_is_exact(size, rate, widths, names, either):
    parts = tuple(ToyPartConfig(hidden_size=width, kernels=(width,)) for width in widths)
    config = Everything(size=size, rate=rate, parts=parts, names=names, either=either)

    again = Everything.from_dict(json.loads(json.dumps(config.to_dict())))

    assert again == config
    assert isinstance(again.shape, tuple)
    assert all(isinstance(part, ToyPartConfig) for part in again.parts)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"part": {"hiden_size": 3}}, "unknown key 'part.hiden_size'; did you mean 'hidden_size'"),
        ({"part": {"hidden_size": "8"}}, "part.hidden_size: expected int, got str '8'"),
        ({"part": {"hidden_size": True}}, "part.hidden_size: expected int, got bool True"),
        ({"part": {"kernels": [3, 2.5]}}, r"part.kernels\[1\]: expected int, got float 2.5"),
        ({"part": {"rate": "x"}}, "part.rate: expected float, got str 'x'"),
        ({"part": 3}, "part: expected a mapping, got int 3"),
        ({"act": "gelo"}, "act: 'gelo' is not one of 'relu', 'gelu'; did you mean 'gelu'"),
        ({"vocabulary": None}, "vocabulary: expected int, got NoneType None"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(data, message):
    with pytest.raises(ConfigError, match=message):
        ToyConfig.from_dict(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "missing key 'size'"),
        ({"size": 1, "shape": [1, 2, 3]}, "shape: expected 2 values, got 3"),
        ({"size": 1, "shape": "12"}, "shape: expected a list, got str '12'"),
        ({"size": 1, "either": 2.5}, "either: float 2.5 fits none of int, str"),
        ({"size": 1, "names": {"a": "b"}}, "names.a: expected float"),
        ({"size": 1, "parts": [{"rate": 1}, {"kernel": 1}]}, r"unknown key 'parts\[1\].kernel'"),
        ({"size": 1, "flag": 1}, "flag: expected bool, got int 1"),
    ],
)
def test_every_kind_of_field_is_checked(data, message):
    with pytest.raises(ConfigError, match=message):
        Everything.from_dict(data)


def test_an_integer_is_a_fine_float_and_becomes_one():
    assert type(Everything.from_dict({"size": 1, "rate": 2}).rate) is float


def test_presets_and_overrides():
    assert ToyConfig.presets() == ("tiny", "wide")
    wide = ToyConfig.preset("wide", {"part.rate": 0.25, "act": "gelu"})
    assert (wide.part.hidden_size, wide.part.rate, wide.act) == (16, 0.25, "gelu")
    with pytest.raises(ConfigError, match=r"no preset 'wde'; did you mean 'wide'"):
        ToyConfig.preset("wde")
    with pytest.raises(ConfigError, match=r"no field 'part.widht'"):
        ToyConfig.preset("wide", {"part.widht": 1})


def test_a_method_that_is_no_preset_cannot_be_called_as_one():
    with pytest.raises(ConfigError, match="no preset 'to_dict'"):
        ToyConfig.preset("to_dict")


def test_replace_changes_a_copy_by_dotted_path():
    config = ToyConfig.tiny()
    changed = config.replace(**{"part.kernels": (7,), "vocabulary": 3})
    assert (changed.part.kernels, changed.vocabulary) == ((7,), 3)
    assert config == ToyConfig.tiny()
    assert config.replace(part=ToyPartConfig(hidden_size=2)).part.hidden_size == 2
    with pytest.raises(ConfigError, match=r"part.kernels"):
        config.replace(**{"part.kernels": 7})
    with pytest.raises(FrozenInstanceError):
        config.vocabulary = 5
