"""Time and memory of loading a paper-scale SpeechCLIP, beside huggingface_hub's mixin.

    python benchmarks/speed/loading.py [--preset large_flickr8k_parallel] [--repeat 3] [--check]

Random weights are written by `save_pretrained`. Every measurement runs in a fresh interpreter;
imports are timed apart, the file is in the page cache, and the hash is remembered from saving, as
it is from a download. Two ratios are printed:

- peak memory above an interpreter that has imported torch / size of the weights file (limit 1.2),
  after every page of every weight has been touched, so that mapping alone does not flatter it;
- seconds of `from_pretrained` minus the seconds to read every byte of the file once (limit +1 s).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PEAK_LIMIT = 1.2
SECONDS_LIMIT = 1.0
WEIGHTS = "model.safetensors"


def peak_bytes() -> int:
    """High-water mark of resident memory of this process (Linux keeps it per program)."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def mixin_class() -> Any:
    """The same network under huggingface_hub's mixin, as a user of the mixin would write it."""
    from huggingface_hub import PyTorchModelHubMixin
    from torch import nn

    from zoo.models.speechclip.module import SpeechCLIP

    class MixinSpeechCLIP(nn.Module, PyTorchModelHubMixin):
        def __init__(self, preset: str) -> None:
            super().__init__()
            self.model = SpeechCLIP(SpeechCLIP.Config.preset(preset))

    return MixinSpeechCLIP


def import_everything() -> float:
    """Import what the model needs (it imports lazily while it is built); seconds."""
    import torch

    start = time.perf_counter()
    from zoo.models.speechclip.module import SpeechCLIP

    with torch.device("meta"):
        SpeechCLIP(SpeechCLIP.Config.preset("tiny"))
    return time.perf_counter() - start


def touch(model: Any) -> None:
    """Read one byte of every page of every tensor."""
    import torch

    for tensor in model.state_dict().values():
        tensor.detach().reshape(-1).view(torch.uint8)[::4096].sum()


def step_save(work: Path, preset: str) -> dict[str, Any]:
    import torch

    torch.manual_seed(0)
    model = mixin_class()(preset)
    model.model.save_pretrained(work / "zoo")
    model.save_pretrained(work / "mixin")
    return {"bytes": (work / "zoo" / WEIGHTS).stat().st_size}


def step_torch(work: Path, preset: str) -> dict[str, Any]:
    import torch  # noqa: F401 - the point is the memory it takes

    return {"peak": peak_bytes()}


def step_read(work: Path, preset: str) -> dict[str, Any]:
    path = work / "zoo" / WEIGHTS
    buffer = bytearray(16 << 20)
    start = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return {"seconds": time.perf_counter() - start}


def step_zoo(work: Path, preset: str) -> dict[str, Any]:
    import torch  # noqa: F401 - not part of what is timed

    imports = import_everything()
    from zoo import from_pretrained

    return timed(lambda: from_pretrained(work / "zoo"), imports)


def step_mixin(work: Path, preset: str) -> dict[str, Any]:
    import torch  # noqa: F401 - not part of what is timed

    imports = import_everything()
    mixin = mixin_class()
    return timed(lambda: mixin.from_pretrained(work / "mixin", local_files_only=True), imports)


def timed(load: Any, imports: float) -> dict[str, Any]:
    start = time.perf_counter()
    model = load()
    seconds = time.perf_counter() - start
    loaded = peak_bytes()
    touch(model)
    touched = time.perf_counter() - start
    return {
        "imports": imports,
        "seconds": seconds,
        "touched": touched,
        "peak_loaded": loaded,
        "peak": peak_bytes(),
    }


STEPS = {
    "save": step_save,
    "torch": step_torch,
    "read": step_read,
    "zoo": step_zoo,
    "mixin": step_mixin,
}


def in_fresh_interpreter(step: str, work: Path, preset: str) -> dict[str, Any]:
    environment = os.environ | {"ZOO_CACHE": str(work / "cache"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, __file__, "--step", step, "--work", str(work), "--preset", preset]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(work: Path, preset: str, repeat: int) -> dict[str, Any]:
    """The best of `repeat` rounds for times (the rest is noise), the worst for memory."""
    size = in_fresh_interpreter("save", work, preset)["bytes"]
    in_fresh_interpreter("read", work, preset)  # warms the page cache
    rounds = [
        {step: in_fresh_interpreter(step, work, preset) for step in STEPS if step != "save"}
        for _ in range(repeat)
    ]
    base = min(one["torch"]["peak"] for one in rounds)
    read = min(one["read"]["seconds"] for one in rounds)
    result: dict[str, Any] = {
        "preset": preset,
        "file_bytes": size,
        "torch_interpreter_bytes": base,
        "read_seconds": read,
        "rounds": repeat,
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
    }
    for name in ("zoo", "mixin"):
        runs = [one[name] for one in rounds]
        result[name] = {
            "load_seconds": min(run["seconds"] for run in runs),
            "load_and_touch_seconds": min(run["touched"] for run in runs),
            "import_seconds": min(run["imports"] for run in runs),
            "seconds_above_reading": min(run["seconds"] for run in runs) - read,
            "peak_ratio": max(run["peak"] - base for run in runs) / size,
            "peak_ratio_before_touching": max(run["peak_loaded"] - base for run in runs) / size,
        }
    return result


def show(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"{result['preset']}, {result['file_bytes'] / 1e9:.2f} GB of weights, read once in "
        f"{result['read_seconds']:.2f} s ({result['machine']})"
    )
    for title in ("", "limit", "zoo", "hub mixin"):
        table.add_column(title)
    rows = {
        "peak memory / file size": ("peak_ratio", f"< {PEAK_LIMIT}"),
        "  before the weights are touched": ("peak_ratio_before_touching", ""),
        "load - read (s)": ("seconds_above_reading", f"<= {SECONDS_LIMIT:+.0f}"),
        "load (s)": ("load_seconds", ""),
        "load and touch every page (s)": ("load_and_touch_seconds", ""),
        "imports, not in the above (s)": ("import_seconds", ""),
    }
    for title, (key, limit) in rows.items():
        table.add_row(title, limit, f"{result['zoo'][key]:.2f}", f"{result['mixin'][key]:.2f}")
    Console().print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="large_flickr8k_parallel")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder for the weights (default: temporary)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--check", action="store_true", help="exit status 1 above a limit")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        print(json.dumps(STEPS[args.step](args.work, args.preset)))
        return 0
    with tempfile.TemporaryDirectory(prefix="zoo-speed-", dir=args.work) as work:
        result = measure(Path(work), args.preset, args.repeat)
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    ours = result["zoo"]
    good = ours["peak_ratio"] < PEAK_LIMIT and ours["seconds_above_reading"] <= SECONDS_LIMIT
    return 0 if good or not args.check else 1


if __name__ == "__main__":
    sys.exit(main())
