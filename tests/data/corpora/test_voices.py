"""The voices are far enough apart for a speaker encoder that never heard them."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from zoo.data.corpora.clips import Clip, plan_clips
from zoo.data.corpora.speakers import record
from zoo.nn.ge2e import vad_lacking

if find_spec("resemblyzer") is None or vad_lacking():
    pytest.skip(
        vad_lacking() or "the encoder's weights come with resemblyzer", allow_module_level=True
    )

SEED, EACH = 20_262, 3


def recordings() -> dict[int, list[Clip]]:
    """The first clips of every held-out talker."""
    found: dict[int, list[Clip]] = {}
    for clip in plan_clips(SEED, 22, "test", 80):
        found.setdefault(clip.video.talker.number, []).append(clip)
    return {number: clips[:EACH] for number, clips in found.items()}


def test_right_against_wrong_speaker() -> None:
    """Of a recording, another one of its speaker, and one of somebody else: 98 % are told apart."""
    from zoo.models.ge2e.module import SpeakerEncoder

    encoder = SpeakerEncoder.from_package()
    vectors, speakers = [], []
    for number, clips in recordings().items():
        for clip in clips:
            rng = np.random.default_rng((*clip.entropy, 1))
            said = record(clip.speech, clip.video.talker.in_mood(clip.mood), rng)
            vectors.append(encoder.embed(torch.from_numpy(said.samples)).numpy())
            speakers.append(number)
    names, likeness = np.array(speakers), np.stack(vectors) @ np.stack(vectors).T
    right, pairs = 0, 0
    for k, name in enumerate(names):
        same = (names == name) & (np.arange(len(names)) != k)
        wins = likeness[k][same][:, None] > likeness[k][names != name]
        right, pairs = right + int(wins.sum()), pairs + wins.size
    assert len(set(speakers)) == 16
    assert right >= 0.98 * pairs
