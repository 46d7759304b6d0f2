"""Reader of AV-HuBERT's manifests: `<split>.tsv` beside `<split>.wrd`, as MuAViC ships them too.

The first line of the tsv is a root, then a line an utterance: id, video, audio, frames, samples.
Videos are mouth crops of 96 x 96 pixels. Frame counts may be off by one (MuAViC rounds durations).
"""

from __future__ import annotations

from pathlib import Path

from zoo.data.utterances import Utterance
from zoo.errors import DataError

NAME = "avhubert-lists"
SAMPLE_RATE = 16_000


def read_avhubert_lists(
    tsv: str | Path, *, texts: str | Path | None = None, split: str | None = None
) -> list[Utterance]:
    """List the utterances of a manifest; paths are as the tsv has them, below its root.

    Args:
        tsv: the manifest.
        texts: transcripts, one a line in the same order; None takes `<name>.wrd` beside the tsv,
            and empty texts where there is none.
        split: name of the split; None is the tsv's name.

    Raises:
        DataError: missing or malformed file; the message names file and line.
    """
    path = Path(tsv)
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected a manifest of AV-HuBERT (.tsv)")
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    words = _texts(path, texts, len(lines))
    split = split or path.stem
    return [_utterance(path, k, line, words[k], split) for k, line in enumerate(lines)]


def _texts(tsv: Path, given: str | Path | None, count: int) -> list[str]:
    path = Path(given) if given is not None else tsv.with_suffix(".wrd")
    if given is None and not path.is_file():
        return [""] * count
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected the transcripts of {tsv.name}")
    texts = path.read_text(encoding="utf-8").splitlines()
    if len(texts) != count:
        raise DataError(f"{path}: {len(texts)} transcripts for the {count} utterances of {tsv}")
    return texts


def _utterance(path: Path, number: int, line: str, text: str, split: str) -> Utterance:
    cells = line.split("\t")
    if len(cells) != 5 or not cells[4].strip().isdigit():
        raise DataError(
            f"{path}:{number + 2} is not `id<tab>video<tab>audio<tab>frames<tab>samples`"
        )
    name, video, audio, _, samples = cells
    return Utterance(
        id=name,
        dataset=NAME,
        split=split,
        video=video or None,
        audio=audio or None,
        text=" ".join(text.split()),
        text_raw=text,
        source=name.rpartition("/")[0],
        duration_s=int(samples) / SAMPLE_RATE,
    )
