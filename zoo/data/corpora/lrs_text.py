"""Writes the text files that lie beside the clips of LRS3 and LRS-VoxMM."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.data.corpora.espeak import Segment


def lrs_text(
    text: str,
    confidence: float,
    *,
    words: Sequence[Segment] = (),
    ref: str | None = None,
    frames: int = 0,
    end: str = "\n",
) -> str:
    """The content of a text file.

    Args:
        text: transcript in upper case.
        confidence: of the alignment.
        words: with times in the clip; empty writes no table.
        ref: the source video; with it come the boxes of `frames` frames, as in the archive that
            holds the annotations only.
        frames: how many.
        end: of the lines.
    """
    lines = [f"Text:  {text}", f"Conf:  {confidence:g}"]
    if ref is not None:
        boxes = [f"{k:06d} 0.280 0.120 0.250 0.444" for k in range(frames)]
        lines += [f"Ref: {ref}", "", "FRAME X Y W H", *boxes]
    if words:
        rows = [f"{w.label} {w.start_ms / 1e3:.2f} {w.end_ms / 1e3:.2f} 7.2" for w in words]
        lines += ["", "WORD START END ASDSCORE", *rows]
    return "".join(f"{line}{end}" for line in lines)
