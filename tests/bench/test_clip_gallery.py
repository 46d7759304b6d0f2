"""Pictures of generated films beside the filmed ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.bench.toy_clips import clip_run, make_clips
from zoo.bench.clip_gallery import build_clips


def test_a_film_is_shown_with_its_difference_from_the_original(tmp_path: Path) -> None:
    root = make_clips(tmp_path / "clips", videos=2, segments=1)
    task, page = "tiny-lrs3-talking-face", tmp_path / "page"
    rows = ("reference", "still")
    results = [clip_run(f"baseline.{row}", task, root, tmp_path / row) for row in rows]
    (one, *_) = build_clips(results, page, 2)
    assert one.original.strip and not one.original.difference
    apart = {}
    for row, answer in zip(rows, one.answers, strict=True):
        found = [answer.player.strip, answer.player.difference]
        strip, difference = (np.asarray(Image.open(page / name), dtype=float) for name in found)
        assert strip.shape == difference.shape
        frames = np.split(difference, 8, axis=1)
        apart[row] = [frame.mean() for frame in frames]
    copied, still = apart["reference"], apart["still"]
    # both begin with the first frame that was filmed; from there on the picture does not move
    assert abs(copied[0] - still[0]) < 1
    assert all(one < 0.7 * other for one, other in zip(copied[1:], still[1:], strict=True))
