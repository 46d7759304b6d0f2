"""Small datasets written in the layouts of the original archives, quirks included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

SIZES = {"train": 12, "dev": 4, "test": 4}
STRAY = "2258277193_586949ec62.jpg.1"  # captioned in the official file, but there is no picture
TEXT = "A dog, two cats and a Ball number {k} in {stem} ."


def picture(path: Path, seed: int, size: tuple[int, int] = (40, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)


def recording(path: Path, seed: int, rate: int = 16000) -> int:
    """Write 0.5 to 1.5 s of noise; returns the number of samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    count = int(rng.uniform(0.5, 1.5) * rate)
    soundfile.write(path, rng.uniform(-0.3, 0.3, count), rate, subtype="PCM_16")
    return count


def flickr_stems() -> dict[str, list[str]]:
    """Names of the pictures by split, in an order that is not the sorted one."""
    rng = np.random.default_rng(0)
    stems = [f"{rng.integers(10**6, 10**9)}_{k:010x}" for k in range(sum(SIZES.values()))]
    found, start = {}, 0
    for split, size in SIZES.items():
        found[split], start = stems[start : start + size], start + size
    return found


def write_flickr8k(root: Path) -> dict[str, list[str]]:
    """The official form: Flickr8k_Dataset.zip, Flickr8k_text.zip and flickr_audio.tar.gz."""
    by_split = flickr_stems()
    tokens, captions, speakers = [], [], []
    for number, stem in enumerate(stem for stems in by_split.values() for stem in stems):
        picture(root / "Flicker8k_Dataset" / f"{stem}.jpg", number)
        for k in range(5):
            wav = f"{stem}_{k}.wav"
            recording(root / "flickr_audio" / "wavs" / wav, 5 * number + k)
            tokens.append(f"{stem}.jpg#{k}\t{TEXT.format(k=k, stem=stem)}")
            captions.append(f"{wav} {stem}.jpg #{k}")
            speakers.append(f"{wav} {number % 7}")
    tokens += [f"{STRAY}#{k}\tA man ." for k in range(5)]
    lines(root / "Flickr8k.token.txt", tokens)
    lines(root / "flickr_audio" / "wav2capt.txt", captions)
    lines(root / "flickr_audio" / "wav2spk.txt", speakers)
    (root / "flickr_audio" / "wavs" / "notes.txt").write_text("not a recording")
    for split, stems in by_split.items():
        lines(root / f"Flickr_8k.{split}Images.txt", [f"{stem}.jpg" for stem in stems])
    return by_split


def to_kaggle(root: Path) -> None:
    """Kaggle's form: Images/ and captions.txt, with commas in the captions."""
    (root / "Flicker8k_Dataset").rename(root / "Images")
    rows = ["image,caption"]
    for line in (root / "Flickr8k.token.txt").read_text().splitlines():
        key, text = line.split("\t")
        if not key.startswith(STRAY):
            rows.append(f"{key.rpartition('#')[0]},{text}")
    lines(root / "captions.txt", rows)
    (root / "Flickr8k.token.txt").unlink()


COCO_PARTS = {  # Karpathy split -> COCO's own part and the numbers of its pictures
    "train": ("train", range(9, 21)),
    "restval": ("val", range(30, 34)),
    "val": ("val", range(391895, 391899)),
    "test": ("val", range(50, 54)),
}


def coco_image(part: str, number: int) -> str:
    return f"{part}2014/COCO_{part}2014_{number:012d}.jpg"


def write_coco(root: Path) -> None:
    """COCO 2014, dataset_coco.json of caption_datasets.zip, and SpokenCOCO.tar.gz."""
    spoken: dict[str, list[dict[str, Any]]] = {"train": [], "val": []}
    rows = []
    for split, (part, numbers) in COCO_PARTS.items():
        for number in numbers:
            image = coco_image(part, number)
            picture(root / image, number)
            spoken[part].append(_spoken_row(root, part, number, image))
            rows.append(_karpathy_row(split, number, image))
    dump(root / "dataset_coco.json", {"dataset": "coco", "images": rows})
    for part, data in spoken.items():
        dump(root / "SpokenCOCO" / f"SpokenCOCO_{part}.json", {"data": data})


def write_ksplit(root: Path) -> None:
    """SpeechCLIP's ksplit.tar.gz, which has ids of its own."""
    data = {
        part: json.loads((root / "SpokenCOCO" / f"SpokenCOCO_{part}.json").read_text())["data"]
        for part in ("train", "val")
    }
    rows = {row["image"]: row for row in data["train"] + data["val"]}
    for split, parts in (("train", ("train", "restval")), ("val", ("val",)), ("test", ("test",))):
        chosen = []
        for part, numbers in (COCO_PARTS[p] for p in parts):
            chosen += [rows[coco_image(part, number)] for number in numbers]
        data_ = [{**row, "reassign_id": 1000 + k} for k, row in enumerate(chosen)]
        dump(root / "SpokenCOCO" / f"SpokenCOCO_ksplit_{split}.json", {"data": data_})


def _spoken_row(root: Path, part: str, number: int, image: str) -> dict[str, Any]:
    captions = []
    for k in range(5):
        uttid = f"m{number % 3:03d}-{number}_{k}"
        wav = f"wavs/{part}/{k % 2}/{uttid}.wav"
        recording(root / "SpokenCOCO" / wav, number + k, rate=(16000, 44100)[number % 2])
        text = f" A DOG number {k} of {number} "
        captions.append({"text": text, "wav": wav, "speaker": f"m{number % 3:03d}", "uttid": uttid})
    return {"image": image, "captions": captions}


def _karpathy_row(split: str, number: int, image: str) -> dict[str, Any]:
    folder, name = image.split("/")
    sentences = [{"raw": f"A dog number {k}.", "tokens": ["a", "dog"]} for k in range(6)]
    return {
        "filepath": folder,
        "filename": name,
        "cocoid": number,
        "split": split,
        "sentences": sentences,
    }


def lines(path: Path, rows: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def dump(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
