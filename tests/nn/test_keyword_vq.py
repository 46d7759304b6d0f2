from __future__ import annotations

import pytest
import torch

from zoo.nn.keyword_vq import KeywordQuantizer, cosine_scores


def test_eval_is_one_hot_and_forbidden_rows_are_never_taken() -> None:
    quantizer = KeywordQuantizer(0.1, forbidden=(0, 2)).eval()
    scores = torch.tensor([[[9.0, 1.0, 8.0, 3.0]]])
    before = scores.clone()
    choice = quantizer(scores)
    assert choice.targets.tolist() == [[3]]
    assert choice.weights.tolist() == [[[0, 0, 0, 1]]]
    assert torch.equal(scores, before), "the argument must stay as it was"


def test_training_is_one_hot_in_value_and_soft_in_gradient() -> None:
    quantizer = KeywordQuantizer(0.5).train()
    scores = torch.randn(2, 3, 5, requires_grad=True)
    weights = quantizer(scores).weights
    torch.testing.assert_close(weights.detach(), quantizer.eval()(scores).weights)
    seed = torch.randn_like(weights)
    (ours,) = torch.autograd.grad((weights * seed).sum(), scores)
    soft = (scores / 0.5).softmax(-1)
    (expected,) = torch.autograd.grad((soft * seed).sum(), scores)
    torch.testing.assert_close(ours, expected)


def test_diagnostics() -> None:
    quantizer = KeywordQuantizer().eval()
    same = torch.zeros(4, 2, 5)
    same[..., 1] = 50.0
    choice = quantizer(same)
    assert choice.code_perplexity.item() == pytest.approx(1.0, abs=1e-4)
    assert choice.slot_entropy.tolist() == pytest.approx([0.0, 0.0], abs=1e-4)
    spread = quantizer(50 * torch.eye(5).reshape(1, 5, 5))
    assert spread.code_perplexity.item() == pytest.approx(5.0, abs=1e-3)
    assert spread.diversity_loss.item() == pytest.approx(0.0, abs=1e-3)


def test_cosine_scores_survive_zero_vectors() -> None:
    scores = cosine_scores(torch.zeros(1, 1, 4), torch.randn(3, 4))
    assert torch.equal(scores, torch.zeros(1, 1, 3))


def test_the_temperature_is_saved() -> None:
    assert "temperature" in KeywordQuantizer(0.2).state_dict()
