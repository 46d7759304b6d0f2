from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from zoo.nn.contrastive import masked_contrastive_loss


@pytest.fixture
def pairs() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    a, b = torch.randn(2, 6, 8).unbind()
    return F.normalize(a, dim=-1), F.normalize(b, dim=-1)


def test_without_ids_it_is_clips_loss(pairs: tuple[torch.Tensor, torch.Tensor]) -> None:
    a, b = pairs
    logits = 10.0 * a @ b.T
    rows = torch.arange(6)
    expected = (F.cross_entropy(logits, rows) + F.cross_entropy(logits.T, rows)) / 2
    torch.testing.assert_close(masked_contrastive_loss(a, b, 10.0), expected)
    torch.testing.assert_close(masked_contrastive_loss(a, b, 10.0, rows), expected)


def test_duplicates_leave_the_denominators(pairs: tuple[torch.Tensor, torch.Tensor]) -> None:
    a, b = pairs
    ids = torch.tensor([0, 0, 1, 2, 3, 3])
    masked = masked_contrastive_loss(a, b, 10.0, ids)
    assert masked < masked_contrastive_loss(a, b, 10.0)
    logits = (10.0 * a @ b.T).exp()
    total = 0.0
    for i in range(6):
        keep = [j for j in range(6) if j == i or ids[j] != ids[i]]
        total -= (logits[i, i] / logits[i, keep].sum()).log()
        total -= (logits[i, i] / logits[keep, i].sum()).log()
    torch.testing.assert_close(masked, total / 12)


def test_all_the_same_picture_is_no_loss_and_no_nan(
    pairs: tuple[torch.Tensor, torch.Tensor],
) -> None:
    a = pairs[0].clone().requires_grad_()
    loss = masked_contrastive_loss(a, pairs[1], 10.0, torch.zeros(6, dtype=torch.long))
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert a.grad is not None and torch.isfinite(a.grad).all()
