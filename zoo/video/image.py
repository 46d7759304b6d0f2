"""Pictures in and out through Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from zoo.audio.files import check_file, replacing
from zoo.errors import MediaError
from zoo.tasks import ImageLike, Picture

PICTURE = "a picture (png or jpg)"


def load_image(path: str | Path) -> Image.Image:
    """Load a picture as RGB, 8 bit, the right way up.

    The EXIF orientation is applied, palettes and greyscale are expanded, 16-bit values are scaled
    to 8 bit, transparent parts are laid on white, and of an animation the first frame is taken.

    Raises:
        MediaError: the file is missing, a folder, empty, truncated, or no picture.
    """
    path = check_file(path, PICTURE)
    try:
        with Image.open(path) as picture:
            picture.load()
            return to_rgb(ImageOps.exif_transpose(picture))
    except UnidentifiedImageError as error:
        raise MediaError(
            f"{path}: is no picture that Pillow can read; expected {PICTURE}, convert it"
        ) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MediaError(
            f"{path}: damaged or truncated picture ({error}); copy the file again"
        ) from error


def to_rgb(picture: Image.Image) -> Image.Image:
    """Any Pillow picture as 8-bit RGB; transparency is laid on white."""
    if picture.mode == "RGB":
        return picture
    if picture.mode.startswith(("I", "F")):
        return Image.fromarray(_scale_to_bytes(picture)).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return picture.convert("RGB")


def _scale_to_bytes(picture: Image.Image) -> Any:
    """Grey values of more than 8 bits as (H, W) uint8; Pillow itself would clip them at 255."""
    grey = np.asarray(picture, dtype=np.float64)
    top = 65535.0 if picture.mode.startswith("I") else max(float(np.nanmax(grey)), 1.0)
    return np.rint(np.nan_to_num(grey).clip(0, top) * (255.0 / top)).astype(np.uint8)


def as_image(image: ImageLike) -> Image.Image:
    """The RGB picture of anything a task method takes for an image.

    Args:
        image: a path, a Pillow picture, a tensor (3, H, W) uint8 or float in [0, 1], a `Picture`.

    Raises:
        MediaError: the file cannot be used, or the tensor is not such a picture.
    """
    if isinstance(image, (str, Path)):
        return load_image(image)
    if isinstance(image, Image.Image):
        return to_rgb(ImageOps.exif_transpose(image))
    if isinstance(image, Picture):
        return to_pillow(image.pixels)
    if isinstance(image, Tensor):
        return to_pillow(image)
    raise MediaError(
        "expected an image as a path, a PIL image or a tensor (3, H, W), "
        f"got {type(image).__name__}"
    )


def to_pillow(pixels: Tensor) -> Image.Image:
    """A picture tensor (3, H, W) or (1, H, W), uint8 or float in [0, 1], as Pillow RGB."""
    shape = tuple(pixels.shape)
    if len(shape) != 3 or shape[0] not in (1, 3) or 0 in shape:
        raise MediaError(f"image tensor: expected (3, H, W), got shape {shape}")
    pixels = pixels.detach().cpu()
    if pixels.is_floating_point():
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= -1e-4 and high <= 1 + 1e-4):  # NaN fails this as well
            raise MediaError(f"image tensor: expected floats in [0, 1], got {low:.3g}..{high:.3g}")
        pixels = (pixels * 255).round().clamp(0, 255).to(torch.uint8)
    if pixels.dtype != torch.uint8:
        raise MediaError(f"image tensor: expected uint8 or float, got {pixels.dtype}")
    return Image.fromarray(pixels.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())


def save_image(path: str | Path, image: ImageLike) -> Path:
    """Write a picture as `.png` (lossless) or `.jpg` (quality 95) and return the path."""
    path = Path(path)
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise MediaError(f"{path}: unknown picture ending; use .png or .jpg")
    picture = as_image(image)
    with replacing(path) as part:
        picture.save(part, quality=95)
    return path
