"""From a trained module to a zoo folder, and from a zoo folder to the next stage's start."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from zoo.errors import CheckpointError
from zoo.hub.load import from_pretrained
from zoo.hub.module import ZooModule

logger = logging.getLogger(__name__)
FINISHED = "finished.json"


@dataclass(frozen=True)
class Weights:
    """The state dict of an earlier stage."""

    source: str
    state: dict[str, torch.Tensor]

    def copy_into(self, model: ZooModule) -> None:
        """Fill every tensor of `model` that the source also has.

        Raises:
            CheckpointError: If a tensor of the same name has another shape.
        """
        own = model.state_dict()
        wrong = [
            f"{name} {tuple(value.shape)} where the model has {tuple(own[name].shape)}"
            for name, value in self.state.items()
            if name in own and value.shape != own[name].shape
        ]
        if wrong:
            raise CheckpointError(
                f"{self.source} does not fit the model: {'; '.join(wrong[:20])}. Train this stage "
                "with the same preset, data and --model.config flags as the one before it."
            )
        model.load_state_dict(self.state, strict=False)
        fresh = sorted(set(own) - set(self.state))
        logger.info("started from %s; %d tensors are new", self.source, len(fresh))


def weights_of(source: str) -> Weights:
    """The weights that `zoo.from_pretrained(source)` finds."""
    return Weights(source, from_pretrained(source).state_dict())


def is_finished(folder: Path) -> bool:
    """Whether the stage that writes into `folder` ran to its end."""
    return (folder / FINISHED).is_file()


def export_best(trainer: Trainer, model: ZooModule, folder: Path, *, command: str) -> None:
    """Write the best checkpoint's weights as a zoo folder `folder/model` (rank 0 only).

    The weights are those of the monitored best step; where nothing was monitored (no validation
    data), those of the last step.
    """
    if trainer.interrupted or not trainer.is_global_zero:
        return
    best = _best_checkpoint(trainer)
    if best is not None:
        state = torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
        model.load_state_dict(state)
    model.save_pretrained(folder / "model", overwrite=True)
    record = {"command": command, "steps": trainer.global_step, "checkpoint": _name(best)}
    (folder / FINISHED).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _best_checkpoint(trainer: Trainer) -> Path | None:
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.best_model_path:
            return Path(callback.best_model_path)
    return None


def _name(path: Path | None) -> str | None:
    return None if path is None else path.name
