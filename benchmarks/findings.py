"""What the scripts beside this file share: means with intervals, tables, rows of model cards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from zoo.bench.bootstrap import interval, seed_of
from zoo.hub.card import write_card
from zoo.hub.paths import checkout_folder
from zoo.metrics.base import Figure, Row
from zoo.metrics.values import Quantity, counted, mean_figure

Found = dict[str, dict[str, float]]
"""Label -> value, low and high end of its 95 % interval, and how many clips."""


def shipped(names: Sequence[str]) -> list[str]:
    """Those of the checkpoints that lie in the repository."""
    return [name for name in names if (checkout_folder() / name).is_dir()]


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


def show(title: str, found: Found) -> None:
    """Print a table."""
    table = Table("", "value", "95 % interval", "n", title=title)
    for label, one in found.items():
        span = f"{one['low']:.2f} to {one['high']:.2f}"
        table.add_row(label, f"{one['value']:.2f}", span, str(int(one["n"])))
    Console().print(table)


def keep(folder: Path, found: Found, command: str) -> None:
    """Write the numbers into a checkpoint's config.json, and from there into its card."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    rows = {
        f"held out, {label}": f"{one['value']:.2f} (95 % interval {one['low']:.2f} to "
        f"{one['high']:.2f}, n {one['n']:.0f})"
        for label, one in found.items()
    }
    how = f"`{command}`: people and sentences that no seed trains on"
    config["training"] |= {"held-out figures": how, **rows}
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_card(folder)
