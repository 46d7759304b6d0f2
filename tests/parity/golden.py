"""Finds and reads the golden vectors, and compares with them.

The folder comes from ZOO_GOLDEN (default: ../shared/golden beside the checkout). Nothing here or
in a test that uses it knows the sizes of a particular golden: all of it is read from the files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from zoo.hub.keymap import Bijection, check_bijection

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Golden:
    """One component of a golden folder: hyper-parameters, official weights, inputs and outputs."""

    folder: Path
    component: str
    config: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)
    io: dict[str, Tensor] = field(default_factory=dict)

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The io tensors whose name starts with `prefix`, without it."""
        return {k[len(prefix) :]: v for k, v in self.io.items() if k.startswith(prefix)}


def golden_root() -> Path:
    """The folder of all goldens; skips the test where there is none."""
    default = REPOSITORY.parent / "shared" / "golden"
    root = Path(os.environ.get("ZOO_GOLDEN", default)).expanduser()
    if not root.is_dir():
        pytest.skip(f"no golden vectors at {root} (set ZOO_GOLDEN)")
    return root


def golden_folder(slug: str) -> Path:
    """The golden folder of one paper or block; skips the test where it is absent."""
    folder = golden_root() / slug
    if not folder.is_dir():
        pytest.skip(f"the golden folder {folder.parent} has no {slug}")
    return folder


def golden_file(slug: str, name: str) -> Path:
    """One file of a golden folder; skips the test where it is absent."""
    path = golden_folder(slug) / name
    if not path.is_file():
        pytest.skip(f"{path.parent} has no {name}")
    return path


def golden_json(slug: str, name: str) -> Any:
    """The content of a json file of a golden folder."""
    return json.loads(golden_file(slug, name).read_text("utf-8"))


def load_golden(slug: str, component: str) -> Golden:
    """Read `<component>_{config.json,weights.safetensors,io.safetensors}`, those that exist."""
    folder = golden_folder(slug)
    config = folder / f"{component}_config.json"
    weights = folder / f"{component}_weights.safetensors"
    io = folder / f"{component}_io.safetensors"
    if not (config.is_file() or weights.is_file() or io.is_file()):
        pytest.skip(f"{folder} has no component {component}")
    return Golden(
        folder=folder,
        component=component,
        config=json.loads(config.read_text("utf-8")) if config.is_file() else {},
        weights=load_file(weights) if weights.is_file() else {},
        io=load_file(io) if io.is_file() else {},
    )


def official_keys(slug: str, name: str) -> list[tuple[str, tuple[int, ...]]]:
    """The (key, shape) list of `keys_<name>.json`."""
    return [(key, tuple(shape)) for key, shape in golden_json(slug, f"keys_{name}.json")]


def assert_official_keys(slug: str, name: str, cls: Any, config: Any, official: Any) -> Bijection:
    """Each key of `keys_<name>.json` has its place in a model, and goes back to where it was.

    Args:
        slug: the golden folder.
        name: of the list.
        cls: the model's class, built without memory.
        config: its configuration, the paper's sizes.
        official: the module with `to_ours` and `to_official`.
    """
    keys = official_keys(slug, name)
    with torch.device("meta"):
        model = cls(config)
    report = check_bijection(keys, lambda state: official.to_ours(state, config), model)
    assert report.ok, str(report)
    back = official.to_official(model.state_dict(), config)
    kept = {key: shape for key, shape in keys if key not in report.dropped}
    assert {key: tuple(tensor.shape) for key, tensor in back.items()} == kept
    return report


def assert_parity(
    actual: Tensor, expected: Tensor, name: str, *, tolerance: float = 1e-4, atol: float = 0.0
) -> float:
    """Compare with a golden tensor and report the worst element; returns the relative error.

    The error is the largest absolute difference divided by the largest absolute value expected;
    it passes at or below `tolerance`, or where the difference is at or below `atol`. Tensors of
    integers and booleans must be equal.
    """
    actual = actual.detach().cpu()
    assert actual.shape == expected.shape, (
        f"{name}: shape {tuple(actual.shape)}, expected {tuple(expected.shape)}"
    )
    if not expected.dtype.is_floating_point:
        wrong = int((actual != expected).sum())
        assert wrong == 0, f"{name}: {wrong} of {expected.numel()} elements differ"
        return 0.0
    if expected.numel() == 0:
        return 0.0
    ours, theirs = actual.double(), expected.double()
    finite = torch.isfinite(theirs)
    same = torch.allclose(ours[~finite], theirs[~finite], equal_nan=True)
    assert same and bool(torch.isfinite(ours[finite]).all()), (
        f"{name}: infinities or NaNs at other places than expected"
    )
    difference = torch.where(finite, (ours - theirs).abs(), 0.0)
    worst = float(difference.max())
    scale = float(theirs[finite].abs().max()) if bool(finite.any()) else 1.0
    relative = worst / max(scale, torch.finfo(torch.float32).tiny)
    assert worst <= atol or relative <= tolerance, (
        f"{name}: max relative error {relative:.2e} (absolute {worst:.2e} at "
        f"{tuple(int(i) for i in torch.unravel_index(difference.argmax(), difference.shape))}, "
        f"largest expected value {scale:.3g}), allowed {tolerance:.0e}"
    )
    return relative


def assert_all_parity(
    actual: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, tolerance: float = 1e-4
) -> float:
    """`assert_parity` for every tensor of `expected`; returns the largest relative error."""
    assert expected, "there is nothing to compare with"
    lacking = sorted(set(expected) - set(actual))
    assert not lacking, f"not computed: {lacking}"
    return max(assert_parity(actual[k], v, k, tolerance=tolerance) for k, v in expected.items())
