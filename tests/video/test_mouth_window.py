from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.errors import MediaError
from zoo.video.landmark_files import write_landmarks
from zoo.video.landmarks import Landmarks
from zoo.video.mouth import fixed_crop, mean_face
from zoo.video.mouth_input import eval_input, to_grey
from zoo.video.mouth_source import mouth_crops
from zoo.video.mouth_window import MouthWindow


def crops(frames: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (frames, 96, 96), dtype=torch.uint8)


def test_the_default_is_av_huberts_input() -> None:
    one = crops()
    assert torch.equal(MouthWindow().model_input(one), eval_input(one))


@pytest.mark.parametrize(("row", "column", "top", "left"), [(60, 40, 36, 16), (90, 3, 44, 4)])
def test_a_square_elsewhere_stays_inside(row: int, column: int, top: int, left: int) -> None:
    one, window = crops(), MouthWindow(size=48, row=row, column=column)
    expected = eval_input(one[:, top : top + 48, left : left + 48], 48)
    assert torch.equal(window.model_input(one), expected)
    with pytest.raises(MediaError, match="expected 112 or more"):
        MouthWindow(size=104).cut(one)


def test_fixed_means_that_nothing_is_looked_for(tmp_path: Path) -> None:
    frames = torch.randint(0, 256, (14, 3, 128, 128), dtype=torch.uint8)
    points = Landmarks(np.repeat((mean_face() / 2)[None] + 9, 14, axis=0))
    file = write_landmarks(tmp_path / "clip.npy", points)
    fixed = MouthWindow(mouths="fixed")
    assert torch.equal(fixed.crops(frames, "avhubert", file), to_grey(fixed_crop(frames)))
    assert torch.equal(fixed.cut_frames(frames, "avhubert"), fixed_crop(frames))
    aligned = MouthWindow().crops(frames, "avhubert", file)
    assert torch.equal(aligned, mouth_crops(frames, "avhubert", file))
    assert not torch.equal(aligned, fixed.crops(frames, "avhubert"))
    ready = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8)
    assert torch.equal(fixed.crops(ready, "avhubert"), to_grey(ready))
