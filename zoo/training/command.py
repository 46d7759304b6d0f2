"""`zoo train SLUG`: the paper's stages, one LightningCLI run each.

LightningCLI parses every flag of the Trainer, the model and the datamodule; this module only fills
in the defaults of a preset, the order of the stages and the places where things are written:

    OUT/<stage>/checkpoints/   what `--ckpt_path last` resumes
    OUT/<stage>/logs/          CSV and TensorBoard
    OUT/<stage>/model/         the best weights as a zoo folder; the next stage starts from it
"""

from __future__ import annotations

import argparse
import inspect
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning import Trainer

from zoo.data.corpora.about import refuse_test_corpus
from zoo.errors import ConfigError, DataError
from zoo.hub.config import ZooConfig
from zoo.hub.module import ZooModule
from zoo.training.cli import StageCLI
from zoo.training.export import export_best, is_finished, weights_of
from zoo.training.recipe import Recipe, Stage
from zoo.training.sharding import keep_scalars_whole

logger = logging.getLogger(__name__)
# /data/lrs3, ../lrs3, ~/lrs3, alone or in a list; neither owner/name nor an address
_FOLDERS = re.compile(r"""(?<![\w.~:/-])(?:~|\.{1,2})?/[^\s,'"\[\]]+""")


@dataclass(frozen=True, kw_only=True)
class TrainArguments:
    """The flags of `zoo train` that are not LightningCLI's."""

    slug: str
    preset: str
    data: str | Path
    out: Path
    stage: str | None
    init: str | None
    ckpt_path: str | None
    seed: int
    rest: tuple[str, ...]
    ablation: str | None = None


def parse_arguments(argv: Sequence[str], slugs: Sequence[str]) -> TrainArguments:
    """Split `argv` into the zoo's flags and those passed on to LightningCLI.

    Flags of the Trainer may be given bare: `--max_steps 10` means `--trainer.max_steps 10`.
    """
    parser = build_parser(slugs)
    known, rest = parser.parse_known_args(list(argv))
    return TrainArguments(
        slug=known.slug,
        preset=known.preset,
        data=known.data,
        out=known.out,
        stage=known.stage,
        init=known.init,
        ckpt_path=known.ckpt_path,
        seed=known.seed,
        rest=tuple(_with_trainer_prefix(rest)),
        ablation=known.ablation,
    )


def build_parser(slugs: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the zoo's own flags; its help points to LightningCLI's."""
    parser = argparse.ArgumentParser(
        prog="zoo train",
        allow_abbrev=False,
        description="Train a model, all stages or one. Any flag of the Trainer works (--max_steps, "
        "--devices, --strategy, ...), and --model.config.<field> and --data.<argument> set "
        "the rest; --print_config lists them all.",
    )
    parser.add_argument("slug", choices=sorted(slugs), help="which model")
    parser.add_argument("--preset", default="tiny", help="configuration to start from")
    parser.add_argument(
        "--data", type=_data_root, required=True, help="dataset folder, or address of a shard set"
    )
    parser.add_argument("--out", type=Path, required=True, help="where to write")
    parser.add_argument("--stage", help="train this stage only (default: all, in order)")
    parser.add_argument(
        "--ablation",
        metavar="NAME",
        help="train without what the paper argues for (a wrong name lists them)",
    )
    parser.add_argument("--init", metavar="SOURCE", help="start from these weights")
    parser.add_argument("--ckpt_path", help="'last' to resume, or a .ckpt file")
    parser.add_argument("--seed", type=int, default=7122, help="seed of everything")
    return parser


def _data_root(text: str) -> str | Path:
    """A folder, or the address of a shard set, which a Path would spoil."""
    return text if "://" in text else Path(text)


def run(arguments: TrainArguments, model_class: type[ZooModule]) -> Path:
    """Train the stages asked for and return the folder of the last one's model.

    Raises:
        DataError: If the dataset folder does not exist, or holds a corpus that is kept for tests.
        ConfigError: If the model has no such preset, stage or ablation.
    """
    if isinstance(arguments.data, Path) and not arguments.data.is_dir():
        raise DataError(
            f"--data {arguments.data}: there is no such folder; give the dataset's root "
            "(`zoo corpus make tiny-flickr8k DIR` makes a small one)"
        )
    refuse_test_corpus(arguments.data)
    config = model_class.Config.preset(arguments.preset)
    if arguments.ablation is not None:
        config = _ablated(config, model_class.recipe(config), arguments.ablation)
    recipe = model_class.recipe(config)
    stages = _chosen(recipe, arguments.stage)
    init = arguments.init or _export_before(recipe, stages[0], arguments.out)
    last = arguments.out / stages[-1].name / "model"
    for stage in stages:
        folder = arguments.out / stage.name
        if arguments.ckpt_path == "last" and is_finished(folder) and len(stages) > 1:
            logger.warning("stage %s is finished (%s); going on", stage.name, folder / "model")
        else:
            _run_stage(arguments, model_class, config, recipe, stage, init)
        init = str(folder / "model")
    return last


def _run_stage(
    arguments: TrainArguments,
    model_class: type[ZooModule],
    config: ZooConfig,
    recipe: Recipe,
    stage: Stage,
    init: str | None,
) -> None:
    config = recipe.prepare(config, arguments.data)
    cli = StageCLI(
        model_class,
        recipe,
        stage,
        config=config,
        data_root=arguments.data,
        folder=arguments.out / stage.name,
        seed=arguments.seed,
        arguments=list(arguments.rest),
    )
    if init is not None:
        weights_of(init).copy_into(cli.model)
    elif arguments.ckpt_path is None:
        cli.model.initialise_pretrained()
    keep_scalars_whole(cli.trainer, cli.model)
    cli.trainer.fit(cli.model, cli.datamodule, ckpt_path=arguments.ckpt_path)
    if not cli.trainer.interrupted:
        # the run may have ended between two checkpoints; a longer one then goes on from here
        cli.trainer.save_checkpoint(cli.folder / "checkpoints" / "last.ckpt")
    export_best(
        cli.trainer,
        cli.model,
        cli.folder,
        stage=stage.name,
        command=_command(arguments, stage),
        data=[Path(arguments.data), *_further_roots(cli.datamodule)],
    )


def _further_roots(datamodule: Any) -> list[Path]:
    """Datasets besides the first that were trained on."""
    names = ("more_roots", "twin_roots")
    return [Path(root) for name in names for root in getattr(datamodule, name, ())]


def _command(arguments: TrainArguments, stage: Stage) -> str:
    """The command line without the user's own folder names, for the record and the card."""
    text = f"zoo train {arguments.slug} --preset {arguments.preset} --stage {stage.name}"
    if arguments.ablation:
        text += f" --ablation {arguments.ablation}"
    init = f" --init {Path(arguments.init).name}" if arguments.init else ""
    flags = _FOLDERS.sub(lambda folder: Path(folder[0]).name, " ".join(arguments.rest))
    return f"{text} --seed {arguments.seed}{init} {flags}".rstrip()


def _ablated(config: ZooConfig, recipe: Recipe, name: str) -> ZooConfig:
    if name not in recipe.ablations:
        known = ", ".join(recipe.ablations) or "none"
        raise ConfigError(f"--ablation {name}: this model's ablations are: {known}")
    return config.replace(**recipe.ablations[name])


def _chosen(recipe: Recipe, name: str | None) -> tuple[Stage, ...]:
    if name is None:
        return recipe.stages
    names = [stage.name for stage in recipe.stages]
    if name not in names:
        raise ConfigError(f"--stage {name}: this model's stages are {', '.join(names)}")
    return (recipe.stage(name),)


def _export_before(recipe: Recipe, stage: Stage, out: Path) -> str | None:
    """The exported model of the stage before `stage`, if it was trained into the same folder."""
    position = recipe.stages.index(stage)
    if position == 0:
        return None
    before = recipe.stages[position - 1].name
    if not is_finished(out / before):
        raise ConfigError(
            f"stage {stage.name} starts from stage {before}, but {out / before} holds no finished "
            f"model; train it first, or give --init SOURCE"
        )
    return str(out / before / "model")


def _with_trainer_prefix(rest: Sequence[str]) -> list[str]:
    flags = set(inspect.signature(Trainer.__init__).parameters)

    def prefixed(word: str) -> str:
        name = word.removeprefix("--").split("=")[0].split(".")[0]
        return f"--trainer.{word[2:]}" if word.startswith("--") and name in flags else word

    return [prefixed(word) for word in rest]


def main(argv: Sequence[str]) -> Path:
    """Entry point of `zoo train`."""
    from importlib import import_module

    from zoo.models import MODEL_CLASSES

    arguments = parse_arguments(argv, list(MODEL_CLASSES))
    module, name = MODEL_CLASSES[arguments.slug]
    return run(arguments, getattr(import_module(module), name))
