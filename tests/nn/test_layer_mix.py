from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from zoo.nn.layer_mix import LayerMix


def test_starts_as_the_mean() -> None:
    states = [torch.randn(2, 3, 4) for _ in range(5)]
    torch.testing.assert_close(LayerMix(5)(states), torch.stack(states).mean(0))


def test_weights_and_normalisation() -> None:
    mix = LayerMix(2, normalize=True)
    mix.weights.data = torch.tensor([100.0, 0.0])
    states = [torch.randn(2, 3, 4) * 7 + 2, torch.randn(2, 3, 4)]
    torch.testing.assert_close(mix(states), F.layer_norm(states[0], (4,)))


def test_wrong_number_of_states() -> None:
    with pytest.raises(ValueError, match="got 1 hidden states for 2"):
        LayerMix(2)([torch.zeros(1, 1, 4)])
