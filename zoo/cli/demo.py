"""`zoo demo`: small corpora, the shipped checkpoints on them, a table and a page to look at."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

_PICTURES = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder to write")
    parser.add_argument(
        "--samples", type=int, default=_PICTURES, help=f"pictures or clips a task ({_PICTURES})"
    )


def run(args: argparse.Namespace) -> int:
    """Make the corpora, run every job, print the table, write the page."""
    import logging

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from zoo.bench import load_published, print_table, render_page
    from zoo.bench.shipped import make_corpora, run_job, shipped_jobs
    from zoo.hub.paths import checkout_folder

    console = Console()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    jobs = [job for job in shipped_jobs() if job.is_plain]
    console.print(
        f"{len(jobs)} runs: every shipped checkpoint on the tiny tasks it can do, at most "
        f"{args.samples} pictures or clips each (`make leaderboard` runs them in full)"
    )
    sizes = dict.fromkeys(("pictures", "clips"), args.samples)
    corpora = make_corpora(jobs, args.out / "corpora", sizes=sizes)
    shutil.rmtree(args.out / "runs", ignore_errors=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    results = []
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bar = progress.add_task("running", total=len(jobs))
        for job in jobs:
            progress.update(bar, description=f"{job.checkpoint} on {job.task.name}")
            result = run_job(job, corpora, args.out / "runs", limit=args.samples, progress=False)
            results.append(result)
            progress.advance(bar)
        progress.update(bar, description="done")
    print_table(results, console)
    index = render_page(
        results,
        args.out,
        samples=args.samples,
        published=load_published(checkout_folder().parent / "benchmarks" / "published"),
        title="The zoo's demo",
    )
    console.print(f"Open {index} in a browser: pictures, players, what each model found.")
    return 0
