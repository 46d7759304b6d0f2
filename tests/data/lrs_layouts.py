"""LRS2, LRS3 and LRS-VoxMM in miniature, with the quirks of the real archives."""

from __future__ import annotations

from pathlib import Path

from tests.make_media import tone, write_clip, write_sound

RATE = 16_000
# ids of eleven characters may hold "-" and "_"
LRS3_VIDEOS = {
    "pretrain": ("a-b_c-d_e-f",),
    "trainval": ("0C5UQbWzwg8", "_3xGq-9aB_c", "zz-_zz-_zz0"),
    "test": ("81Ub0SMxZQo",),
}
LONG_LABEL = """Text:  {UM} THIS IS A LONG ONE: WITH 2 PAUSES\r
Conf:  4\r
Ref:  a-b_c-d_e-f\r
\r
FRAME \tX \tY \tW \tH\r
000084 \t0.468 \t0.180 \t0.101 \t0.179\r
\r
WORD START END ASDSCORE\r
UM 0.10 0.30 7.2\r
THIS 0.40 0.60 1.5\r
IS 17.00 17.20 3\r
"""


def label(text: str, conf: str = "Conf:  4\n") -> str:
    return f"Text:  {text}\n{conf}"


def clip(stem: Path, text: str, *, frames: int = 25, wav: bool = False) -> None:
    """One clip: a 64 x 64 video with sound, its text, and perhaps its sound as a file."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    sound = tone(frames / 25, RATE)
    write_clip(stem.with_suffix(".mp4"), frames=frames, size=(64, 64), sound=sound, rate=RATE)
    if wav:
        write_sound(stem.with_suffix(".wav"), sound, RATE)
    stem.with_suffix(".txt").write_text(text, encoding="utf-8", newline="")


def lrs3(root: Path) -> Path:
    clip(root / "pretrain" / LRS3_VIDEOS["pretrain"][0] / "00001", LONG_LABEL, frames=30)
    for k, video in enumerate(LRS3_VIDEOS["trainval"]):
        for number in (50001, 50002):
            clip(root / "trainval" / video / str(number), label(f"CLIP {number} OF {k}"))
    folder = root / "test" / LRS3_VIDEOS["test"][0]
    clip(folder / "00002", label("HOW WOULD I KNOW"), wav=True)
    clip(folder / "00003", "Text: IT'S 10\n", frames=12)
    write_clip(folder / "00003_lip.mp4", frames=12)  # no clip of the dataset
    return root


def lrs2(root: Path) -> Path:
    tree = root / "mvlrs_v1"
    for number in ("5535415699068794046", "6330311066473698535"):
        clip(tree / "main" / number / "00001", label(f"WHEN YOU ARE {number[:2]}"))
    clip(tree / "pretrain" / "5535415699068794046" / "00007", LONG_LABEL)
    (root / "train.txt").write_text("6330311066473698535/00001\n")
    (root / "val.txt").write_bytes(b"6330311066473698535/00001\r")
    (root / "test.txt").write_text("5535415699068794046/00001 NF\n")
    (root / "pretrain.txt").write_text("5535415699068794046/00007\n")
    return root


def lrs_voxmm(root: Path) -> Path:
    for split, video in (("train", "vA-_1234567"), ("test", "vB-_1234567")):
        for number in ("00000", "00001"):
            clip(root / "original" / split / video / number, label(f"{split} {number}".upper()))
    for condition in ("noise_easy", "3dist_hard"):
        for number in ("00000", "00001"):
            path = root / condition / "test" / "vB-_1234567" / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_sound(path, tone(1.0, RATE, hertz=200), RATE)
    return root
