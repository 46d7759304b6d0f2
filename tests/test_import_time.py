"""Importing the package, and asking the command line for help, must stay cheap."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from zoo.cli import COMMANDS

HEAVY = ("torch", "torchvision", "lightning", "transformers", "open_clip", "timm", "scipy")
LIMIT_SECONDS = 0.3


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def heavy_modules_after(code: str) -> list[str]:
    code = f"import sys\n{code}\nprint('loaded', *(m for m in {HEAVY!r} if m in sys.modules))"
    return python("-c", code).stdout.splitlines()[-1].split()[1:]


def seconds_to_import_zoo() -> float:
    log = python("-X", "importtime", "-c", "import zoo").stderr
    line = re.search(r"^import time:\s+\d+ \|\s+(\d+) \| zoo$", log, re.MULTILINE)
    assert line is not None, log
    return int(line[1]) / 1e6


def test_import_zoo_is_fast():
    # the best of several: other programs of a busy machine do not count
    assert min(seconds_to_import_zoo() for _ in range(5)) < LIMIT_SECONDS


def test_the_check_for_heavy_modules_sees_them():
    assert heavy_modules_after("import torch") == ["torch"]


@pytest.mark.parametrize(
    "code",
    [
        "import zoo",
        "import zoo; dir(zoo); zoo.__version__",
        "import zoo.cli",
        "import zoo.hub.config",
        "import zoo; zoo.list_models(); zoo.list_checkpoints()",
        "from zoo.hub.source import parse_source; parse_source('org/repo')",
        "import zoo.cli\ntry: zoo.cli.main(['--help'])\nexcept SystemExit: pass",
        "import zoo.cli\nzoo.cli.main(['list'])",
    ],
)
def test_light_things_import_nothing_heavy(code):
    assert heavy_modules_after(code) == []


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "train"])
def test_the_help_of_a_command_imports_nothing_heavy(command):
    code = f"import zoo.cli\ntry: zoo.cli.main([{command!r}, '--help'])\nexcept SystemExit: pass"
    assert heavy_modules_after(code) == []
