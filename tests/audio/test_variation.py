"""Random variation of recordings: what a microphone does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zoo.audio.variation import equalized


@pytest.mark.parametrize("samples", [16_000, 16_001])
def test_a_microphone_changes_the_colour_and_nothing_else(samples: int) -> None:
    speech = torch.randn(samples, generator=torch.Generator().manual_seed(0)) * 0.1
    flat = equalized(speech, 0.0, np.random.default_rng(0))
    torch.testing.assert_close(flat, speech, atol=1e-6, rtol=0)  # float32 transforms there and back

    heard = equalized(speech, 4.0, np.random.default_rng(0))
    assert heard.shape == speech.shape
    response = torch.fft.rfft(heard)[1:-1] / torch.fft.rfft(speech)[1:-1]
    level = 20 * response.abs().log10()
    heights = np.random.default_rng(0).normal(0, 4.0, 3)
    place = torch.linspace(0, np.pi, samples // 2 + 1)[1:-1]
    wanted = sum(h * torch.cos((k + 1) * place) for k, h in enumerate(heights))
    assert float((level - wanted).abs().median()) < 0.01
    assert float(response.angle().abs().median()) < 1e-3, "what comes late stays late"
