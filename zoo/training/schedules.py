"""Learning-rate factors a step (as fairseq's schedulers compute them), and their use."""

from __future__ import annotations

import math
from collections.abc import Callable

from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

Schedule = Callable[[int], float]


def scheduled(optimizer: Optimizer, schedule: Schedule) -> OptimizerLRSchedulerConfig:
    """What `configure_optimizers` returns: the optimizer, its rate changed after every step."""
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": LambdaLR(optimizer, schedule), "interval": "step"},
    }


def polynomial(warmup_steps: int, total_steps: int, final: float = 0.0) -> Schedule:
    """Linear growth, then linear decay to `final` (power 1): pretraining."""

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        left = (total_steps - step) / max(1, total_steps - warmup_steps)
        return final + (1 - final) * max(0.0, left)

    return factor


def tri_stage(
    warmup_steps: int,
    hold_steps: int,
    decay_steps: int,
    initial: float = 0.01,
    final: float = 0.05,
) -> Schedule:
    """Linear growth from `initial`, a plateau, exponential decay to `final`: fine-tuning."""

    def factor(step: int) -> float:
        if step < warmup_steps:
            return initial + (1 - initial) * step / warmup_steps
        done = step - warmup_steps - hold_steps
        if done < 0:
            return 1.0
        return final if done >= decay_steps else float(final ** (done / decay_steps))

    return factor


def cosine(warmup_steps: int, total_steps: int, final: float = 0.0) -> Schedule:
    """Linear growth, then half a cosine down to `final`: lip to speech, vocoders, faces."""

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        done = (step - warmup_steps) / max(1, total_steps - warmup_steps)
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return factor
