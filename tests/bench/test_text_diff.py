"""Where a transcript differs from its reference."""

from __future__ import annotations

import pytest

from zoo.bench.text_diff import Piece, diff_words


@pytest.mark.parametrize(
    ("said", "text", "kinds"),
    [
        ("A B C", "A B C", [("equal", "A B C", "A B C")]),
        ("A B C", "A X C", [("equal", "A", "A"), ("substituted", "X", "B"), ("equal", "C", "C")]),
        ("A B C", "A C", [("equal", "A", "A"), ("deleted", "", "B"), ("equal", "C", "C")]),
        ("A C", "A B C", [("equal", "A", "A"), ("inserted", "B", ""), ("equal", "C", "C")]),
        ("A B", "", [("deleted", "", "A B")]),
        ("", "A B", [("inserted", "A B", "")]),
        ("", "", []),
    ],
)
def test_pieces(said: str, text: str, kinds: list[tuple[str, str, str]]) -> None:
    assert diff_words(said, text) == tuple(Piece(*kind) for kind in kinds)
