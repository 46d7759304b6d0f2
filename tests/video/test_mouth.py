from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch

from zoo.errors import ConfigError, MediaError
from zoo.video import similarity
from zoo.video.landmarks import Landmarks, Points
from zoo.video.mouth import (
    CROP_SIZE,
    PRESETS,
    crop_mouth,
    fixed_crop,
    get_preset,
    mean_face,
    warn_unchecked,
)
from zoo.video.mouth_input import eval_input, normalize, to_grey, train_input
from zoo.video.warp import cut_warped, invert

SIZE = 224


def turned_face(angle: float, scale: float, shift: tuple[float, float]) -> Points:
    """The mean face, turned (radians) and scaled about its middle, in a frame of 224 pixels."""
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    face: Points = (mean_face() - 128) @ turn.T + SIZE / 2 + np.array(shift)
    return face


def clip(faces: list[Points], preset: str) -> tuple[torch.Tensor, Landmarks]:
    """Black frames with a white square of 9 pixels around every mouth."""
    frames = torch.zeros(len(faces), 3, SIZE, SIZE, dtype=torch.uint8)
    points = []
    for frame, face in zip(frames, faces):
        x, y = face[48:68].mean(axis=0).round().astype(int)
        frame[:, y - 4 : y + 5, x - 4 : x + 5] = 255
        parts = ((36, 42), (42, 48), (31, 36), (48, 68))
        four = np.stack([face[a:b].mean(axis=0) for a, b in parts])
        points.append(face if get_preset(preset).num_points == 68 else four)
    return frames, Landmarks(np.stack(points))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_the_mouth_comes_to_the_middle(preset: str) -> None:
    faces = [turned_face(0.02 * t, 0.7 + 0.01 * t, (2.0 * t, -t)) for t in range(14)]
    frames, landmarks = clip(faces, preset)
    crop = crop_mouth(frames, landmarks, preset)
    assert crop.frames.shape == (14, 3, CROP_SIZE, CROP_SIZE)
    # smoothing lets the mouth lag a little behind its motion; the last transforms are repeated
    checked = slice(1, 13) if preset != "avhubert" else slice(0, 3)
    for picture in crop.frames[checked].float():
        weight = picture[0] / picture[0].sum()
        centre = [float((weight.sum(dim=d) * torch.arange(CROP_SIZE)).sum()) for d in (0, 1)]
        assert centre == pytest.approx([47.5, 47.5], abs=2.5)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_size_and_turn_are_undone(preset: str) -> None:
    """A still face gives the transform back to the mean face, exactly."""
    faces = [turned_face(0.3, 0.6, (5, -9))] * 12
    frames, landmarks = clip(faces, preset)
    crop = crop_mouth(frames, landmarks, preset)
    back = similarity.apply(crop.matrices[0], faces[0])
    np.testing.assert_allclose(back, mean_face(), atol=1e-3)


def test_missing_frames_are_filled(caplog: pytest.LogCaptureFixture) -> None:
    faces = [turned_face(0, 0.8, (t, 0)) for t in range(13)]
    frames, landmarks = clip(faces, "avhubert")
    points = landmarks.points.copy()
    points[[4, 5]] = np.nan
    whole = crop_mouth(frames, landmarks).frames
    filled = crop_mouth(frames, Landmarks(points)).frames
    assert (whole.int() - filled.int()).abs().float().mean() < 0.5
    points[:] = np.nan
    with pytest.raises(MediaError, match="none of the 13 frames has a face"):
        crop_mouth(frames, Landmarks(points))


def test_short_clips() -> None:
    frames, landmarks = clip([turned_face(0, 0.8, (0, 0))] * 5, "av_relscore")
    with pytest.raises(MediaError, match="takes 12 or more"):
        crop_mouth(frames, landmarks, "auto_avsr_retinaface")
    for preset in ("av_relscore", "avhubert"):
        assert len(crop_mouth(frames, landmarks, preset).frames) == 5


def test_landmarks_of_another_detector_or_clip() -> None:
    frames, landmarks = clip([turned_face(0, 0.8, (0, 0))] * 12, "avhubert")
    with pytest.raises(MediaError, match=r"68 points a face, but .* needs 4; .*avhubert"):
        crop_mouth(frames, landmarks, "auto_avsr_mediapipe")
    with pytest.raises(MediaError, match="landmarks of 12 frames for a clip of 11"):
        crop_mouth(frames[:-1], landmarks)
    with pytest.raises(ConfigError, match="did you mean avhubert"):
        crop_mouth(frames, landmarks, "av-hubert")
    with pytest.raises(MediaError, match="coincide"):
        crop_mouth(frames, Landmarks(np.ones((12, 68, 2))))


def test_a_mouth_far_off_is_refused_by_those_that_refuse() -> None:
    face = turned_face(0, 0.8, (0, 0))
    face[48:] += (0, 60)
    frames = torch.zeros(12, 3, SIZE, SIZE, dtype=torch.uint8)
    landmarks = Landmarks(np.repeat(face[None], 12, axis=0))
    with pytest.raises(MediaError, match="off the middle"):
        crop_mouth(frames, landmarks, "auto_avsr_retinaface")
    crop = crop_mouth(frames, landmarks, "avhubert")  # moves the crop inside instead
    assert crop.frames.shape[-1] == CROP_SIZE


def test_robust_fit_ignores_a_wrong_point() -> None:
    source = mean_face()[[28, 33, 36, 39, 42, 45, 48, 54]]
    target = similarity.apply(np.array([[0.8, -0.2, 3.0], [0.2, 0.8, -7.0]]), source)
    spoiled = target.copy()
    spoiled[2] += 40
    robust = similarity.fit_robust(source, spoiled)
    np.testing.assert_allclose(similarity.apply(robust, source), target, atol=1e-3)
    plain = similarity.apply(similarity.fit(source, spoiled), source)
    assert np.abs(plain - target).max() > 1


def test_a_patch_is_a_part_of_the_whole() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    matrix = np.array([[1.3, -0.4, 10.0], [0.4, 1.3, -5.0]])
    for rounding in ("nearest", "truncate"):
        whole = cut_warped(picture, matrix, 0, 0, 90, 100, rounding)
        assert np.array_equal(
            cut_warped(picture, matrix, 20, 30, 40, 50, rounding), whole[20:60, 30:80]
        )
    same = cut_warped(picture, np.eye(3)[:2], -2, -3, 54, 66)
    assert np.array_equal(same[2:52, 3:63], picture)
    assert same[:2].max() == same[52:].max() == same[:, :3].max() == same[:, 63:].max() == 0
    there_and_back = similarity.apply(invert(matrix), similarity.apply(matrix, mean_face()))
    np.testing.assert_allclose(there_and_back, mean_face())


def test_fixed_crop_warns_and_takes_the_middle(caplog: pytest.LogCaptureFixture) -> None:
    warn_unchecked.cache_clear()
    frames = torch.zeros(2, 3, 192, 192, dtype=torch.uint8)
    frames[..., 48:144, 48:144] = 200
    crops = fixed_crop(frames)
    assert crops.shape == (2, 3, 96, 96)
    assert int(crops.min()) == int(crops.max()) == 200
    assert "no face was looked for" in caplog.text


def test_grey_and_input() -> None:
    frames = torch.zeros(1, 3, 96, 96, dtype=torch.uint8)
    frames[:, 0] = 255
    assert int(to_grey(frames)[0, 0, 0]) == 76  # 0.299 * 255
    grey = torch.arange(96 * 96).remainder(251).reshape(1, 96, 96).to(torch.uint8)
    assert torch.equal(eval_input(grey), normalize(grey[:, 4:92, 4:92]))
    assert float(normalize(torch.tensor([255]))) == pytest.approx((1 - 0.421) / 0.165)
    with pytest.raises(MediaError, match="88 or more"):
        eval_input(grey[:, :80])
    parts = [train_input(grey, Random(seed)) for seed in range(6)]
    assert all(part.shape == (1, 88, 88) for part in parts)
    assert len({part.numpy().tobytes() for part in parts}) == 6
    assert torch.equal(parts[0], train_input(grey, Random(0)))
