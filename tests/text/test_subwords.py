from __future__ import annotations

import pytest

from zoo.errors import CheckpointError, ConfigError
from zoo.text.subwords import EOS, MODEL_FILE, PAD, SPECIALS, UNK, Subwords, train_subwords

TEXTS = ["tina sees the sea", "leo sees a pear", "the bear has tea", "nina has a nut"]


@pytest.fixture(scope="module")
def model() -> bytes:
    return train_subwords(TEXTS, 30)


def test_there_and_back(model: bytes) -> None:
    subwords = Subwords(model)
    assert tuple(subwords.symbols[:4]) == SPECIALS and len(subwords) <= 30
    for text in TEXTS:
        assert subwords.decode(subwords.encode(text)) == text


def test_words_know_their_pieces(model: bytes) -> None:
    subwords = Subwords(model)
    ids = subwords.encode("the sea")
    words = subwords.words([PAD, *ids, EOS])
    assert [word for word, _ in words] == ["the", "sea"]
    assert sorted(place for _, places in words for place in set(places)) == list(
        range(1, len(ids) + 1)
    )


def test_a_dictionary_numbers_the_pieces(model: bytes) -> None:
    plain = Subwords(model)
    reversed_lines = "".join(f"{s} 1\n" for s in reversed(plain.symbols[4:])).encode()
    other = Subwords(model, reversed_lines)
    text = TEXTS[0]
    assert other.encode(text) != plain.encode(text)
    assert other.decode(other.encode(text)) == text
    short = Subwords(model, b"".join(line + b"\n" for line in reversed_lines.splitlines()[:3]))
    assert UNK in short.encode(text)


def test_errors(model: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"has no subwords\.model"):
        Subwords.from_side_files({}, "avhubert.base")
    with pytest.raises(CheckpointError, match="not a sentencepiece model"):
        Subwords.from_side_files({MODEL_FILE: b"nonsense"}, "avhubert.base")
    with pytest.raises(ConfigError, match="no sub-words of size 5"):
        train_subwords(TEXTS, 5)
