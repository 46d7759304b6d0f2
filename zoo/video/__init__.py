"""Pictures, still and moving, in and out."""

from __future__ import annotations

from zoo.video.decode import VideoInfo, probe_video
from zoo.video.image import as_image, load_image, save_image
from zoo.video.read import FPS, as_video, load_video, stream_video
from zoo.video.write import VideoWriter, save_video

__all__ = [
    "FPS",
    "VideoInfo",
    "VideoWriter",
    "as_image",
    "as_video",
    "load_image",
    "load_video",
    "probe_video",
    "save_image",
    "save_video",
    "stream_video",
]
