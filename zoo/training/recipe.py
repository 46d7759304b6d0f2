"""What a model must say about its training so that one command can run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning import LightningDataModule


def _unchanged(config: Any, data_root: str | Path) -> Any:
    return config


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of a paper's training.

    Attributes:
        name: What `--stage` takes and what the module's constructor gets as `stage`.
        monitor: Logged quantity that decides which checkpoint is exported.
        mode: Whether the best value is the largest ("max") or the smallest ("min").
        max_steps: Dotted path into the config of the number of optimizer steps.
        gradient_clip: Dotted path into the config of the gradient-norm limit, if there is one.
        data: Arguments of the datamodule that are this stage's own, e.g. what it need not decode;
            flags win over them.
        links: As `Recipe.links`, of this stage alone: settings that every stage has of its own.
    """

    name: str
    monitor: str = "val/loss"
    mode: str = "min"
    max_steps: str | None = None
    gradient_clip: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one model is trained.

    Attributes:
        stages: In order; each starts from the export of the one before it.
        datamodule: The LightningDataModule; its first argument is `root`.
        links: Dotted path into the model's config -> argument of the datamodule, so that a value
            such as the image size has one home.
        prepare: Fills in what the config takes from the data (a vocabulary); (config, root) ->
            config.
        ablations: What `--ablation` takes -> values, by dotted path into the config, that differ
            from the preset's: the trainings that a paper compares its own with.
    """

    stages: tuple[Stage, ...]
    datamodule: type[LightningDataModule]
    links: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Any, Any], Any] = _unchanged
    ablations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def stage(self, name: str) -> Stage:
        """The stage of that name; raises KeyError if the recipe has none such."""
        return next(stage for stage in self.stages if stage.name == name)
