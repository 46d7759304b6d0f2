"""What the scripts beside this file share: means with intervals, tables, rows of model cards."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from math import isnan, nan
from pathlib import Path

from rich.console import Console
from rich.table import Table

from zoo.bench.bootstrap import interval, paired, seed_of
from zoo.hub.card import Card, write_card
from zoo.hub.paths import checkout_folder
from zoo.metrics.base import Figure, Row
from zoo.metrics.values import Quantity, counted, mean_figure

Found = dict[str, dict[str, float]]
"""Label -> value, low and high end of its 95 % interval, and how many clips."""


def shipped(names: Sequence[str]) -> list[str]:
    """Those of the checkpoints that lie in the repository."""
    return [name for name in names if (checkout_folder() / name).is_dir()]


def pair(text: str) -> tuple[str, str]:
    """What `--beside` takes: LABEL=FOLDER."""
    label, equals, folder = text.partition("=")
    if not (label and equals and folder):
        raise argparse.ArgumentTypeError(f"expected LABEL=FOLDER, got {text!r}")
    return label, folder


def of_means(name: str, values: Sequence[float], clusters: Sequence[str]) -> dict[str, float]:
    """Mean over clips, with an interval by resampling clusters."""
    rows = [
        Row(str(k), cluster, counted({"x": value}))
        for k, (value, cluster) in enumerate(zip(values, clusters, strict=True))
    ]
    return of_figure(mean_figure(Quantity("x", name, "", None), rows, {}), rows, name)


def of_figure(figure: Figure, rows: Sequence[Row], name: str) -> dict[str, float]:
    """A metric's figure with its interval."""
    found = interval(figure, rows, seed_of("judges", name))
    return {"value": found.value, "low": found.low, "high": found.high, "n": len(rows)}


def of_difference(
    figures: tuple[Figure, Figure], rows: tuple[Sequence[Row], Sequence[Row]], name: str
) -> dict[str, float]:
    """First minus second of one figure on the same clips, resampled together."""
    seed = seed_of("judges", name)
    drawn = paired(figures[0], *rows, seed, second_figure=figures[1])
    return {"value": drawn.value, "low": drawn.low, "high": drawn.high, "n": len(rows[0])}


def plain(value: float, count: int) -> dict[str, float]:
    """A number that has no interval."""
    return {"value": float(value), "low": nan, "high": nan, "n": count}


def phone_at(phones: Sequence[tuple[str, float, float]], second: float) -> str:
    """The phone at a moment; of a corpus's ground truth, with starts and ends in milliseconds."""
    now = 1000 * second
    return next((name for name, start, end in phones if start <= now < end), "")


def show(title: str, found: Found) -> None:
    """Print a table."""
    table = Table("", "value", "95 % interval", "n", title=title)
    for label, one in found.items():
        table.add_row(label, number(one["value"]), span(one), str(int(one["n"])))
    Console().print(table)


def number(value: float) -> str:
    """Four figures that count: three hide on which side of a bound such as 0.85 a value lies."""
    return f"{value:.4g}"


def span(one: Mapping[str, float]) -> str:
    """A 95 % interval, or nothing where there is none."""
    ends = one["low"], one["high"]
    return "" if isnan(ends[0]) else f"{number(ends[0])} to {number(ends[1])}"


def how_sure(one: Mapping[str, float]) -> str:
    """The interval as part of a sentence."""
    return f"95 % interval {span(one)}, " if span(one) else ""


def stored_results(name: str) -> list[str]:
    """The result files of a checkpoint that lie in the repository, without its ablations."""
    found = sorted((Path(__file__).parent / "results").glob(f"{name}--*.json"))
    return [str(path) for path in found if path.stem.count("--") == 1]


def keep(folder: Path, found: Found, command: str) -> None:
    """Write the numbers into a checkpoint's config.json, in place of those that the same script
    found before, and from there into its card."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    script = Path(command.split()[1]).name
    rows = {
        f"{script}: {label}": f"{number(one['value'])} ({how_sure(one)}n {one['n']:.0f})"
        for label, one in found.items()
    }
    how = f"`{command}`: people and sentences that no seed trains on"
    others = {k: v for k, v in config["training"].items() if k.partition(":")[0] != script}
    config["training"] = {**others, script: how, **rows}
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_card(folder, card=Card(results=stored_results(folder.name)))
