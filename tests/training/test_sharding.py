"""Gradients of a model that no process holds whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from lightning import Trainer
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from tests.training.cpu_fsdp import CPUFSDPStrategy
from zoo.training.sharding import clip_norm, is_sharded, keep_scalars_whole

LIMIT = 0.5


class Scaled(LightningModule):
    """A layer and a temperature, which has no dimension."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(6, 4)
        self.scale = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * self.scale


def _data(rank: int) -> Tensor:
    return torch.randn(5, 6, generator=torch.Generator().manual_seed(rank))


def _step(rank: int, folder: str) -> None:
    """One backward pass and clipping on a process of two; rank 0 leaves the scale's gradient."""
    store = dist.FileStore(f"{folder}/store", 2)
    dist.init_process_group("gloo", rank=rank, world_size=2, store=store)
    trainer = Trainer(accelerator="cpu", strategy=CPUFSDPStrategy(), logger=False, barebones=True)
    model = Scaled()
    keep_scalars_whole(trainer, model)
    trainer.strategy.model = root = trainer.strategy._setup_model(model)
    root(_data(rank)).square().mean().backward()
    clip_norm(trainer, LIMIT)
    squares = sum(
        p.grad.square().sum()
        for name, p in root.named_parameters()
        if p.grad is not None and p.ndim
    )
    total = torch.as_tensor(squares)
    dist.all_reduce(total)
    if rank == 0:
        torch.save(
            {"norm": (total + model.scale.grad**2).sqrt(), "scale": model.scale.grad},
            f"{folder}/out",
        )
    dist.destroy_process_group()


def test_the_norm_over_all_processes_is_clipped(tmp_path: Path) -> None:
    mp.spawn(_step, (str(tmp_path),), nprocs=2)
    found = torch.load(tmp_path / "out")
    model = Scaled()
    model(torch.cat([_data(0), _data(1)])).square().mean().backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), LIMIT)
    assert norm > 2 * LIMIT  # there is something to clip
    assert found["norm"] == pytest.approx(LIMIT, rel=1e-4)
    assert found["scale"] == pytest.approx(float(model.scale.grad), rel=1e-4)


def test_other_strategies_are_left_alone() -> None:
    trainer = Trainer(accelerator="cpu", devices=1, logger=False, barebones=True)
    keep_scalars_whole(trainer, Scaled())
    assert not is_sharded(trainer)
