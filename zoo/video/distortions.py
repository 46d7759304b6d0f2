"""Corrupted versions of a test video, one draw per utterance.

`occlusion` puts something in front of the mouth, `noise` gives a span of the clip Gaussian noise or
blur, `occlusion+noise` does both: the three test sets of AV-RelScore (arXiv 2303.08536). The
official sets were drawn with unseeded generators and cannot be made again, so these are called
`zoo-...`; every draw is a function of the set's name and the utterance's id. Frames are corrupted
whole, before mouths are cut.
"""

from __future__ import annotations

from difflib import get_close_matches
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.audio.distortions import utterance_draw
from zoo.errors import ConfigError
from zoo.video.landmarks import Landmarks, check_length
from zoo.video.mouth import mean_face
from zoo.video.occlusion import MAX_VARIANCE, Occluder, draw_span, occlude_test

DISTORTIONS = {
    "zoo-occlusion": (True, False),
    "zoo-noise": (False, True),
    "zoo-occlusion+noise": (True, True),
}
TRACK_SIZE = 224  # side of LRS3's face tracks
OCCLUDER_SHARE = 42 / TRACK_SIZE  # of a frame's side: 42 pixels on LRS3, 30 on LRS2's 160
_MAX_SIGMA = 2.0
_MIN_SIGMA = 0.1
_KERNEL = [7, 7]


def distort_video(
    frames: Tensor, name: str, utterance: str, landmarks: Landmarks | None = None
) -> Tensor:
    """Corrupt the frames of an utterance.

    Args:
        frames: (T, 3, H, W) uint8, the whole face track.
        name: a key of `DISTORTIONS`.
        utterance: its id; every draw is a function of it and `name`.
        landmarks: 68 points a frame; None takes the mouth to be where it is on average in a face
            track.

    Returns:
        (T, 3, H, W) uint8, new.

    Raises:
        ConfigError: no such set.
        MediaError: landmarks of another clip.
    """
    if name not in DISTORTIONS:
        near = get_close_matches(name, DISTORTIONS, n=2, cutoff=0.3) or list(DISTORTIONS)
        raise ConfigError(f"unknown distortion {name!r}; did you mean {' or '.join(near)}?")
    occluded, noisy = DISTORTIONS[name]
    draw = utterance_draw(name, utterance)
    if occluded:
        frames = occlude(frames, draw, landmarks)
    return add_noise_or_blur(frames, draw) if noisy else frames


def occlude(frames: Tensor, draw: Random, landmarks: Landmarks | None = None) -> Tensor:
    """Hold something in front of the mouth for 0.3 to 0.5 of the clip (T, 3, H, W) uint8."""
    height, width = frames.shape[-2:]
    if landmarks is None:
        # in a face track the mouth is about the middle, and a face as large as the mean face
        face = mean_face()
        face = (face - face[48:].mean(axis=0)) * min(height, width) / TRACK_SIZE
        face = face + np.array([width / 2, height / 2])
        points = np.repeat(face[None], len(frames), axis=0)
    else:
        check_length(landmarks, frames)
        points = landmarks.interpolated().points
    occluder = draw_occluder(draw, max(4, round(OCCLUDER_SHARE * min(height, width))))
    pixels = frames.permute(0, 2, 3, 1).cpu().numpy()
    return torch.from_numpy(occlude_test(pixels, points, occluder, draw)).permute(0, 3, 1, 2)


def add_noise_or_blur(frames: Tensor, draw: Random) -> Tensor:
    """Gaussian noise or blur, either with chance 0.5, on 0.3 to 0.5 of the clip."""
    span = draw_span(draw, len(frames), 0, 1, shortest=0.3)
    part = frames[span.start : span.start + span.length]
    if draw.random() < 0.5:
        changed = gaussian_noise(part, draw.random() * MAX_VARIANCE, draw.getrandbits(32))
    else:
        changed = blur(part, draw.uniform(_MIN_SIGMA, _MAX_SIGMA))
    result = frames.clone()
    result[span.start : span.start + span.length] = changed
    return result


def gaussian_noise(frames: Tensor, variance: float, seed: int) -> Tensor:
    """Add noise of a variance (of values in [0, 1]) to uint8 frames of any shape."""
    draw = np.random.default_rng(seed)
    noise = torch.from_numpy(draw.standard_normal(tuple(frames.shape), dtype=np.float32))
    noisy = (frames.float() / 255 + noise.to(frames.device) * variance**0.5).clamp(0, 1)
    pixels: Tensor = (noisy * 255).to(torch.uint8)  # parity: cast, not rounded
    return pixels


def blur(frames: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of 7 x 7 pixels on uint8 frames (..., H, W)."""
    # parity: the second version of this function rounds a few pixels the other way
    from torchvision.transforms.functional import gaussian_blur

    blurred: Tensor = gaussian_blur(frames, _KERNEL, [sigma, sigma])
    return blurred


def draw_occluder(draw: Random, side: int) -> Occluder:
    """A textured blob of about `side` pixels, in place of the photographs of the official sets."""
    random = np.random.default_rng(draw.getrandbits(32))
    y, x = np.mgrid[:side, :side] * (2 / (side - 1)) - 1
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    # a closed outline between 0.7 and 1 of the half side
    waves = [random.normal(0, 0.05) * np.cos(k * angle + random.uniform(0, 6.3)) for k in (2, 3, 5)]
    outline = np.clip(0.85 + np.sum(waves, axis=0), 0.7, 1.0)
    mask = np.clip((outline - radius) * side / 4, 0, 1)
    texture = _texture(random, side)[..., None] * random.uniform(20, 60, size=3)
    colour = random.uniform(40, 215, size=3)
    pixels = np.clip(colour + texture, 0, 255)
    return Occluder(pixels.astype(np.uint8), (mask * 255).astype(np.uint8))


def _texture(random: np.random.Generator, side: int) -> NDArray[np.float64]:
    """Stripes and grain, about -1 to 1, (side, side)."""
    y, x = np.mgrid[:side, :side] / side
    turn = random.uniform(0, np.pi)
    stripes = np.sin(2 * np.pi * random.uniform(2, 5) * (x * np.cos(turn) + y * np.sin(turn)))
    texture: NDArray[np.float64] = 0.8 * stripes + 0.2 * random.standard_normal((side, side))
    return texture
