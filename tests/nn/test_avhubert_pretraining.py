from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.nn.test_avhubert import SMALL, clips
from zoo.nn.avhubert import AVHuBERT
from zoo.nn.avhubert_pretraining import ClusterHead, PretrainingConfig
from zoo.nn.span_masking import draw_spans, other_spans

TASK = PretrainingConfig(
    num_clusters=(6,),
    num_specials=0,
    embedding_size=8,
    audio_mask_span=3,
    video_mask_span=2,
)


@pytest.mark.parametrize("lengths", [[20, 13, 16], [1], [2, 2], [30, 1]])
def test_spans(lengths: list[int]) -> None:
    spans = draw_spans(lengths, max(lengths), 0.5, 4, np.random.RandomState(3))
    counts = spans.mask.sum(1)
    assert len(set(counts.tolist())) == 1 and counts[0] > 0
    valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    assert not (spans.mask & ~valid).any()
    again = torch.zeros_like(spans.mask)
    for item, start, stop in zip(spans.items, spans.starts, spans.stops):
        again[item, start:stop] = True
    assert torch.equal(again, spans.mask)


def test_substitutes_come_from_the_same_clip_and_elsewhere() -> None:
    spans = draw_spans([40, 40], 40, 0.2, 5, np.random.RandomState(0))
    rows, frames = other_spans(spans, np.random.RandomState(1))
    hidden_rows, hidden_frames = spans.mask.nonzero(as_tuple=True)
    assert torch.equal(rows, hidden_rows)
    assert (frames != hidden_frames).all()
    assert int(frames.min()) >= 0 and int(frames.max()) < 40


def test_hidden_sound_is_learned_and_hidden_lips_are_lips() -> None:
    head = ClusterHead(SMALL, TASK)
    video, audio, mask = clips(20, 16)
    masked = head.hide(video, audio, mask, np.random.RandomState(0))
    assert masked.video is not None and masked.audio is not None
    changed = (masked.audio != audio).any(-1)
    assert torch.equal(masked.audio[changed][0], head.mask_embedding)
    known = {frame.numpy().tobytes() for frame in video[0]}
    assert all(frame.numpy().tobytes() in known for frame in masked.video[0])
    lips = (masked.video != video).flatten(2).any(-1)
    assert not ((changed | lips) & ~masked.hidden).any()


def test_features_are_hidden_in_the_first_iteration() -> None:
    head = ClusterHead(SMALL, TASK.replace(masking="feature"))
    assert head.mask_embedding.shape == (SMALL.hidden_size,)
    video, audio, mask = clips(12, 12)
    masked = head.hide(video, audio, mask, np.random.RandomState(0))
    assert masked.video is video and masked.audio is audio
    net = AVHuBERT(SMALL).eval()
    shown = head(net, masked, mask)
    assert shown.masked[0].shape == (int(masked.hidden.sum()), 6)
    head.mask_embedding.data += 1
    assert not torch.allclose(head(net, masked, mask).masked[0], shown.masked[0])


def test_loss_counts_hidden_frames_and_weighted_others() -> None:
    video, audio, mask = clips(12, 9)
    net = AVHuBERT(SMALL).eval()
    targets = [torch.randint(0, 6, mask.shape)]
    found = {}
    for weight in (0.0, 1.0):
        torch.manual_seed(2)
        head = ClusterHead(SMALL, TASK.replace(unmasked_weight=weight, penalty_weight=0.0)).eval()
        masked = head.hide(video, audio, mask, np.random.RandomState(0))
        loss = head.loss(head(net, masked, mask), targets, masked.hidden, mask)
        found[weight] = loss
        assert 0 <= float(loss.accuracy) <= 1
    assert found[0.0].sample_size == int((masked.hidden & mask).sum())
    assert found[1.0].sample_size == int(mask.sum())
    assert found[1.0].total > found[0.0].total
