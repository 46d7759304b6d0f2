"""Learning-rate factors a step, as fairseq's schedulers of the speech recipes compute them."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def polynomial(warmup_steps: int, total_steps: int) -> Schedule:
    """Linear growth, then linear decay to zero (power 1): pretraining."""

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return max(0.0, (total_steps - step) / max(1, total_steps - warmup_steps))

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


def cosine(warmup_steps: int, total_steps: int) -> Schedule:
    """Linear growth, then half a cosine down to zero: lip to speech, vocoders."""

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        done = (step - warmup_steps) / max(1, total_steps - warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return factor
