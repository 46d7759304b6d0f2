from __future__ import annotations

import numpy as np
import pytest
import torch

from zoo.errors import MediaError
from zoo.video.face_boxes import (
    BoxRule,
    cut_faces,
    given_boxes,
    landmark_boxes,
    paste_faces,
    smooth_boxes,
    track_boxes,
)
from zoo.video.landmarks import Landmarks

RULE = BoxRule(track=(0.5, 0.55, 0.5), landmarks=(0.5, 2.0, 3.0))


def picture(height: int, width: int, frames: int = 1) -> torch.Tensor:
    """A smooth picture, so that scaling there and back changes little."""
    y = torch.linspace(0, 1, height)[:, None]
    x = torch.linspace(0, 1, width)
    planes = torch.stack([x * y, (x + y) / 2, 1 - x * y])
    return (planes * 255).byte().expand(frames, -1, -1, -1).contiguous()


def points(eyes: tuple[float, float], mouth: tuple[float, float], frames: int) -> Landmarks:
    face = np.zeros((68, 2))
    face[36:48], face[48:68] = eyes, mouth
    return Landmarks(np.repeat(face[None], frames, axis=0))


def test_a_face_track_has_its_face_where_the_rule_says() -> None:
    boxes = track_boxes(RULE, picture(200, 200, 3))
    assert boxes.tolist() == [[50, 60, 150, 160]] * 3


def test_a_long_picture_is_no_face_track() -> None:
    with pytest.raises(MediaError, match=r"640 x 360 is no face track.*box="):
        track_boxes(RULE, picture(360, 640))


def test_landmarks_give_place_and_size() -> None:
    found = landmark_boxes(points((100, 80), (100, 120), 7), RULE, picture(300, 300, 7))
    # 40 pixels from eyes to mouth: centre 20 below the eyes, 80 wide, 120 high
    assert found.tolist() == [[60, 40, 140, 160]] * 7
    four = np.array([[[90, 80], [110, 80], [100, 100], [100, 120]]] * 7, dtype=float)
    assert np.array_equal(landmark_boxes(Landmarks(four), RULE, picture(300, 300, 7)), found)


def test_frames_without_a_face_are_filled_in() -> None:
    face = points((100, 80), (100, 120), 3)
    face.points[1] = np.nan
    assert len(np.unique(landmark_boxes(face, RULE, picture(300, 300, 3)), axis=0)) == 1


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((1, 2, 3), "expected \\(left, top, right, bottom\\)"),
        ((0, 0, float("nan"), 50), "expected"),
        (np.zeros((4, 4)), "each of the 2 frames"),
        ((90, 10, 99, 80), "9 x 70 pixels"),
        ((200, 200, 300, 300), "0 x 0 pixels"),
        ((60, 10, 20, 80), "-40 x 70"),
    ],
)
def test_boxes_that_cannot_be(box: object, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        given_boxes(box, picture(100, 100, 2))  # type: ignore[arg-type]


def test_a_box_is_cut_to_the_picture() -> None:
    assert given_boxes((-20, -5, 60, 140), picture(100, 100)).tolist() == [[0, 0, 60, 100]]


@pytest.mark.parametrize("count", [1, 3, 5, 6, 12])
def test_smoothing_is_the_official_loop(count: int) -> None:
    boxes = np.random.default_rng(0).integers(0, 200, (count, 4))
    expected = boxes.copy()
    for i in range(count):
        window = expected[count - 5 :] if i + 5 > count else expected[i : i + 5]
        window = expected if count < 5 else window
        expected[i] = np.mean(window, axis=0)
    assert np.array_equal(smooth_boxes(boxes), expected)


def test_cut_and_pasted_it_is_the_same_picture() -> None:
    frames = picture(120, 160, 2)
    boxes = np.array([[20, 10, 100, 90], [30, 20, 111, 99]])
    faces = cut_faces(frames, boxes, 64)
    assert faces.shape == (2, 3, 64, 64)
    for blend in (True, False):
        back = paste_faces(frames, faces / 255, boxes, blend=blend)
        assert int((back.int() - frames.int()).abs().max()) <= 3
    assert torch.equal(frames, picture(120, 160, 2)), "the frames given are not written to"


def test_no_seam_around_a_blended_face() -> None:
    frames, box = picture(120, 120), np.array([[20, 20, 100, 100]])
    bright = torch.ones(1, 3, 64, 64)
    mixed = paste_faces(frames, bright, box).int()
    before = frames.int()
    outside = torch.ones(120, 120, dtype=torch.bool)
    outside[20:100, 20:100] = False
    assert torch.equal(mixed[..., outside], before[..., outside])
    assert torch.equal(mixed[..., :54, :], before[..., :54, :]), "eyes stay"
    assert int((mixed - before)[..., 75, 60].min()) > 0, "the mouth is new"
    steps = [(x[..., 1:, :] - x[..., :-1, :]).abs().max() for x in (mixed, before)]
    assert int(steps[0]) < 60, "a fade, not an edge"
    hard = paste_faces(frames, bright, box, blend=False).int()
    assert (hard[..., 20:100, 20:100] == 255).all()
