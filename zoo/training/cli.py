"""One stage of training as a LightningCLI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, Timer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from zoo.hub.config import ZooConfig
from zoo.hub.module import ZooModule
from zoo.training.recipe import Recipe, Stage


class StageCLI(LightningCLI):
    """Model, datamodule and trainer of one stage, with a preset's values as defaults.

    Args:
        model_class: The model.
        recipe: Its recipe.
        stage: The stage to run.
        config: The configuration whose values become the defaults of `--model.config.*`.
        data_root: The dataset folder, passed to the datamodule as `root`.
        folder: Where checkpoints and logs go.
        seed: Default of `--seed_everything`.
        arguments: Command-line words for LightningCLI.
    """

    def __init__(
        self,
        model_class: type[ZooModule],
        recipe: Recipe,
        stage: Stage,
        *,
        config: ZooConfig,
        data_root: Path,
        folder: Path,
        seed: int,
        arguments: list[str],
    ) -> None:
        self.recipe = recipe
        self.stage = stage
        self.default_config = config
        self.data_root = data_root
        self.folder = folder
        super().__init__(
            model_class,
            recipe.datamodule,
            run=False,
            args=arguments,
            seed_everything_default=seed,
            save_config_kwargs={"overwrite": True},
            trainer_defaults=self._trainer_defaults(config),
            auto_configure_optimizers=False,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Preset values as defaults; config values that the datamodule needs are linked to it."""
        parser.set_defaults(
            {
                "model.config": self.default_config,
                "model.stage": self.stage.name,
                "data.root": str(self.data_root),
            }
        )
        for source, target in self.recipe.links.items():
            parser.link_arguments(f"model.config.{source}", f"data.{target}")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the words given; LightningCLI itself warns when sys.argv has words as well."""
        self.config = parser.parse_args(args)

    def _trainer_defaults(self, config: ZooConfig) -> dict[str, Any]:
        defaults: dict[str, Any] = {
            "default_root_dir": str(self.folder),
            "callbacks": self._callbacks(),
            "logger": self._loggers(),
            "log_every_n_steps": 20,
            "num_sanity_val_steps": 0,
        }
        if self.stage.max_steps is not None:
            defaults["max_steps"] = _at(config, self.stage.max_steps)
        if self.stage.gradient_clip is not None:
            defaults["gradient_clip_val"] = _at(config, self.stage.gradient_clip)
        return defaults

    def _callbacks(self) -> list[lightning.Callback]:
        keep_best = ModelCheckpoint(
            dirpath=self.folder / "checkpoints",
            filename="{step}",
            monitor=self.stage.monitor,
            mode=self.stage.mode,
            save_last=True,
            enable_version_counter=False,
        )
        return [keep_best, LearningRateMonitor(logging_interval="step"), Timer()]

    def _loggers(self) -> list[dict[str, Any]]:
        # as class paths, so that the config.yaml that is saved with the logs can hold them
        return [
            {
                "class_path": f"lightning.pytorch.loggers.{name}",
                "init_args": {"save_dir": str(self.folder / "logs"), "name": folder},
            }
            for name, folder in (("CSVLogger", "csv"), ("TensorBoardLogger", "tensorboard"))
        ]


def _at(config: ZooConfig, path: str) -> Any:
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value
