"""Where a transcript differs from its reference, word by word."""

from __future__ import annotations

from dataclasses import dataclass

_KINDS = {"equal": "equal", "substitute": "substituted", "delete": "deleted", "insert": "inserted"}


@dataclass(frozen=True)
class Piece:
    """Consecutive words of one kind; `said` is the reference, `text` the transcript.

    Kinds: `equal`, `substituted`, `deleted` (only in the reference), `inserted`.
    """

    kind: str
    text: str
    said: str


def diff_words(reference: str, transcript: str) -> tuple[Piece, ...]:
    """Align two texts whose words lie between spaces."""
    said, text = reference.split(), transcript.split()
    if not said or not text:
        kind = "deleted" if said else "inserted"
        whole = Piece(kind, " ".join(text), " ".join(said))
        return (whole,) if said or text else ()
    import jiwer

    aligned = jiwer.process_words(" ".join(said), " ".join(text)).alignments[0]
    return tuple(
        Piece(
            _KINDS[chunk.type],
            " ".join(text[chunk.hyp_start_idx : chunk.hyp_end_idx]),
            " ".join(said[chunk.ref_start_idx : chunk.ref_end_idx]),
        )
        for chunk in aligned
    )
