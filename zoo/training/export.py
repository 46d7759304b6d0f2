"""From a trained module to a zoo folder, and from a zoo folder to the next stage's start."""

from __future__ import annotations

import json
import logging
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, Timer

from zoo.data.corpora.about import about_corpus
from zoo.errors import CheckpointError
from zoo.hub.load import from_pretrained
from zoo.hub.module import ZooModule
from zoo.training.sharding import is_sharded, whole_copy

logger = logging.getLogger(__name__)
FINISHED = "finished.json"
_MEASURED = re.compile(r"\w+\.py(:|$)")


@dataclass(frozen=True)
class Weights:
    """The state dict of an earlier stage, and how that was trained."""

    source: str
    state: dict[str, torch.Tensor]
    training: dict[str, Any] = field(default_factory=dict)

    def copy_into(self, model: ZooModule) -> None:
        """Fill every tensor of `model` that the source also has, but for those of another shape
        that its training makes anew (`ZooModule.made_anew`).

        Raises:
            CheckpointError: If any other tensor of the same name has another shape.
        """
        own = model.state_dict()
        others = [k for k, v in self.state.items() if k in own and v.shape != own[k].shape]
        anew = [k for k in others if any(re.match(one, k) for one in model.made_anew)]
        wrong = [
            f"{name} {tuple(self.state[name].shape)} where the model has {tuple(own[name].shape)}"
            for name in others
            if name not in anew
        ]
        if wrong:
            raise CheckpointError(
                f"{self.source} does not fit the model: {'; '.join(wrong[:20])}. Train this stage "
                "with the same preset, data and --model.config flags as the one before it."
            )
        if anew:
            logger.warning(
                "of another shape in %s, so begun anew: %s", self.source, ", ".join(anew)
            )
        taken = {name: value for name, value in self.state.items() if name not in anew}
        model.load_state_dict(taken, strict=False)
        model.provenance["training"] = {
            # what a script measured was measured on the weights as they were
            key: value
            for key, value in self.training.items()
            if not _MEASURED.match(key)
        }
        fresh = sorted(set(own) - set(taken))
        logger.info("started from %s; %d tensors are new", self.source, len(fresh))


def weights_of(source: str) -> Weights:
    """The weights that `zoo.from_pretrained(source)` finds."""
    model = from_pretrained(source)
    return Weights(source, model.state_dict(), model.provenance.get("training", {}))


def is_finished(folder: Path) -> bool:
    """Whether the stage that writes into `folder` ran to its end."""
    return (folder / FINISHED).is_file()


def export_best(
    trainer: Trainer,
    model: ZooModule,
    folder: Path,
    *,
    stage: str,
    command: str,
    data: Sequence[Path],
) -> None:
    """Write the best weights of a run as a zoo folder `folder/model` (rank 0 only).

    The last step is validated too, since a run rarely ends with a validation; the better of it
    and the best checkpoint is kept. Without validation data it is the last step. A sharded model
    cannot be validated once `fit` has ended: of it the best checkpoint is kept, or the last step.
    Command, steps and minutes go into config.json, and from there into the model card.
    """
    if trainer.interrupted:
        return
    minutes = _minutes(trainer)
    sharded = is_sharded(trainer)
    best = _best_checkpoint(trainer) if sharded else _better_checkpoint(trainer, model)
    if not trainer.is_global_zero:
        return
    if sharded:
        model = whole_copy(model, stage, best or folder / "checkpoints" / "last.ckpt")
    elif best is not None:
        state = torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
        model.load_state_dict(state)
    record = {
        "command": command,
        "steps": trainer.global_step,
        "minutes": minutes,
        "hardware": _hardware(trainer),
        "kept": "the last step" if best is None else best.stem,
    }
    before = dict(model.provenance.get("training", {}))
    name = f"stage {stage}"
    if name in before:  # started from weights that this stage had trained
        before[f"{name}, before"] = before.pop(name)
    model.provenance["training"] = {
        **before,
        "data": "; ".join(map(describe_data, data)),
        name: "`{command}`: {steps} steps, {minutes} min, {hardware}; kept {kept}".format(**record),
    }
    model.save_pretrained(folder / "model", overwrite=True)
    (folder / FINISHED).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def describe_data(root: Path) -> str:
    """A dataset folder in words: a tiny corpus by name, seed and sizes, another by its name."""
    return str(about_corpus(root) or root.resolve().name)


def _minutes(trainer: Trainer) -> float | None:
    """Minutes of training, resumed parts included."""
    timers = [c for c in trainer.callbacks if isinstance(c, Timer)]  # type: ignore[attr-defined]
    return round(timers[0].time_elapsed("train") / 60, 1) if timers else None


def _hardware(trainer: Trainer) -> str:
    device = trainer.strategy.root_device
    if device.type == "cuda":
        return f"{trainer.world_size} x {torch.cuda.get_device_name(device)}"
    processes = f"{trainer.world_size} processes x " if trainer.world_size > 1 else ""
    return f"{processes}{torch.get_num_threads()} threads of {platform.machine()} CPU"


def _best_checkpoint(trainer: Trainer) -> Path | None:
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.monitor and callback.best_model_path:
            return Path(callback.best_model_path)
    return None


def _better_checkpoint(trainer: Trainer, model: ZooModule) -> Path | None:
    """The best validated checkpoint, or None if the weights of the last step are better."""
    for callback in trainer.checkpoint_callbacks:
        if not (isinstance(callback, ModelCheckpoint) and callback.monitor):
            continue
        if not callback.best_model_path or callback.best_model_score is None:
            return None
        trainer.validate(model, datamodule=trainer.datamodule, verbose=False)  # type: ignore[attr-defined]
        last = trainer.callback_metrics.get(callback.monitor)
        best = callback.best_model_score.cpu()
        wins = last is not None and (
            last.cpu() > best if callback.mode == "max" else last.cpu() < best
        )
        return None if wins else Path(callback.best_model_path)
    return None
