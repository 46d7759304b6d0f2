"""What `--strategy fsdp` needs beyond Lightning: scalars kept whole, gradients clipped, export.

FSDP cuts every parameter into pieces, one a process. It refuses parameters without a dimension
(temperatures, logit scales), and the norm of a gradient is only known to the root of the sharded
modules, which Lightning's own clipping does not reach.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from lightning.pytorch.strategies import FSDPStrategy
from torch import Tensor

if TYPE_CHECKING:
    from lightning import LightningModule, Trainer

    from zoo.hub.module import ZooModule


def is_sharded(trainer: Trainer) -> bool:
    """Whether no process holds the whole model."""
    return isinstance(trainer.strategy, FSDPStrategy)


def keep_scalars_whole(trainer: Trainer, model: LightningModule) -> None:
    """Exempt parameters without a dimension from sharding; their gradients are averaged here.

    Does nothing under other strategies. To be called before `fit`.
    """
    strategy = trainer.strategy
    if not isinstance(strategy, FSDPStrategy):
        return
    scalars: list[Any] = [p for p in model.parameters() if p.ndim == 0]
    for scalar in scalars:
        scalar.data = scalar.data.to(strategy.root_device)  # FSDP moves what it shards only
        if scalar.requires_grad:
            scalar.register_post_accumulate_grad_hook(_average_gradient)
    strategy.kwargs["ignored_states"] = scalars


def _average_gradient(parameter: Tensor) -> None:
    if parameter.grad is not None:
        dist.all_reduce(parameter.grad)
        parameter.grad /= dist.get_world_size()


def clip_norm(trainer: Trainer, limit: float) -> None:
    """Scale the gradients of a sharded model so that their norm over all processes is at most
    `limit`."""
    root: Any = trainer.strategy.model
    root.clip_grad_norm_(limit)


def whole_copy(model: ZooModule, stage: str, checkpoint: Path) -> ZooModule:
    """A new, unsharded model with the weights of a Lightning checkpoint.

    Args:
        model: the sharded one, whose configuration, side files and provenance are taken.
        stage: the stage it trained.
        checkpoint: a checkpoint file that holds the full state.
    """
    kind: Any = type(model)
    copy: ZooModule = kind(model.config, stage=stage)
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    copy.load_state_dict(state)
    copy.side_files, copy.provenance = model.side_files, model.provenance
    return copy
