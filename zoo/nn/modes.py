"""Switching a module's mode for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def mode_of(module: nn.Module, *, training: bool) -> Iterator[None]:
    """Put a module and all below it into one mode; puts every mode back afterwards."""
    before = {m: m.training for m in module.modules()}
    try:
        module.train(training)
        yield
    finally:
        for m, mode in before.items():
            m.training = mode


@contextmanager
def evaluation(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients."""
    with mode_of(module, training=False), torch.inference_mode():
        yield
