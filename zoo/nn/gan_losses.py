"""Losses of GAN vocoders: least squares, feature matching (arXiv 2010.05646, section 2.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.nn.gan_discriminators import Judgement

FEATURE_WEIGHT = 2.0


def discriminator_loss(real: Sequence[Judgement], made: Sequence[Judgement]) -> Tensor:
    """Least squares: real towards 1, made towards 0, summed over the discriminators."""
    pairs = zip(real, made, strict=True)
    return _sum([(1 - r.score).square().mean() + m.score.square().mean() for r, m in pairs])


def generator_loss(made: Sequence[Judgement]) -> Tensor:
    """Least squares: made towards 1, summed over the discriminators."""
    return _sum([(1 - m.score).square().mean() for m in made])


def feature_loss(real: Sequence[Judgement], made: Sequence[Judgement]) -> Tensor:
    """Mean absolute difference of the features, summed over layers and discriminators, twice."""
    terms = [
        F.l1_loss(theirs, ours.detach())
        for r, m in zip(real, made, strict=True)
        for ours, theirs in zip(r.features, m.features, strict=True)
    ]
    return FEATURE_WEIGHT * _sum(terms)


def _sum(terms: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum()
