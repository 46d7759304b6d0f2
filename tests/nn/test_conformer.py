"""Conformer and attention: relative positions, masks, and what padding may change."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from zoo.nn.attention import (
    MultiHeadAttention,
    RelativeMultiHeadAttention,
    key_mask,
    shift_relative,
)
from zoo.nn.conformer import ConformerConfig, ConformerEncoder
from zoo.nn.positions import relative_sinusoids, sinusoids


def by_hand(attention: RelativeMultiHeadAttention, x: Tensor) -> Tensor:
    """The formula of Transformer-XL, one pair of positions at a time."""
    length, size = x.shape[1:]
    heads, width = attention.num_heads, size // attention.num_heads
    query, key, value = (
        layer(x)[0].view(length, heads, width)
        for layer in (attention.query, attention.key, attention.value)
    )
    scores = torch.empty(heads, length, length)
    for i in range(length):
        for j in range(length):
            place = attention.position(sinusoids(torch.tensor(float(i - j)), size))
            place = place.view(heads, width)
            content = ((query[i] + attention.content_bias) * key[j]).sum(-1)
            position = ((query[i] + attention.position_bias) * place).sum(-1)
            scores[:, i, j] = (content + position) / math.sqrt(width)
    mixed = torch.einsum("hij,jhd->ihd", scores.softmax(-1), value)
    return attention.output(mixed.reshape(1, length, size))


@pytest.mark.parametrize("length", [1, 2, 7])
def test_relative_attention_is_the_formula(length: int) -> None:
    torch.manual_seed(length)
    attention = RelativeMultiHeadAttention(8, 2)
    x = torch.randn(1, length, 8)
    with torch.no_grad():
        assert torch.allclose(attention(x), by_hand(attention, x), atol=1e-5)


def test_shift_puts_offsets_at_keys() -> None:
    length = 5
    offsets = torch.arange(length - 1, -length, -1).float().expand(1, 1, length, -1)
    places = torch.arange(length)
    expected = (places[:, None] - places).float()
    assert torch.equal(shift_relative(offsets)[0, 0], expected)


def test_relative_table_goes_from_the_largest_offset_to_the_smallest() -> None:
    table = relative_sinusoids(4, 6, torch.zeros(1))
    assert table.shape == (7, 6)
    assert torch.equal(table[3], sinusoids(torch.tensor(0), 6))
    assert torch.equal(table[0], sinusoids(torch.tensor(3), 6))


def test_fairseq_positions_have_sines_first() -> None:
    table = sinusoids(torch.tensor([2, 3]), 6, "halves")
    assert torch.allclose(table[:, 0], torch.tensor([2.0, 3.0]).sin())
    assert torch.allclose(table[:, 3], torch.tensor([2.0, 3.0]).cos())
    assert torch.allclose(table[:, 2], (torch.tensor([2.0, 3.0]) * 1e-4).sin())


def test_attention_does_not_look_at_masked_keys() -> None:
    torch.manual_seed(0)
    attention = MultiHeadAttention(8, 2, memory_size=6)
    x, memory = torch.randn(2, 3, 8), torch.randn(2, 5, 6)
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    found = attention(x, memory, key_mask(mask))
    memory[1, 3:] = 100.0
    assert torch.equal(attention(x, memory, key_mask(mask)), found)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="3 heads"):
        MultiHeadAttention(8, 3)


def encoder(**changes: object) -> ConformerEncoder:
    torch.manual_seed(1)
    config = ConformerConfig(size=16, num_layers=2, num_heads=2, ffn_size=32, kernel=5)
    return ConformerEncoder(config.replace(**changes), 10).eval()


@torch.no_grad()
def padding_matters(model: ConformerEncoder) -> bool:
    x = torch.randn(1, 9, 10)
    alone = model(x[:, :6])
    mask = torch.arange(9).unsqueeze(0) < 6
    return not torch.allclose(model(x, mask)[:, :6], alone, atol=1e-5)


def test_padding_leaks_through_the_convolution_unless_it_is_masked() -> None:
    assert padding_matters(encoder())
    assert not padding_matters(encoder(mask_convolution=True))
    assert not padding_matters(encoder(kernel=None, macaron=False))
    assert not padding_matters(encoder(kernel=None, macaron=False, relative=False))


def test_transformer_variant_knows_positions() -> None:
    model = encoder(kernel=None, macaron=False, relative=False)
    x = torch.randn(1, 1, 10).expand(1, 4, 10)
    with torch.no_grad():
        states = model(x)
    assert not torch.allclose(states[:, 0], states[:, 1])


def test_even_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="odd"):
        encoder(kernel=4)
