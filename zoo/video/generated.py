"""The mark of generated films: what says, in the file and on request in the picture, that a
machine made the face speak.

An mp4 file gets two tags that every player and `ffprobe` show. `comment` is a sentence for people.
`description` is one line of JSON with the words of the C2PA specification and the IPTC vocabulary
it refers to: an action `c2pa.edited`, its `digitalSourceType`, and the software. Tags are not
signed and are lost when a film is filmed from a screen; who publishes can add a signed C2PA
manifest with the same content.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from zoo._version import __version__
from zoo.audio.files import check_file, open_container
from zoo.errors import ConfigError
from zoo.tasks import Video
from zoo.video.decode import VIDEO

Mark = Literal["metadata", "visible", "none"]
MARKS: Final = ("metadata", "visible", "none")
SENTENCE: Final = "This film was generated: a program made the face say these words."
SOURCE_TYPE: Final = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
LETTERS: Final = "AI-GENERATED"


def mark_video(video: Video, mark: Mark = "metadata", *, model: str) -> Video:
    """The same film with the mark.

    Args:
        video: a generated film.
        mark: "metadata", "visible" (letters in the lower left corner, and the tags), "none".
        model: what made it.

    Raises:
        ConfigError: there is no such mark.
    """
    if mark not in MARKS:
        raise ConfigError(f"mark {mark!r}: use one of {', '.join(MARKS)}")
    if mark == "none":
        return video
    claim = {
        "claim_generator": f"zoo/{__version__}",
        "actions": [
            {
                "action": "c2pa.edited",
                "digitalSourceType": SOURCE_TYPE,
                "softwareAgent": model,
                "parameters": {"description": "the mouth was painted to follow a recording"},
            }
        ],
    }
    tags = {"comment": SENTENCE, "description": json.dumps(claim, separators=(",", ":"))}
    frames = with_letters(video.frames) if mark == "visible" else video.frames
    return replace(video, frames=frames, tags={**video.tags, **tags})


def with_letters(frames: Tensor, text: str = LETTERS) -> Tensor:
    """Frames (T, 3, H, W) uint8 with letters in the lower left corner, readable on any ground."""
    height, width = frames.shape[-2:]
    font = ImageFont.load_default(max(8, height // 18))
    box = font.getbbox(text, stroke_width=1)
    sign = Image.new("LA", (int(box[2]) + 2, int(box[3]) + 2))
    ImageDraw.Draw(sign).text((1, 1), text, (255, 255), font, stroke_width=1, stroke_fill=(0, 255))
    pixels = torch.from_numpy(np.array(sign)).float()[:height, :width]
    ink, alpha = pixels[..., 0], pixels[..., 1] / 255
    rows = slice(height - len(pixels), height)
    result = frames.clone()
    corner = result[..., rows, : pixels.shape[1]].float()
    result[..., rows, : pixels.shape[1]] = (corner + alpha * (ink - corner)).round().byte()
    return result


def read_mark(path: str | Path) -> dict[str, Any] | None:
    """The claim in the tags of a film, None where there is none.

    Raises:
        MediaError: it is no readable video.
    """
    with open_container(check_file(path, VIDEO), VIDEO) as container:
        text = dict(container.metadata).get("description", "")
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "claim_generator" in found else None
