"""What the catalogue knows about a checkpoint's agreement with the official implementation."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.hub.entry import Entry


def agreement(entry: Entry, siblings: Sequence[Entry]) -> str | None:
    """A sentence or two for the model card; None where nothing is known.

    Args:
        entry: the checkpoint's.
        siblings: all entries of its manifest.
    """
    if entry.parity.get("status") == "pass":
        return _compared(entry)
    if entry.source.kind != "ours":
        return None
    official = [other for other in siblings if other.source.kind == "official"]
    if official and all(other.status == "unavailable" for other in official):
        return f"There is no official implementation to compare with ({official[0].reason})."
    if entry.paper.code is None:
        return "There is no official implementation: the model is this project's own."
    return "The network of this checkpoint was not compared with the official implementation."


def _compared(entry: Entry) -> str:
    golden, ours = entry.parity["golden"], entry.source.kind == "ours"
    text = (
        f"The code of `{entry.model}`{', with the official settings,' if ours else ''} reproduces "
        "outputs recorded from the official implementation with reduced random weights (golden "
        f"vectors `{golden}`) within a relative error of {entry.parity['tolerance']:g}; "
        f"`tests/parity/test_{golden}.py` checks it."
    )
    if ours:
        text += (
            " The weights of this checkpoint are not the official ones: this project trained them, "
            "in sizes and settings of its own (see also the limitations below)."
        )
    return text
