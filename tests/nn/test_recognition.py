"""Losses, search settings and word times of the recognisers with fairseq's decoder."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from zoo.nn.decoding.decoder import DecoderConfig, TransformerDecoder
from zoo.nn.recognition_loss import (
    END,
    PAD,
    ctc_loss_sum,
    label_smoothed_loss,
    teacher_forcing,
)
from zoo.nn.recognition_search import SearchConfig, search_texts
from zoo.nn.word_times import token_frames

TARGETS = torch.tensor([[5, 6, 7, END], [8, END, PAD, PAD]])


@pytest.fixture
def decoder() -> TransformerDecoder:
    torch.manual_seed(0)
    config = DecoderConfig.fairseq().replace(
        vocab_size=12, size=16, ffn_size=16, num_heads=2, num_layers=2, dropout=0.0
    )
    return TransformerDecoder(config).eval()


def test_the_end_starts_a_text() -> None:
    expected = [[END, 5, 6, 7], [END, 8, PAD, PAD]]
    assert teacher_forcing(TARGETS).tolist() == expected


def test_smoothing_leaves_out_padding() -> None:
    logits = torch.randn(2, 4, 12)
    loss, nll = label_smoothed_loss(logits, TARGETS, 0.0)
    valid = TARGETS != PAD
    plain = F.cross_entropy(logits[valid], TARGETS[valid], reduction="sum")
    torch.testing.assert_close(loss, plain)
    torch.testing.assert_close(nll, plain)
    other = logits.clone()
    other[1, 2:] += 5
    smooth, _ = label_smoothed_loss(logits, TARGETS, 0.1)
    torch.testing.assert_close(label_smoothed_loss(other, TARGETS, 0.1)[0], smooth)
    assert smooth != loss


def test_ctc_of_texts_that_do_not_fit() -> None:
    logits = torch.randn(2, 6, 12)
    fits = ctc_loss_sum(logits, TARGETS, torch.tensor([6, 6]))
    short = ctc_loss_sum(logits, TARGETS, torch.tensor([2, 6]))
    alone = ctc_loss_sum(logits[1:], TARGETS[1:], torch.tensor([6]))
    assert fits > short
    torch.testing.assert_close(short, alone)


def test_search_ends_within_the_limit(decoder: TransformerDecoder) -> None:
    memory, mask = torch.randn(2, 7, 16), torch.ones(2, 7, dtype=torch.bool)
    mask[1, 3:] = False
    config = SearchConfig(beam=3, ctc_weight=0.3)
    found = search_texts(decoder, memory, mask, config, ctc_logits=torch.randn(2, 7, 12))
    assert [len(one) for one in found] == [3, 3]
    assert all(len(texts[0].tokens) <= limit + 1 for texts, limit in zip(found, (7, 3)))
    assert {"decoder", "ctc"} == set(found[0][0].token_scores)
    plain = search_texts(decoder, memory, mask, config.replace(ctc_weight=0.0))
    assert set(plain[0][0].token_scores) == {"decoder"}


def test_word_times_follow_the_attention(decoder: TransformerDecoder) -> None:
    memory = torch.randn(9, 16)
    frames = token_frames(decoder, torch.tensor([4, 5, 6, 7]), memory)
    assert frames.shape == (4,)
    assert bool((frames[1:] >= frames[:-1]).all())
    assert float(frames.min()) >= 0 and float(frames.max()) <= 8
    # a decoder that looks at one frame only says that frame
    for layer in decoder.layers:
        layer.cross_attention.query.weight.data.zero_()
        layer.cross_attention.query.bias.data.fill_(1.0)
        layer.cross_attention.key.weight.data.copy_(torch.eye(16))
        layer.cross_attention.key.bias.data.zero_()
    peak = torch.zeros(9, 16)
    peak[5] = 40.0
    found = token_frames(decoder, torch.tensor([4, 5]), peak)
    torch.testing.assert_close(found, torch.full((2,), 5.0), atol=0.05, rtol=0)
