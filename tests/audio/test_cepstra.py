from __future__ import annotations

import torch

from zoo.audio.cepstra import cepstra, differences


def test_slopes() -> None:
    line = torch.arange(10.0)[:, None] * torch.tensor([1.0, -2.0])
    inner = differences(line)[2:-2]
    torch.testing.assert_close(inner, torch.tensor([1.0, -2.0]).expand_as(inner))


def test_a_hundred_rows_a_second() -> None:
    rows = cepstra(torch.randn(16_000) * 0.1)
    assert rows.shape == (99, 39) and rows.dtype == torch.float32
    torch.testing.assert_close(rows[:, 13:26], differences(rows[:, :13]))
