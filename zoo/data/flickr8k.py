"""Reader of Flickr8k with the Flickr Audio Caption Corpus, as the archives unpack.

Two forms of the pictures and texts are in use: the official one (`Flicker8k_Dataset/`, misspelt,
and `Flickr8k.token.txt`) and Kaggle's (`Images/` and `captions.txt`); folders may be mixed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from zoo.data.manifest import CaptionEntry, ImageEntry
from zoo.errors import DataError

NAME = "flickr8k"
SPLITS = {"train": "train", "dev": "dev", "val": "dev", "test": "test"}
IMAGE_FOLDERS = ("Flicker8k_Dataset", "Flickr8k_Dataset/Flicker8k_Dataset", "Images")
TEXT_FILES = ("Flickr8k.token.txt", "Flickr8k_text/Flickr8k.token.txt", "captions.txt")
WAV_FOLDERS = ("flickr_audio/wavs", "wavs")


def read_flickr8k(root: str | Path, split: str, *, speech: bool = True) -> list[ImageEntry]:
    """List the pictures of one split with their captions and recordings.

    `image_id` is the picture's place in the sorted list of all pictures present, as the official
    SpeechCLIP numbering has it. A recording that the corpus lacks is None; the one captioned name
    without a picture (`2258277193_586949ec62.jpg.1`) belongs to no split and drops out.

    Args:
        root: Folder that holds the picture folder, the captions, the split lists and
            `flickr_audio/`.
        split: "train", "dev" (or "val") or "test".
        speech: Whether recordings are needed; without, `flickr_audio/` may be absent.

    Raises:
        DataError: Something is not there; the message says what, and where it belongs.
    """
    base = Path(root)
    if split not in SPLITS:
        raise DataError(f"Flickr8k has no split {split!r}: train, dev or test")
    split = SPLITS[split]
    images = _find(base, IMAGE_FOLDERS, "the pictures of Flickr8k_Dataset.zip")
    texts = _captions(_find(base, TEXT_FILES, "the captions of Flickr8k_text.zip"))
    names = _split_names(base, split)
    ids = {stem: k for k, stem in enumerate(sorted(p.stem for p in images.glob("*.jpg")))}
    missing = [name for name in names if Path(name).stem not in ids]
    if missing:
        raise DataError(
            f"{len(missing)} of the {len(names)} pictures of Flickr8k {split} are not in {images}, "
            f"the first is {missing[0]}: unpack Flickr8k_Dataset.zip there again"
        )
    wavs = _wavs(base, names, split) if speech else {}
    speakers = _speakers(base) if speech else {}
    folder = images.relative_to(base).as_posix()
    entries = []
    for name in names:
        stem = Path(name).stem
        captions = tuple(
            CaptionEntry(k, text, wavs.get(wav := f"{stem}_{k}.wav"), speakers.get(wav))
            for k, text in sorted(texts.get(name, {}).items())
        )
        entries.append(ImageEntry(NAME, split, ids[stem], f"{folder}/{name}", captions))
    return entries


def clean_caption(text: str, *, lower: bool = False) -> str:
    """Strip, drop one final full stop, strip again; Kaggle's form is also lower-cased."""
    text = text.strip().removesuffix(".").strip()
    return text.lower() if lower else text


def _find(root: Path, candidates: tuple[str, ...], what: str) -> Path:
    for candidate in candidates:
        if (root / candidate).exists():
            return root / candidate
    raise DataError(f"{root} lacks {what}: put them at {' or '.join(candidates)} below it")


def _captions(path: Path) -> dict[str, dict[int, str]]:
    """Captions by picture name and number, from either form."""
    kaggle = path.name == "captions.txt"
    found: dict[str, dict[int, str]] = {}
    for name, k, text in _kaggle_lines(path) if kaggle else _token_lines(path):
        of_image = found.setdefault(name, {})
        of_image[len(of_image) if k is None else k] = clean_caption(text, lower=kaggle)
    return found


def _token_lines(path: Path) -> Iterator[tuple[str, int | None, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        key, tab, text = line.partition("\t")
        name, mark, k = key.rpartition("#")
        if line.strip() and not (tab and mark and k.isdigit()):
            raise DataError(f"{path}:{number} is not `<image>.jpg#<number><tab><caption>`")
        if tab:
            yield name, int(k), text


def _kaggle_lines(path: Path) -> Iterator[tuple[str, int | None, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()[1:], 2):
        stem, comma, text = line.partition(".jpg,")  # captions have commas of their own
        if line.strip() and not comma:
            raise DataError(f"{path}:{number} is not `<image>.jpg,<caption>`")
        if comma:
            yield f"{stem}.jpg", None, text


def _split_names(root: Path, split: str) -> list[str]:
    listing = f"Flickr_8k.{split}Images.txt"
    for folder in (root, root / "Flickr8k_text"):
        if (folder / listing).is_file():
            return (folder / listing).read_text(encoding="utf-8").split()
    karpathy = root / "dataset_flickr8k.json"  # the same pictures in the same splits
    if karpathy.is_file():
        wanted = "val" if split == "dev" else split
        rows = json.loads(karpathy.read_text(encoding="utf-8"))["images"]
        return [row["filename"] for row in rows if row["split"] == wanted]
    raise DataError(
        f"{root} lacks {listing} (of Flickr8k_text.zip), which lists the {split} pictures; "
        "dataset_flickr8k.json (the Karpathy split) does as well"
    )


def _wavs(root: Path, names: list[str], split: str) -> dict[str, str]:
    """Recordings present, by file name, as paths relative to the root."""
    folder = _find(root, WAV_FOLDERS, "the recordings of flickr_audio.tar.gz")
    found = {
        path.name: path.relative_to(root).as_posix()
        for path in folder.iterdir()
        if path.suffix == ".wav"
    }
    stems = {name.removesuffix(".jpg") for name in names}
    if not any(wav[: -len("_k.wav")] in stems for wav in found):
        raise DataError(
            f"{folder} has no recording of the {split} pictures: unpack flickr_audio.tar.gz so "
            "that <image>_<k>.wav files lie there"
        )
    return found


def _speakers(root: Path) -> dict[str, str]:
    for path in (root / "flickr_audio" / "wav2spk.txt", root / "wav2spk.txt"):
        if path.is_file():
            pairs = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
            return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    return {}
