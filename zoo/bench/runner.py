"""Predict every sample of a task through Lightning, resumably, then score.

Lightning brings the progress bar, accelerators, processes and nodes. No metric is computed
across processes: each appends records to its own shard, and scoring reads the files.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import BasePredictionWriter

from zoo.bench.adapters import PredictModule
from zoo.bench.clips import ClipLoader
from zoo.bench.dataset import BenchData, FileLoader, Loader
from zoo.bench.noises import noise_digest, noise_files
from zoo.bench.provenance import code_commit, hardware, model_identity, versions
from zoo.bench.records import Record, ShardWriter
from zoo.bench.reference_rows import ReferenceRow, is_reference_row
from zoo.bench.result import Result
from zoo.bench.resume import check_resumable, discard_run, finished_ids, only_writer
from zoo.bench.samples import Sample, read_samples, references_hash
from zoo.bench.scoring import score_run
from zoo.bench.task import Task, load_task
from zoo.bench.training_data import check_training
from zoo.errors import BenchError

log = logging.getLogger(__name__)
_RANK_VARIABLES = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


class RecordWriter(BasePredictionWriter):
    """Appends each batch's records to the shard of this process as soon as they exist."""

    def __init__(self, folder: Path) -> None:
        super().__init__(write_interval="batch")
        self.folder = folder
        self.shard: ShardWriter | None = None

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the shard; every process has read the finished ids by now."""
        self.shard = ShardWriter(self.folder, trainer.global_rank)

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: list[Record],
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Append the records of one batch."""
        assert self.shard is not None
        self.shard.write(prediction)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Close the shard, then wait for the others, so that the first process sees all of it."""
        if self.shard is not None:
            self.shard.close()
        trainer.strategy.barrier("records written")

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Keep what was predicted."""
        if self.shard is not None:
            self.shard.close()


def run_task(
    model: Any,
    task: str | Task,
    data_root: str | Path,
    out: str | Path,
    *,
    limit: int | None = None,
    batch_size: int = 8,
    seed: int = 0,
    devices: int | str = 1,
    num_nodes: int = 1,
    accelerator: str = "auto",
    strategy: str = "auto",
    precision: str | None = None,
    workers: int | None = None,
    force_new: bool = False,
    retry_failed: bool = False,
    progress: bool = True,
    model_name: str | None = None,
    ablate: str | None = None,
    noise: str | Path | None = None,
) -> Result:
    """Predict and score one task; continues what an interrupted call left in `out`.

    Args:
        model: a `from_pretrained` source, a loaded model that implements the protocol, or
            `baseline.NAME`, a row of `zoo.bench.reference_rows`.
        task: `name`, `name@version` or a `Task`.
        data_root: folder of the dataset in its own layout.
        out: folder of the run.
        limit: only the first images with their captions, or clips; the result is marked as a
            subset.
        batch_size: items a batch; a model with `batch_invariant = False` gets one at a time.
        seed: of everything stochastic in the model.
        devices: as in `lightning.Trainer`; likewise `num_nodes`, `accelerator`, `strategy`,
            `precision`.
        workers: decoding processes; by default one fewer than the cores, at most 8.
        force_new: discard another run that lies in `out`.
        retry_failed: predict again what failed before.
        progress: show a progress bar.
        model_name: name in the result instead of the checkpoint's own.
        ablate: take a stream from the model, a key of `zoo.bench.task.ABLATIONS`, or a part of
            itself that it names in `ablations`; the result says so and is not ranked.
        noise: recording, or folder of recordings, for tasks that add noise; without it the babble
            is made of voices of the task's other clips.

    Returns:
        The scored result; it remembers its folder and data. With several processes only the
        first one returns, the others end with exit status 0.

    Raises:
        BenchError: unknown task, unfit model, incomplete data, a model that was trained on test
            data, or `out` holds another run or is being written by one.
    """
    task = load_task(task)
    folder, root = Path(out), Path(data_root)
    samples = read_samples(task, root, limit)
    row = model if is_reference_row(model) else None
    model, identity = _model(model, model_name)
    check_training(model, root)
    files = noise_files(Path(noise)) if noise is not None else []
    lacking = ablate in getattr(model, "ablations", ())
    if lacking:
        model = model.ablated(ablate)
    everything = samples if limit is None else read_samples(task, root)
    loader = _loader(task, root, model, everything, None if lacking else ablate, files)
    batch_size = batch_size if getattr(model, "batch_invariant", True) else 1
    settings: dict[str, Any] = {
        "limit": limit,
        "batch_size": batch_size,
        "seed": seed,
        "precision": precision or "32-true",
        **({"ablate": ablate} if ablate else {}),
        **({"noise_sha256": noise_digest(files)} if files else {}),
    }
    if ablate:
        identity["ablation"] = ablate
    key = _key(task, identity, samples, settings)
    machine = _Machine(devices, num_nodes, accelerator, strategy)
    workers = _default_workers() if workers is None else workers
    score = partial(_scored, folder, root, workers, progress)
    with only_writer(folder, needed=_is_first_process()):
        if _claim(folder, key, samples, force_new=force_new, retry_failed=retry_failed):
            return score(first=_is_first_process())
        seed_everything(seed, verbose=False)
        data = BenchData(
            samples,
            loader,
            folder,
            _run_block(identity, key, settings, machine, row or identity["name"]),
            batch_size=batch_size,
            workers=workers,
            retry_failed=retry_failed,
        )
        predictor = PredictModule(model, task, folder, seed)
        with _less_chatter():
            trainer = _trainer(folder, machine, settings["precision"], progress)
            trainer.predict(predictor, datamodule=data, return_predictions=False)
        return score(first=trainer.is_global_zero)


@dataclass(frozen=True)
class _Machine:
    """Where to run, in the words of `lightning.Trainer`."""

    devices: int | str
    num_nodes: int
    accelerator: str
    strategy: str


def _model(model: Any, name: str | None) -> tuple[Any, dict[str, Any]]:
    """The loaded model and who it is."""
    if is_reference_row(model):
        row = ReferenceRow(model)
        return row, {**model_identity(row, None, name or row.title), "role": row.role}
    if not isinstance(model, str | Path):
        return model, model_identity(model, None, name)
    from zoo.hub.load import from_pretrained

    loaded = from_pretrained(model)
    return loaded, model_identity(loaded, str(model), name)


def _loader(
    task: Task,
    root: Path,
    model: Any,
    samples: Sequence[Sample],
    ablate: str | None,
    noise: Sequence[Path],
) -> Loader:
    """What reads `samples`, which are all of the task: noise is made of them in a subset too."""
    row = model if isinstance(model, ReferenceRow) else None
    if samples[0].kind != "clip":
        if ablate is not None or row is not None:
            raise BenchError(f"{task.key} has no ablations and no reference rows")
        return FileLoader(root)
    return ClipLoader(
        task if row is None else replace(task, distortion={}),
        root,
        samples,
        noise=noise,
        ablation=ablate,
        inputs=None if row is None else row.inputs(task),
        partners=row is not None and row.partners,
    )


def _key(
    task: Task,
    identity: Mapping[str, Any],
    samples: Sequence[Sample],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """What must agree for a resume."""
    return {
        "model": identity["name"],
        "model_sha256": identity["sha256"],
        "task": task.key,
        "task_hash": task.hash,
        "references_sha256": references_hash(samples),
        **settings,
    }


def _claim(
    folder: Path,
    key: Mapping[str, Any],
    samples: Sequence[Sample],
    *,
    force_new: bool,
    retry_failed: bool,
) -> bool:
    """Make sure that `folder` is ours; whether it already holds every prediction."""
    if force_new:
        if _is_first_process():
            discard_run(folder)
        return False
    check_resumable(folder, key)
    done = finished_ids(folder, retry_failed=retry_failed)
    return all(sample.id in done for sample in samples)


def _scored(folder: Path, root: Path, workers: int, progress: bool, *, first: bool) -> Result:
    """Score in the first process; the others have nothing left to do."""
    if not first:
        sys.exit(0)
    return score_run(folder, root, workers=workers, progress=progress).at(folder, root)


def _trainer(folder: Path, machine: _Machine, precision: Any, progress: bool) -> Trainer:
    return Trainer(
        accelerator=machine.accelerator,
        devices=machine.devices,
        num_nodes=machine.num_nodes,
        strategy=machine.strategy,
        precision=precision,
        callbacks=[RecordWriter(folder)],
        use_distributed_sampler=False,  # batches are dealt out by BenchData
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=progress,
        default_root_dir=folder,
    )


@contextmanager
def _less_chatter() -> Iterator[None]:
    """Keep Lightning's notes on start-up out of the way; its warnings stay."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # a batch here names its own samples
            warnings.filterwarnings("ignore", message="Couldn't infer the batch indices")
            warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
            yield
    finally:
        logger.setLevel(level)


def _run_block(
    identity: Mapping[str, Any],
    key: Mapping[str, Any],
    settings: Mapping[str, Any],
    machine: _Machine,
    source: str,
) -> dict[str, Any]:
    """Content of run.json. `key` must agree for a resume; the rest describes the first start."""
    return {
        "key": key,
        "model": identity,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _command(source, key["task"], settings, machine),
        "settings": settings,
        "devices": asdict(machine),
        "versions": versions(),
        "code": code_commit(),
        "hardware": hardware(),
    }


def _command(source: str, task: str, settings: Mapping[str, Any], machine: _Machine) -> str:
    """The command that repeats the run, with placeholders for the folders of its user."""
    words = ["zoo", "bench", "run", "--model", source, "--task", task]
    words += ["--data", "DATA", "--out", "OUT"]
    if "noise_sha256" in settings:
        words += ["--noise", "NOISE"]
    for name, value in {**settings, **asdict(machine)}.items():
        if value is not None and name != "noise_sha256":
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def _is_first_process() -> bool:
    """Whether this is the process that no launcher started, or a launcher's first."""
    return all(os.environ.get(name, "0") == "0" for name in _RANK_VARIABLES)


def _default_workers() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(8, max(1, (cores or 1) - 1))
