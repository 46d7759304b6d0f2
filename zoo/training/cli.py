"""One stage of training as a LightningCLI."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, get_origin, get_type_hints

import lightning
from jsonargparse import set_parsing_settings
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, Timer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from zoo.hub.config import ZooConfig
from zoo.hub.module import ZooModule
from zoo.training.recipe import Recipe, Stage

# a configuration is one dataclass tree, not a class to choose: every field gets a flag of its own,
# with the docstring under it as help
set_parsing_settings(subclasses_disabled=[ZooConfig], docstring_parse_attribute_docstrings=True)


class StageCLI(LightningCLI):
    """Model, datamodule and trainer of one stage, with a preset's values as defaults.

    Args:
        model_class: The model.
        recipe: Its recipe.
        stage: The stage to run.
        config: The configuration whose values become the defaults of `--model.config.*`.
        data_root: The dataset folder (or address), passed to the datamodule as `root`.
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
        data_root: str | Path,
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
            trainer_defaults=self._trainer_defaults(),
            auto_configure_optimizers=False,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Preset values as defaults; config values that the datamodule needs are linked to it."""
        parser.add_instantiator(_whole_config, ZooConfig)
        parser.set_defaults(
            {
                **_leaves(self.default_config, "model.config"),
                "model.stage": self.stage.name,
                "data.root": str(self.data_root),
                **{f"data.{name}": value for name, value in self.stage.data.items()},
            }
        )
        for source, target in {**self.recipe.links, **self.stage.links}.items():
            parser.link_arguments(f"model.config.{source}", f"data.{target}")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the words given; LightningCLI itself warns when sys.argv has words as well."""
        self.config = parser.parse_args(args)
        for flag, path in self._from_config().items():
            if self.config.trainer[flag] in (None, -1):  # not given: the recipe's
                self.config.trainer[flag] = self.config.model.config[path]

    def _from_config(self) -> dict[str, str]:
        """Flag of the Trainer -> field of the config that it follows unless it is given."""
        paths = {"max_steps": self.stage.max_steps, "gradient_clip_val": self.stage.gradient_clip}
        return {flag: path for flag, path in paths.items() if path is not None}

    def _trainer_defaults(self) -> dict[str, Any]:
        return {
            "default_root_dir": str(self.folder),
            "callbacks": self._callbacks(),
            "logger": self._loggers(),
            "log_every_n_steps": 20,
            "num_sanity_val_steps": 0,
        }

    def _callbacks(self) -> list[lightning.Callback]:
        keep_best = ModelCheckpoint(
            dirpath=self.folder / "checkpoints",
            filename="{step}",
            monitor=self.stage.monitor,
            mode=self.stage.mode,
            save_last=True,
            enable_version_counter=False,
        )
        # what `--ckpt_path last` resumes, written between validations as well
        keep_last = ModelCheckpoint(
            dirpath=self.folder / "checkpoints",
            save_top_k=0,
            save_last=True,
            every_n_train_steps=200,
            save_on_exception=True,
            enable_version_counter=False,
        )
        return [keep_best, keep_last, LearningRateMonitor(logging_interval="step"), Timer()]

    def _loggers(self) -> list[dict[str, Any]]:
        # as class paths, so that the config.yaml that is saved with the logs can hold them
        return [
            {
                "class_path": f"lightning.pytorch.loggers.{name}",
                "init_args": {"save_dir": str(self.folder / "logs"), "name": folder},
            }
            for name, folder in (("CSVLogger", "csv"), ("TensorBoardLogger", "tensorboard"))
        ]


def _whole_config(kind: type[ZooConfig], /, **values: Any) -> ZooConfig:
    """A configuration in which what is nested in a part that may be None is no plain dict."""
    return kind.from_dict(values)


def _leaves(config: ZooConfig, prefix: str) -> dict[str, Any]:
    """Flag name -> value of every field; what may be None as a whole stays one flag."""
    values: dict[str, Any] = {}
    for name, hint in get_type_hints(type(config)).items():
        value = getattr(config, name)
        if get_origin(hint) is ClassVar:
            continue
        if isinstance(hint, type) and issubclass(hint, ZooConfig):
            values |= _leaves(value, f"{prefix}.{name}")
        else:
            values[f"{prefix}.{name}"] = value.to_dict() if isinstance(value, ZooConfig) else value
    return values
