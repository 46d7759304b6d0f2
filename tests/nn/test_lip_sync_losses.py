from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from zoo.nn.lip_sync_losses import (
    cosine_bce,
    discriminator_loss,
    expert_contrast,
    loudness,
    mouth_region,
    perceptual_loss,
    sync_loss,
    tracking_loss,
    weighted_l1,
)
from zoo.nn.quality_discriminator import QualityDiscriminator
from zoo.nn.sync_expert import SyncExpert

NARROW = (2, 4, 4, 8, 8)


def test_cosine_above_one_by_rounding_is_no_error() -> None:
    one = torch.tensor([[0.6, 0.8]]) * (1 + 1e-6)
    assert float(cosine_bce(one, one, torch.ones(1))) < 1e-5


def test_contrast_prefers_the_right_sound_of_the_same_clip() -> None:
    torch.manual_seed(0)
    faces = F.normalize(torch.rand(2, 3, 8), dim=2)
    right, wrong = (expert_contrast(sound, faces) for sound in (faces, faces.roll(1, 1)))
    assert float(right) < float(wrong)
    each = [float(expert_contrast(faces[k : k + 1], faces[k : k + 1])) for k in (0, 1)]
    assert float(right) == pytest.approx(sum(each) / 2, rel=1e-5), "clips do not compete"


def test_numbers_are_followed_whatever_the_clip() -> None:
    torch.manual_seed(0)
    target = torch.randn(3, 6, 20)
    clip, rest = 5 * torch.randn(3, 1, 20), torch.randn(3, 6, 10)
    follows, against = (torch.cat([sign * 2 * target + clip, rest], -1) for sign in (1, -1))
    assert float(tracking_loss(follows, target)) == pytest.approx(0, abs=1e-5)
    assert float(tracking_loss(against, target)) == pytest.approx(2, abs=1e-5)
    assert 0.5 < float(tracking_loss(torch.randn(3, 6, 30), target)) < 1.5


def test_loudness_is_that_of_bands_and_moments() -> None:
    mel = torch.zeros(1, 1, 1, 80, 16)
    mel[..., :20, -3:] = 1
    found = loudness(mel).view(4, 5)
    assert float(found[0, 4]) > 0.7 and float(found[1:].abs().max()) == 0
    assert float(found[0, :3].abs().max()) == 0


def test_a_frozen_expert_keeps_its_mode_and_parameters() -> None:
    expert = SyncExpert(NARROW, NARROW, 64).train().requires_grad_(False)
    frames = torch.rand(2, 5, 3, 64, 64, requires_grad=True)
    before = expert.face_encoder[0].norm.running_mean.clone()
    sync_loss(expert, torch.randn(2, 1, 80, 16), frames).backward()
    assert expert.training and torch.equal(before, expert.face_encoder[0].norm.running_mean)
    assert frames.grad is not None
    assert float(frames.grad[..., :32, :].abs().max()) == 0, "the upper half is not judged"
    assert float(frames.grad[..., 32:, :].abs().max()) > 0


def test_each_side_of_the_game_gets_its_own_gradient() -> None:
    judge = QualityDiscriminator(NARROW, 64)
    painted = torch.rand(1, 2, 3, 64, 64, requires_grad=True)
    perceptual_loss(judge, painted).backward()
    assert painted.grad is not None and all(p.grad is None for p in judge.parameters())
    painted.grad = None
    discriminator_loss(judge, torch.rand(1, 2, 3, 64, 64), painted).backward()
    assert painted.grad is None and all(p.grad is not None for p in judge.parameters())


def test_the_mouth_weighs_more() -> None:
    filmed = torch.zeros(1, 3, 64, 64)
    mouth, brow = filmed.clone(), filmed.clone()
    mouth[..., 40, 32] = 1
    brow[..., 10, 32] = 1
    assert float(weighted_l1(mouth, filmed)) == float(weighted_l1(brow, filmed))
    assert float(weighted_l1(mouth, filmed, 2.0)) > float(weighted_l1(brow, filmed, 2.0))
    assert mouth_region(filmed).shape == (1, 3, 24, 32)
