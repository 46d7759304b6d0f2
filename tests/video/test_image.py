"""Pictures: modes, orientation, tensors; and what is refused, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.errors import MediaError
from zoo.tasks import Picture
from zoo.video import as_image, load_image, save_image

RED, WHITE = (255, 0, 0), (255, 255, 255)


def picture(mode: str = "RGB", size: tuple[int, int] = (6, 4), colour: Any = RED) -> Image.Image:
    return Image.new(mode, size, colour)


def test_png_is_exact(tmp_path: Path) -> None:
    pixels = torch.randint(0, 256, (3, 5, 7), dtype=torch.uint8)
    path = save_image(tmp_path / "new" / "a.png", pixels)
    back = load_image(path)
    assert (back.mode, back.size) == ("RGB", (7, 5))
    assert np.array_equal(np.asarray(back), pixels.permute(1, 2, 0).numpy())


def test_jpg(tmp_path: Path) -> None:
    path = save_image(tmp_path / "a.jpg", picture())
    assert np.abs(np.asarray(load_image(path)).astype(int) - RED).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int) -> None:
    stored = picture(size=(40, 20), colour=(0, 0, 0))
    stored.paste(WHITE, (0, 0, 10, 10))  # the corner stored first
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    stored.save(path, exif=exif, quality=95)
    shown = np.asarray(load_image(path).convert("L")).astype(int)
    assert shown.shape == ((20, 40) if orientation <= 4 else (40, 20))
    # where the first stored corner belongs, by the EXIF standard
    row = -5 if orientation in (3, 4, 7, 8) else 5
    column = -5 if orientation in (2, 3, 6, 7) else 5
    assert shown[row, column] > 200
    assert shown.mean() < 60


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 128, (128, 128, 128)),
        ("1", 1, WHITE),
        ("RGBA", (255, 0, 0, 255), RED),
        ("RGBA", (255, 0, 0, 0), WHITE),
        ("LA", (0, 0), WHITE),
        ("I;16", 65535, WHITE),
        ("I;16", 257 * 100, (100, 100, 100)),
    ],
)
def test_modes(tmp_path: Path, mode: str, colour: Any, expected: tuple[int, ...]) -> None:
    path = tmp_path / "a.png"
    picture(mode, colour=colour).save(path)
    loaded = load_image(path)
    assert loaded.mode == "RGB"
    assert loaded.getpixel((2, 2)) == expected


def test_palette(tmp_path: Path) -> None:
    palette = picture().convert("P", palette=Image.Palette.ADAPTIVE)
    palette.save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png").getpixel((0, 0)) == RED
    palette.save(tmp_path / "b.png", transparency=palette.getpixel((0, 0)))
    assert load_image(tmp_path / "b.png").getpixel((0, 0)) == WHITE


def test_cmyk_and_float(tmp_path: Path) -> None:
    picture("CMYK", colour=(0, 0, 0, 0)).save(tmp_path / "a.jpg")
    assert load_image(tmp_path / "a.jpg").getpixel((0, 0)) == WHITE
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "a.tiff")
    assert load_image(tmp_path / "a.tiff").getpixel((0, 0)) == (128, 128, 128)


def test_as_image_takes_paths_pillow_tensors_and_pictures(tmp_path: Path) -> None:
    path = save_image(tmp_path / "a.png", picture())
    pixels = torch.tensor(RED, dtype=torch.uint8)[:, None, None].expand(3, 4, 6)
    for given in (path, str(path), picture(), picture("RGBA", colour=(*RED, 255)), pixels,
                  pixels.float() / 255, Picture(pixels)):  # fmt: skip
        image = as_image(given)
        assert (image.mode, image.size) == ("RGB", (6, 4))
        assert image.getpixel((3, 3)) == RED
    assert as_image(torch.full((1, 2, 2), 7, dtype=torch.uint8)).getpixel((0, 0)) == (7, 7, 7)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (3, "expected an image as a path, .* got int"),
        (np.zeros((3, 4, 4)), "got ndarray"),
        (torch.zeros(4, 4, 3), r"image tensor: expected \(3, H, W\), got shape \(4, 4, 3\)"),
        (torch.zeros(3, 0, 4), r"got shape \(3, 0, 4\)"),
        (torch.full((3, 2, 2), 200.0), r"expected floats in \[0, 1\], got 200\.\.200"),
        (torch.full((3, 2, 2), float("nan")), "got nan"),
        (torch.zeros(3, 2, 2, dtype=torch.int64), "expected uint8 or float, got torch.int64"),
    ],
)
def test_as_image_refuses(image: Any, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        as_image(image)


def test_missing_folder_empty_wrong_type(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"none\.png: no such file; expected a picture \(png"):
        load_image(tmp_path / "none.png")
    with pytest.raises(MediaError, match="is a folder; expected a picture"):
        load_image(tmp_path)
    (tmp_path / "empty.png").touch()
    with pytest.raises(MediaError, match=r"empty\.png: empty file \(0 bytes\)"):
        load_image(tmp_path / "empty.png")
    with pytest.raises(MediaError, match=r"expected a path to a picture .*got int"):
        load_image(3)  # type: ignore[arg-type]


def test_unreadable_and_truncated(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no picture")
    with pytest.raises(MediaError, match=r"notes\.png: is no picture .*convert it"):
        load_image(tmp_path / "notes.png")
    noise = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    for ending in ("png", "jpg"):
        path = save_image(tmp_path / f"a.{ending}", noise)
        path.write_bytes(path.read_bytes()[:2000])
        with pytest.raises(MediaError, match=rf"a\.{ending}: damaged or truncated .*copy the"):
            load_image(path)


def test_saving_refuses(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"a\.bmp: unknown picture ending; use \.png or \.jpg"):
        save_image(tmp_path / "a.bmp", picture())


def test_real_photographs(real_root: Path) -> None:
    paths = sorted((real_root / "images").glob("*.jpg"))
    if not paths:
        pytest.skip("ZOO_REAL: no photographs")
    for path in paths:
        image = load_image(path)
        assert image.mode == "RGB"
        assert min(image.size) > 100
        assert np.asarray(image).std() > 10
