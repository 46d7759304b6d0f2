"""Tiny generated corpora in the layouts of the real ones: no download, same seed, same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from zoo.data.corpora.build import Corpus, build, split_sizes
from zoo.data.corpora.lexicon import LANGUAGES
from zoo.errors import DataError

CORPORA: Final[dict[str, Corpus]] = {
    "tiny-flickr8k": Corpus(
        "drawn scenes, five spoken captions each, laid out as Flickr8k + Flickr Audio Captions",
        "pictures",
        "zoo.data.corpora.tiny_flickr8k",
    ),
    "tiny-coco": Corpus(
        "the same kind of scenes, laid out as COCO 2014 + Karpathy split + SpokenCOCO",
        "pictures",
        "zoo.data.corpora.tiny_coco",
    ),
    "tiny-lrs3": Corpus(
        "talking faces that say short English sentences, laid out as LRS3-TED",
        "clips",
        "zoo.data.corpora.tiny_lrs3",
        for_voices=True,
    ),
    "tiny-lrs-voxmm": Corpus(
        "the same under worse conditions, with distorted sound, laid out as LRS-VoxMM",
        "clips",
        "zoo.data.corpora.tiny_lrs_voxmm",
    ),
    "tiny-mtedx": Corpus(
        "talking faces in en, es, fr, it and pt with translations, laid out as mTEDx, with video",
        "clips",
        "zoo.data.corpora.tiny_mtedx",
        LANGUAGES,
    ),
}

__all__ = ["CORPORA", "make", "split_sizes"]


def make(
    name: str,
    folder: str | Path,
    *,
    seed: int = 0,
    clips: int | Mapping[str, int] = 1000,
    workers: int | None = None,
    languages: Sequence[str] | None = None,
    timbres: int | None = None,
    sound_only: bool = False,
    revoiced: int | None = None,
) -> Path:
    """Write a corpus; the bytes of every file depend on the arguments only, but for `workers`.

    Args:
        name: A key of `CORPORA`.
        folder: New or empty; appears only when the corpus is complete.
        seed: Draws scenes, sentences and voices.
        clips: Pictures (or clips) in all, split 6 : 1 : 1 over train, dev and test, or the number
            for each of the three.
        workers: Worker processes; None is one a core, 1 works in this process.
        languages: Only these of a corpus in several languages; None is all of them.
        timbres: Draw as many timbres for the training people, in place of the 44 of espeak-ng; dev
            and test stay as they are.
        sound_only: Leave out the pictures, which is much faster; what reads lips or draws
            faces can do nothing with it.
        revoiced: Make the corpus of this seed once more, parallel to the plain one clip by clip (the
            ids are the same), with each training clip in a timbre drawn for it alone; an encoder
            can learn from the pairs what does not depend on the voice. Another number, from 1,
            draws other timbres; dev and test stay as they are. Excludes `timbres`.

    Raises:
        DataError: Unknown name or language, folder not empty, numbers that cannot be met, or
            options that exclude each other.
    """
    if name not in CORPORA:
        raise DataError(f"there is no corpus {name!r}; there are: {', '.join(CORPORA)}")
    sizes = split_sizes(clips) if isinstance(clips, int) else dict(clips)
    if set(sizes) != {"train", "dev", "test"} or min(sizes.values()) < 1:
        raise DataError(f"clips must give at least one each to train, dev and test; got {sizes}")
    path = Path(folder)
    return build(
        name,
        CORPORA[name],
        path,
        seed=seed,
        sizes=sizes,
        workers=workers,
        languages=languages,
        timbres=timbres,
        sound_only=sound_only,
        revoiced=revoiced,
    )
