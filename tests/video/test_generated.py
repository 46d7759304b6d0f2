from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from zoo.errors import ConfigError, MediaError
from zoo.tasks import Speech, Video
from zoo.video.generated import SENTENCE, SOURCE_TYPE, mark_video, read_mark


def film(height: int = 64, width: int = 96) -> Video:
    sound = Speech(torch.zeros(3200), 16_000)
    return Video(torch.full((5, 3, height, width), 90, dtype=torch.uint8), 25.0, sound)


def test_tags_come_back_from_the_file(tmp_path: Path) -> None:
    marked = mark_video(film(), model="some.model")
    assert torch.equal(marked.frames, film().frames) and marked.tags["comment"] == SENTENCE
    claim = read_mark(marked.save(tmp_path / "talk.mp4"))
    assert claim == json.loads(marked.tags["description"])
    assert claim["claim_generator"].startswith("zoo/")
    action = claim["actions"][0]
    assert action["action"] == "c2pa.edited" and action["softwareAgent"] == "some.model"
    assert action["digitalSourceType"] == SOURCE_TYPE


def test_a_film_without_the_mark_has_none(tmp_path: Path) -> None:
    plain = mark_video(film(), "none", model="some.model")
    assert read_mark(plain.save(tmp_path / "talk.mp4")) is None
    with pytest.raises(MediaError, match="no such file"):
        read_mark(tmp_path / "absent.mp4")


@pytest.mark.parametrize("size", [(224, 224), (64, 96), (20, 24)])
def test_the_visible_mark_is_in_the_lower_left(size: tuple[int, int]) -> None:
    before = film(*size)
    marked = mark_video(before, "visible", model="m")
    assert marked.tags and marked.frames.shape == before.frames.shape
    changed = (marked.frames != before.frames).any(dim=1).any(dim=0)
    rows, columns = changed.nonzero(as_tuple=True)
    assert len(rows) > 20
    assert int(rows.min()) > size[0] // 2 and int(columns.min()) < 8
    assert not before.tags and int(before.frames.max()) == 90, "the film given is not written to"


def test_an_unknown_mark_is_refused() -> None:
    with pytest.raises(ConfigError, match="metadata, visible, none"):
        mark_video(film(), "loud", model="m")  # type: ignore[arg-type]
