"""Training in miniature for the speech models: three talkers in LRS3's layout, a few steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from zoo.hub.module import ZooModule
from zoo.models.hubert_units.config import HubertUnitsConfig
from zoo.models.hubert_units.module import HubertUnits
from zoo.training.command import parse_arguments, run

QUICK = (
    *("--accelerator", "cpu", "--enable_progress_bar", "false", "--log_every_n_steps", "1"),
    *("--enable_model_summary", "false", "--data.num_workers", "0"),
)


def train(model: type[ZooModule], data: Path, out: Path, *words: str) -> Path:
    """`zoo train` in this process; returns the exported folder."""
    argv = [model.slug, "--data", str(data), "--out", str(out), *QUICK, *words]
    return run(parse_arguments(argv, [model.slug]), model)


def last_checkpoint(stage: Path) -> dict[str, Any]:
    path = stage / "checkpoints" / "last.ckpt"
    return torch.load(path, map_location="cpu", weights_only=True)


def small_hubert(**changes: Any) -> HubertUnitsConfig:
    sizes = {
        "hubert.hidden_size": 32,
        "hubert.num_layers": 2,
        "hubert.ffn_size": 32,
        "hubert.position_kernel": 4,
        "hubert.conv_channels": (8, 8, 8, 8, 8, 16),
        "feature_size": 32,
        "num_units": 6,
        "layer": 2,
        "target_layer": 1,
        "task.num_clusters": 5,
    }
    return HubertUnitsConfig.preset("tiny", {**sizes, **changes})


def unit_source(folder: Path) -> Path:
    """A checkpoint that makes six units."""
    torch.manual_seed(0)
    model = HubertUnits(small_hubert()).eval()
    model.kmeans.centers.normal_()
    return model.save_pretrained(folder)


def voice_source(folder: Path) -> Path:
    """A checkpoint that makes speaker vectors of 64 numbers."""
    from zoo.models.ge2e.config import GE2EConfig
    from zoo.models.ge2e.module import SpeakerEncoder

    torch.manual_seed(0)
    return SpeakerEncoder(GE2EConfig.tiny()).save_pretrained(folder)
