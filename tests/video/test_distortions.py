from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch

from zoo.errors import ConfigError
from zoo.video.distortions import (
    DISTORTIONS,
    blur,
    distort_video,
    draw_occluder,
    gaussian_noise,
)
from zoo.video.landmarks import Landmarks
from zoo.video.occlusion import Occluder, draw_span, occlude_test, occlude_train

FRAMES = torch.full((20, 3, 64, 64), 128, dtype=torch.uint8)


def changed(name: str, utterance: str) -> list[int]:
    result = distort_video(FRAMES, name, utterance)
    assert result.shape == FRAMES.shape
    assert result.dtype == torch.uint8
    return [t for t in range(len(FRAMES)) if not torch.equal(result[t], FRAMES[t])]


@pytest.mark.parametrize("name", sorted(DISTORTIONS))
def test_the_same_utterance_is_always_the_same(name: str) -> None:
    ids = [f"abc/{k:05d}" for k in range(6)]
    first = [distort_video(FRAMES, name, one) for one in ids]
    for one, frames in reversed(list(zip(ids, first))):
        assert torch.equal(distort_video(FRAMES, name, one), frames)
    assert len({frames.numpy().tobytes() for frames in first}) > 4
    assert int(FRAMES.min()) == int(FRAMES.max()) == 128  # the input is left alone


def test_occlusion_covers_a_part_of_the_clip() -> None:
    for k in range(8):
        frames = changed("zoo-occlusion", f"v/{k}")
        assert 6 <= len(frames) <= 10
        assert frames == list(range(frames[0], frames[-1] + 1))
    assert "zoo-noise" in DISTORTIONS
    assert any(0 < len(changed("zoo-noise", f"v/{k}")) <= 10 for k in range(8))


def test_unknown_name() -> None:
    with pytest.raises(ConfigError, match="zoo-occlusion"):
        distort_video(FRAMES, "occlusion", "a")


def test_the_occluder_follows_the_landmarks() -> None:
    points = np.zeros((20, 68, 2))
    points[:, :, 0] = np.arange(20)[:, None] * 2 + 20
    points[:, :, 1] = 40
    occluder = Occluder(np.zeros((6, 6, 3), np.uint8), np.full((6, 6), 255, np.uint8))
    frames = FRAMES.permute(0, 2, 3, 1).numpy()
    for official in (False, True):
        result = occlude_test(frames, points, occluder, Random(3), official=official)
        black = [np.argwhere(frame[..., 0] == 0) for frame in result]
        first = next(t for t, places in enumerate(black) if len(places))
        assert first > 0
        # parity: the official code takes the landmarks of the clip's first frames
        source = 0 if official else first
        assert black[first][0].tolist() == [40 - 15, source * 2 + 20 - 15]


def test_training_occlusion_is_placed_right_unless_official() -> None:
    points = np.full((20, 68, 2), (60.0, 90.0))
    corners = np.zeros((20, 2), np.int64)
    occluder = Occluder(np.zeros((6, 6, 3), np.uint8), np.full((6, 6), 255, np.uint8))
    frames = np.full((20, 96, 96, 3), 128, np.uint8)
    places = []
    for official in (False, True):
        result = occlude_train(frames, points, corners, occluder, Random(1), official=official)
        black = np.argwhere(result[..., 0] == 0)[0][1:].tolist()
        places.append(black)
    assert places[0][0] - places[0][1] == 30  # row - column = y - x
    assert places[1] == places[0][::-1]


def test_spans() -> None:
    for seed in range(200):
        draw = Random(seed)
        one = draw_span(draw, 40, 0, 1, shortest=0.1)
        assert 4 <= one.length <= 20
        assert 0 <= one.start <= 40 - one.length
        for number in range(3):
            span = draw_span(draw, 40, number, 3, shortest=0.1)
            assert number * 13 <= span.start
            assert span.start + span.length <= (number + 1) * 13


def test_noise_and_blur_strength() -> None:
    noisy = gaussian_noise(FRAMES, 0.01, seed=1).float() / 255
    assert float(noisy.std()) == pytest.approx(0.1, rel=0.03)
    assert torch.equal(gaussian_noise(FRAMES, 0.01, seed=1), gaussian_noise(FRAMES, 0.01, seed=1))
    edge = FRAMES.clone()
    edge[..., :32] = 0
    soft, softer = (blur(edge, sigma)[0, 0, 0].int().diff().abs().max() for sigma in (0.5, 2.0))
    assert softer < soft < 128


def test_occluder_is_a_thing_of_its_size() -> None:
    occluder = draw_occluder(Random(0), 42)
    assert occluder.pixels.shape == (42, 42, 3)
    assert occluder.mask[21, 21] == 255
    assert occluder.mask[0, 0] == 0
    assert 0.3 < (occluder.mask > 127).mean() < 0.9


def test_landmarks_of_other_length_are_refused() -> None:
    with pytest.raises(ValueError, match="landmarks of 3 frames"):
        distort_video(FRAMES, "zoo-occlusion", "a", Landmarks(np.zeros((3, 68, 2))))
