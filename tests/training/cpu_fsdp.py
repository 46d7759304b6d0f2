"""Lightning's FSDP without a GPU: torch shards on CPUs as well, only Lightning's flag refuses."""

from __future__ import annotations

import torch
from lightning.pytorch.strategies import FSDPStrategy
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.nn import Module

CPU = torch.device("cpu")


class CPUFSDPStrategy(FSDPStrategy):
    """FSDP over gloo processes."""

    def __init__(self) -> None:
        super().__init__(process_group_backend="gloo")

    @property
    def root_device(self) -> torch.device:
        """Where this process computes."""
        return CPU

    def _setup_model(self, model: Module) -> Module:
        # Lightning hands over the device's index, of which a CPU has none
        return FullyShardedDataParallel(model, device_id=CPU, **self.kwargs)
