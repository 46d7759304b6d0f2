from __future__ import annotations

import pytest
import torch

from zoo.nn.memory_bridge import MemoryBridge, Residual, slot_perplexity


@pytest.mark.parametrize("residual", ["none", "add", "concat"])
def test_every_frame_reads_alone(residual: Residual) -> None:
    torch.manual_seed(0)
    bridge = MemoryBridge(8, 2, memory_size=5, residual=residual).eval()
    memory, frames = torch.randn(6, 5), torch.randn(2, 3, 8)
    out = bridge(frames, memory)
    assert out.shape == frames.shape
    torch.testing.assert_close(bridge(frames[1:, 2:], memory), out[1:, 2:])


def test_without_residual_only_the_memory_comes_through() -> None:
    bridge = MemoryBridge(8, 2).eval()
    one = torch.randn(1, 8).expand(4, -1)  # all slots alike: nothing to choose from
    out = bridge(torch.randn(1, 5, 8), one)
    torch.testing.assert_close(out, out[:, :1].expand_as(out))


def test_slot_weights_are_those_of_the_read() -> None:
    bridge = MemoryBridge(8, 1, residual="none").eval()
    memory, frames = torch.randn(6, 8), torch.randn(1, 3, 8)
    weights = bridge.slot_weights(frames, memory)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 3))
    attention = bridge.attention
    read = attention.output(weights @ attention.value(memory))
    torch.testing.assert_close(bridge.norm(read), bridge(frames, memory))


def test_perplexity_counts_slots_in_use() -> None:
    mask = torch.ones(1, 4, dtype=torch.bool)
    assert float(slot_perplexity(torch.full((1, 4, 5), 0.2), mask)) == pytest.approx(5)
    same = torch.zeros(1, 4, 5)
    same[..., 2] = 1
    assert float(slot_perplexity(same, mask)) == pytest.approx(1, abs=1e-4)
