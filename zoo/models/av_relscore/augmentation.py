"""Corruption of training clips: what the paper calls visual corruption modelling, and babble.

Paper section 3.1, order and numbers of the official code (sheet sections 4 and 6.3). The pictures
of things that the official code blends in are drawn here.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from torch import Tensor

from zoo.audio.noise import relscore_train_noise
from zoo.models.av_relscore.config import AugmentationConfig, InputConfig
from zoo.video.distortions import blur, draw_occluder, gaussian_noise
from zoo.video.mouth_input import train_input
from zoo.video.occlusion import occlude_train, plan_noise

_OCCLUDER_SIDES = (20, 45)
_MAX_COUNT = 3
_BLUR_SIGMAS = (0.1, 2.0)
_LIPS = (20, 9)  # half width and half height in pixels of lips in a crop of 96


@dataclass(frozen=True)
class Corruption:
    """Corrupts clips; every clip of an epoch differently.

    Args:
        settings: how often and how much.
        inputs: size of the model's pictures.
    """

    settings: AugmentationConfig
    inputs: InputConfig

    def video(self, grey: Tensor, draw: Random) -> Tensor:
        """Grey mouths (T, H, W) uint8 with margins -> what the model sees (T, size, size)."""
        if draw.random() < self.settings.occlusion:
            grey = self._blurred(self._occluded(grey, draw), draw)
        return self._masked(train_input(grey, draw, self.inputs.size), draw)

    def audio(self, speech: Tensor, noise: Tensor, draw: Random) -> Tensor:
        """Samples (S,) with noise (N,), N of at least S, or left as they are."""
        if draw.random() < self.settings.clean or not speech.any() or not noise.any():
            return speech
        return relscore_train_noise(speech, noise, draw, draw.choice(self.settings.snr_levels))

    def present(self, draw: Random) -> tuple[bool, bool]:
        """Whether a clip has its video, and whether its sound; one at least."""
        chance = draw.random()
        if chance < self.settings.drop_video:
            return False, True
        return True, chance >= self.settings.drop_video + self.settings.drop_audio

    def _occluded(self, grey: Tensor, draw: Random) -> Tensor:
        """A thing in front of the lips on one to three spans."""
        frames = np.repeat(grey.numpy()[..., None], 3, axis=-1)
        occluder = draw_occluder(draw, draw.randint(*_OCCLUDER_SIDES))
        corners = np.zeros((len(frames), 2), dtype=np.int64)
        count = draw.randint(1, _MAX_COUNT)
        landmarks = np.repeat(_lips(*grey.shape[-2:])[None], len(frames), axis=0)
        changed = occlude_train(frames, landmarks, corners, occluder, draw, count)
        return torch.from_numpy(changed[..., 0].copy())

    def _blurred(self, grey: Tensor, draw: Random) -> Tensor:
        """Noise or blur on one to three spans."""
        result = grey.clone()
        for span in plan_noise(draw, len(grey), draw.randint(1, _MAX_COUNT)):
            part = result[span.start : span.start + span.length]
            if not len(part):
                continue
            if span.variance is None:
                changed = blur(part, draw.uniform(*_BLUR_SIGMAS))
            else:
                changed = gaussian_noise(part, span.variance, draw.getrandbits(32))
            result[span.start : span.start + span.length] = changed
        return result

    def _masked(self, video: Tensor, draw: Random) -> Tensor:
        """One stretch of frames and one square of all frames set to zero, the mean grey."""
        frames, rows, columns = video.shape
        length = min(draw.randint(0, self.settings.time_mask), frames)
        start = draw.randint(0, frames - length)
        side = min(draw.randint(*self.settings.hole), rows, columns)
        top, left = draw.randint(0, rows - side), draw.randint(0, columns - side)
        video = video.clone()
        video[start : start + length] = 0.0
        video[:, top : top + side, left : left + side] = 0.0
        return video


def _lips(rows: int, columns: int) -> np.ndarray:
    """Sixty-eight landmarks (68, 2), of which the last twenty lie on lips in the middle."""
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    lips = np.stack([_LIPS[0] * np.cos(turn), _LIPS[1] * np.sin(turn)], axis=1)
    points = np.tile([columns / 2, rows / 2], (68, 1))
    points[48:] += lips
    return points
