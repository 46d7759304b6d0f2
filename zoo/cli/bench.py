"""`zoo bench`: check data, run a task, score it, compare runs, make the leaderboard and the page."""

from __future__ import annotations

import argparse
from pathlib import Path

_RESULTS = "benchmarks/results"
_PUBLISHED = "benchmarks/published"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `zoo bench`."""
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    _run_arguments(actions.add_parser("run", help="predict a task's samples and score them"))
    _score_arguments(
        actions.add_parser("score", help="score a run folder again, without the model")
    )
    compare = actions.add_parser("compare", help="paired test of two run folders")
    compare.add_argument("first", type=Path)
    compare.add_argument("second", type=Path)
    actions.add_parser("list", help="the tasks")
    _prepare_arguments(
        actions.add_parser("prepare", help="count, check and hash your copy of a dataset")
    )
    _shipped_arguments(
        actions.add_parser("shipped", help="score every shipped checkpoint on its tiny tasks")
    )
    _leaderboard_arguments(actions.add_parser("leaderboard", help="write LEADERBOARD.md"))
    _site_arguments(actions.add_parser("site", help="write a page to open in a browser"))


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        required=True,
        help="slug.tag, Hub repository or folder; or a row that no model makes: baseline.reference,"
        " baseline.shuffled, baseline.silence, baseline.griffin-lim, baseline.still",
    )
    parser.add_argument("--task", required=True, help="name or name@version, see `zoo bench list`")
    parser.add_argument("--data", required=True, type=Path, help="folder of the dataset")
    parser.add_argument(
        "--out", required=True, type=Path, help="folder of the run; resumed if begun"
    )
    parser.add_argument(
        "--limit", type=int, help="only the first N pictures or clips: a marked subset"
    )
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, help="decoding processes")
    parser.add_argument(
        "--ablate",
        metavar="WHAT",
        help="take a stream from the model: audio-zeroed, audio-shuffled, audio-only, video-only",
    )
    parser.add_argument(
        "--noise",
        type=Path,
        help="recording, or folder of recordings, for tasks with noise (else voices of the task)",
    )
    parser.add_argument("--force-new", action="store_true", help="discard another run in --out")
    parser.add_argument("--retry-failed", action="store_true", help="predict failed samples again")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    lightning = parser.add_argument_group("passed to lightning.Trainer")
    lightning.add_argument("--devices", type=_count, default=1)
    lightning.add_argument("--num-nodes", type=int, default=1)
    lightning.add_argument("--accelerator", default="auto")
    lightning.add_argument("--strategy", default="auto")
    lightning.add_argument("--precision")


def _shipped_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpora", type=Path, default=Path("corpora"), help="made if absent")
    parser.add_argument("--runs", type=Path, default=Path("runs/shipped"))
    parser.add_argument("--results", type=Path, default=Path(_RESULTS), help="where to save them")
    parser.add_argument("--pictures", type=int, default=400, help="size of the picture corpora")
    parser.add_argument("--clips", type=int, default=300, help="size of the talking-face corpora")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="jobs with one of these in them")
    parser.add_argument("--workers", type=int, help="decoding processes")


def _score_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, nargs="+", help="run folder")
    parser.add_argument("--all", action="store_true", help="print every figure")
    parser.add_argument(
        "--data", type=Path, help="folder of the dataset, where output is compared with originals"
    )
    parser.add_argument("--workers", type=int, default=0, help="decoding processes")


def _prepare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="lrs3, lrs2, lrs-voxmm, mtedx, flickr8k, coco or auto")
    parser.add_argument("--root", required=True, type=Path, help="folder of the dataset")
    parser.add_argument(
        "--out", type=Path, help="where to write the list of files (default: NAME.manifest.json)"
    )
    parser.add_argument("--media", action="store_true", help="open every file, not only hash it")


def _leaderboard_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=Path(_RESULTS))
    parser.add_argument("--published", type=Path, default=Path(_PUBLISHED))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/LEADERBOARD.md"))
    parser.add_argument("--readme", type=Path, help="put our own results into this README as well")


def _site_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path, nargs="*", default=[Path(_RESULTS)])
    parser.add_argument("--published", type=Path, default=Path(_PUBLISHED))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/site"))
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        help="folders of the datasets, to show samples; each run finds its own",
    )
    parser.add_argument("--media", type=int, default=8, help="samples shown a task")


def _count(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdigit() else text


def run(args: argparse.Namespace) -> int:
    """Do what was asked."""
    actions = {
        "run": _run,
        "score": _score,
        "compare": _compare,
        "list": _list,
        "prepare": _prepare,
        "shipped": _shipped,
        "leaderboard": _leaderboard,
        "site": _site,
    }
    return actions[args.action](args)


def _run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from zoo.bench import load_task

    task = load_task(args.task)  # a misspelt name is told before anything heavy is imported
    from zoo.bench import run_task, table_of

    result = run_task(
        args.model,
        task,
        args.data,
        args.out,
        limit=args.limit,
        batch_size=args.batch_size,
        seed=args.seed,
        devices=args.devices,
        num_nodes=args.num_nodes,
        accelerator=args.accelerator,
        strategy=args.strategy,
        precision=args.precision,
        workers=args.workers,
        force_new=args.force_new,
        retry_failed=args.retry_failed,
        progress=not args.quiet,
        ablate=args.ablate,
        noise=args.noise,
    )
    console = Console()
    console.print(table_of([result], all_figures=True))
    console.print(f"{args.out / 'result.json'}", markup=False)
    return 0


def _shipped(args: argparse.Namespace) -> int:
    """Score, save the results, and write them into the checkpoints' cards."""
    from rich.console import Console

    from zoo.bench import table_of
    from zoo.bench.shipped import make_corpora, run_job, shipped_jobs, write_cards

    jobs = [
        job
        for job in shipped_jobs()
        if args.only is None or any(word in job.name for word in args.only)
    ]
    sizes = {"pictures": args.pictures, "clips": args.clips}
    corpora = make_corpora(jobs, args.corpora, sizes=sizes)
    results = []
    for job in jobs:
        results.append(run_job(job, corpora, args.runs, workers=args.workers))
        results[-1].save(args.results / f"{job.name}.json")
    write_cards(jobs, args.results)
    Console().print(table_of(results))
    return 0


def _score(args: argparse.Namespace) -> int:
    from rich.console import Console

    from zoo.bench import score_run, table_of

    results = [
        score_run(folder, args.data, workers=args.workers, progress=args.data is not None)
        for folder in args.run
    ]
    Console().print(table_of(results, all_figures=args.all))
    return 0


def _compare(args: argparse.Namespace) -> int:
    from rich.console import Console

    from zoo.bench import compare
    from zoo.bench.table import comparison_table

    Console().print(comparison_table(compare(args.first, args.second)))
    return 0


def _list(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Column, Table

    from zoo.bench import list_tasks

    table = Table(Column("task", no_wrap=True), "what", "protocol", "metrics")
    for task in list_tasks():
        table.add_row(task.key, task.title, task.protocol, ", ".join(task.metrics))
    Console().print(table)
    return 0


def _prepare(args: argparse.Namespace) -> int:
    """Exit status 1 where something is missing."""
    from rich.console import Console

    from zoo.bench.prepare import prepare_dataset, summary_of

    out = args.out or Path(f"{args.name}.manifest.json")
    found = prepare_dataset(args.name, args.root, out, media=args.media)
    console = Console(highlight=False)
    console.print(summary_of(found))
    console.print(f"{out}", markup=False)
    return 0 if found["complete"] else 1


def _leaderboard(args: argparse.Namespace) -> int:
    from zoo.bench import load_published, load_results, render_leaderboard
    from zoo.bench.leaderboard import update_readme
    from zoo.bench.resume import write_atomically

    results = load_results(args.results)
    text = render_leaderboard(results, load_published(args.published))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(args.out, text)
    if args.readme is not None:
        write_atomically(args.readme, update_readme(args.readme.read_text("utf-8"), results))
    return 0


def _site(args: argparse.Namespace) -> int:
    from rich.console import Console

    from zoo.bench import load_published, render_page
    from zoo.bench.site import data_of

    results = [result for path in args.results for result in _results_at(path)]
    results = [result.at(result.folder, data_of(result, args.data)) for result in results]
    index = render_page(
        results,
        args.out,
        samples=args.media if args.data else 0,
        published=load_published(args.published),
    )
    Console().print(f"{index}", markup=False)
    return 0


def _results_at(path: Path):  # type: ignore[no-untyped-def]
    """A result file, a run folder, or a folder of result files."""
    from zoo.bench import load_result, load_results

    if path.is_dir() and not (path / "run.json").is_file():
        return load_results(path)
    return [load_result(path)]
