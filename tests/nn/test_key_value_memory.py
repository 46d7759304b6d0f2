from __future__ import annotations

import pytest
import torch

from zoo.nn.key_value_memory import KeyValueMemory, align_loss, store_loss


def test_a_query_at_a_key_recalls_its_value() -> None:
    memory = KeyValueMemory(4, 8, kappa=200.0)
    recalled = memory.recall(3 * memory.key.detach())  # the length of a query does not matter
    assert torch.allclose(recalled.address, torch.eye(4), atol=1e-3)
    assert torch.allclose(recalled.values, memory.value, atol=1e-2)
    assert torch.allclose(memory.address_values(memory.value), torch.eye(4), atol=1e-3)


def test_kappa_sharpens() -> None:
    query = torch.randn(5, 8)
    torch.manual_seed(0)
    soft = KeyValueMemory(4, 8, kappa=1.0)
    sharp = KeyValueMemory(4, 8, kappa=50.0)
    sharp.load_state_dict(soft.state_dict())
    assert (sharp.address_keys(query).amax(1) > soft.address_keys(query).amax(1)).all()
    assert torch.allclose(soft.address_keys(query).sum(1), torch.ones(5))


def test_alignment_is_the_divergence_from_the_lips_and_teaches_the_sound_only() -> None:
    lips = torch.tensor([[0.7, 0.3], [0.5, 0.5]], requires_grad=True)
    sound = torch.tensor([[0.4, 0.6], [0.5, 0.5]], requires_grad=True)
    loss = align_loss(lips, sound)
    expected = (lips * (lips / sound).log()).sum(dim=1).mean()
    assert torch.allclose(loss, expected)
    loss.backward()
    assert lips.grad is None and sound.grad is not None
    assert float(align_loss(lips, lips.detach().clone())) < 1e-6


def test_store_is_a_squared_distance() -> None:
    one, other = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]])
    assert float(store_loss(one, other)) == 5.0


def test_both_losses_reach_both_halves() -> None:
    memory = KeyValueMemory(3, 4)
    sound, lips = torch.rand(6, 4), torch.rand(6, 4)
    address = memory.address_values(lips)
    loss = store_loss(lips, memory.read(address)) + align_loss(address, memory.address_keys(sound))
    loss.backward()
    assert float(memory.key.grad.abs().sum()) > 0
    assert float(memory.value.grad.abs().sum()) > 0


def test_slots_are_filled_with_clusters() -> None:
    torch.manual_seed(0)
    centres, kinds = torch.eye(3, 4), torch.arange(30) % 3
    lips = 5 * centres[kinds] + 0.1 * torch.randn(30, 4)
    sound = torch.nn.functional.one_hot(kinds, 4).flip(1) + 0.1 * torch.randn(30, 4)
    memory = KeyValueMemory(3, 4, kappa=50.0)
    memory.fill(lips, sound)
    slots = memory.address_values(lips).argmax(dim=1)
    assert len(set(slots.tolist())) == 3
    assert all(len(set(slots[kinds == kind].tolist())) == 1 for kind in range(3))
    assert torch.equal(memory.address_keys(sound).argmax(dim=1), slots)
    assert torch.allclose(memory.read(memory.address_keys(sound)), 5 * centres[kinds], atol=0.5)
    with pytest.raises(ValueError, match="cannot make 3 clusters"):
        memory.fill(lips[:2], sound[:2])
