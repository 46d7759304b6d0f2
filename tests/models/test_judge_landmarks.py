"""The landmark detector: views, training, detection, and the shipped weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.models.fresh_clips import Filmed, filmed
from zoo.errors import MediaError
from zoo.metrics.lmd import LMD
from zoo.models.judge_landmarks.augment import without_face
from zoo.models.judge_landmarks.config import JudgeLandmarksConfig
from zoo.models.judge_landmarks.module import JudgeLandmarks, relative_errors
from zoo.models.judge_landmarks.views import MIRROR, Squares, mirrored
from zoo.video.landmarks import LandmarkDetector, find_landmarks
from zoo.video.prepare import prepare

SHIPPED = "judge_landmarks.tiny"


@pytest.fixture(scope="module")
def judge() -> JudgeLandmarks:
    return JudgeLandmarks.from_pretrained(SHIPPED).eval()


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Filmed]:
    return filmed(tmp_path_factory.mktemp("clips"), 4)


def face_points() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 60 + 100 * torch.rand(2, 68, 2, generator=generator)


def test_a_view_moves_points_as_it_moves_pixels() -> None:
    pictures = torch.zeros(1, 1, 60, 80)
    pictures[0, 0, 20, 50] = 1.0
    point = torch.tensor([[[50.0, 20.0]]])
    square = Squares(torch.tensor([[45.0, 25.0]]), torch.tensor([40.0]), torch.tensor([0.5]))
    place = square.inside(point)
    torch.testing.assert_close(square.outside(place), point)
    seen = square.view(pictures, 80)[0, 0]
    peak = torch.tensor(divmod(int(seen.argmax()), 80))
    expected = (place[0, 0].flip(0) + 1) * 80 / 2 - 0.5
    assert (peak - expected).abs().max() < 1.1


def test_the_whole_picture_is_the_picture() -> None:
    pictures = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(Squares.whole(pictures).view(pictures, 32), pictures)


def test_in_the_mirror_right_is_left() -> None:
    assert [MIRROR[k] for k in MIRROR] == list(range(68))
    pictures, points = torch.rand(2, 3, 224, 224), face_points()
    flipped, moved = mirrored(pictures, points)
    assert torch.equal(flipped.flip(-1), pictures)
    assert torch.equal(moved[:, 36, 0], 223 - points[:, 45, 0])
    assert torch.equal(moved[:, 8, 1], points[:, 8, 1])


def test_steps_lower_the_loss() -> None:
    torch.manual_seed(0)
    model = JudgeLandmarks(JudgeLandmarksConfig.tiny()).train()
    logged: dict[str, list[float]] = {}
    model.log = lambda name, value, **_: logged.setdefault(name, []).append(float(value.detach()))
    optimizer = model.configure_optimizers()["optimizer"]
    optimizer.param_groups[0]["lr"] = 2e-3
    frames = torch.randint(0, 256, (6, 3, 224, 224), dtype=torch.uint8)
    points = face_points().repeat(3, 1, 1)
    points[5] = torch.nan
    for _ in range(6):
        optimizer.zero_grad()
        model.training_step({"frame": frames, "points": points}, 0).backward()
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
        optimizer.step()
    assert logged["train/points"][-1] < logged["train/points"][0]


def test_what_is_no_frames_is_refused() -> None:
    model = JudgeLandmarks(JudgeLandmarksConfig.tiny()).eval()
    assert isinstance(model, LandmarkDetector)
    with pytest.raises(MediaError, match="uint8"):
        model.detect(torch.rand(2, 3, 64, 64))
    with pytest.raises(MediaError, match=r"\(0, 3"):
        model.detect(torch.zeros(0, 3, 64, 64, dtype=torch.uint8))


def resized(frames: Tensor, size: int) -> Tensor:
    mode = "area" if size < frames.shape[-1] else "bilinear"
    return F.interpolate(frames.float(), (size, size), mode=mode).round().byte()


@pytest.mark.parametrize(("size", "limit"), [(224, 0.05), (96, 0.06), (448, 0.05)])
def test_shipped_it_finds_the_points_of_held_out_faces(
    judge: JudgeLandmarks, clips: list[Filmed], size: int, limit: float
) -> None:
    for clip in clips:
        frames = clip.video.frames[::4]
        found = judge.detect(frames if size == 224 else resized(frames, size))
        assert found.present.all()
        back = (torch.from_numpy(found.points).float() + 0.5) * 224 / size - 0.5
        assert relative_errors(back, clip.points[::4]).mean() < limit


def test_shipped_frames_without_a_face_are_told(judge: JudgeLandmarks, clips: list[Filmed]) -> None:
    frames = clips[0].video.frames[:6]
    torch.manual_seed(0)
    empty = without_face(frames.float(), 224).round().byte()
    with pytest.raises(MediaError, match="none of the 6 frames has a face"):
        judge.detect(empty)
    found = judge.detect(torch.cat([frames, empty]))
    assert found.present.tolist() == [True] * 6 + [False] * 6


def test_shipped_it_is_found_by_name(clips: list[Filmed], tmp_path: Path) -> None:
    found = find_landmarks(clips[0].video.frames, SHIPPED)
    assert found.points.shape == (len(clips[0].video.frames), 68, 2)
    done = prepare(clips[0].path, tmp_path / "mouth", "avhubert", SHIPPED)
    assert done.landmarks == SHIPPED
    assert done.frames_without_face == 0
    with pytest.raises(MediaError, match="detects no landmarks"):
        find_landmarks(clips[0].video.frames, "judge_asr.tiny")
    with pytest.raises(MediaError, match="no_such_thing"):
        find_landmarks(clips[0].video.frames, "no_such_thing")


def test_shipped_it_is_the_judge_of_a_metric(clips: list[Filmed]) -> None:
    metric = LMD(judge=SHIPPED)
    assert metric.available() is None
    first, second = clips[0].video, clips[1].video
    name = f"lmd[face=256px,judge={SHIPPED}]"
    assert metric.score([first], [first])[name] == 0
    assert metric.score([second], [first])[name] > 5
    blank = torch.zeros_like(first.frames)
    assert np.isnan(metric.score([blank], [first.frames])[name])
