"""Pictures, still and moving, in and out."""

from __future__ import annotations

from zoo.video.image import as_image, load_image, save_image

__all__ = ["as_image", "load_image", "save_image"]
