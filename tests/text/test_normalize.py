"""The text normalisers against their golden strings and against their stated rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import ConfigError, DataError
from zoo.text import NORMALIZERS, get_normalizer, straighten_quotes
from zoo.text.spelling import british_to_american


def has_word_list() -> bool:
    try:
        return bool(british_to_american())
    except DataError:
        return False


@pytest.mark.parametrize("rule", ["lrs", "strip_punct", "whisper_basic", "whisper_en"])
def test_golden_strings(golden_root: Path, rule: str) -> None:
    path = golden_root / "metrics" / "metrics_values.json"
    if not path.is_file():
        pytest.skip("ZOO_GOLDEN: no metrics golden")
    if rule == "whisper_en" and not has_word_list():
        pytest.skip("whisper_en: neither whisper-normalizer nor the Hub's word list is here")
    normalize = get_normalizer(f"{rule}@1")
    for row in json.loads(path.read_text("utf-8"))["text_normalisers"]:
        assert normalize(row["raw"]) == row[rule], row["raw"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("{UM} I’M  well-known—so", "UM I'M WELL KNOWN SO"),
        ("3.5 of 1,234 is 50%", "3 POINT 5 OF 1234 IS 50 PERCENT"),
        ("Café naïve", "CAFE NAIVE"),
        ("and/or snake_case\tx\n", "AND OR SNAKE CASE X"),
        ("end. Next, one", "END NEXT ONE"),
        ("`tis ´t", "'TIS 'T"),
    ],
)
def test_lrs_rules(raw: str, expected: str) -> None:
    assert get_normalizer("lrs@1")(raw) == expected
    assert get_normalizer("lrs_lower@1")(raw) == expected.lower()


@given(st.text())
def test_lrs_is_idempotent_and_keeps_its_alphabet(text: str) -> None:
    lrs = get_normalizer("lrs@1")
    once = lrs(text)
    assert lrs(once) == once
    assert set(once) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789' ")


def test_none_only_collapses_space() -> None:
    assert get_normalizer("none@1")("  A,\tb\n c ") == "A, b c"


def test_strip_punct_joins_words() -> None:
    assert get_normalizer("strip_punct@1")("Don't, well-known。") == "dont wellknown"


def test_curly_apostrophes_and_whisper() -> None:
    basic = get_normalizer("whisper_basic@1")
    assert basic("can’t") == basic(straighten_quotes("can’t")) == "can t"
    assert straighten_quotes("can’t ‘so’") == "can't 'so'"


def test_names() -> None:
    assert get_normalizer("lrs").name == "lrs@1"
    assert all(name == normalizer.name for name, normalizer in NORMALIZERS.items())
    for wrong in ("lrs@9", "lsr", "whisper"):
        with pytest.raises(ConfigError, match=f"unknown text normaliser '{wrong}'; did you mean"):
            get_normalizer(wrong)


def test_whisper_english_without_its_word_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.text.spelling.find_spec", lambda name: None)
    british_to_american.cache_clear()
    with pytest.raises(DataError, match=r"needs normalizer\.json of openai/.*whisper-normalizer"):
        british_to_american()
    british_to_american.cache_clear()
