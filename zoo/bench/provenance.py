"""Where a result comes from: versions, commit, hardware, the model's weights."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from zoo._version import __version__

if TYPE_CHECKING:
    from torch import nn

_PACKAGES: Final = (
    "torch",
    "lightning",
    "transformers",
    "open_clip_torch",
    "numpy",
    "av",
    "soundfile",
    "soxr",
    "Pillow",
)
# an absolute path of at least one folder; the part of a web address is none
_PLACE: Final = re.compile(r"(?<![\w:/.])/(?:[^\s/'\"(),;]+/)+([^\s/'\"(),;]*)")


def versions() -> dict[str, str]:
    """Versions of Python, the zoo and the libraries that can change a number."""
    found = {"python": platform.python_version(), "zoo": __version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def without_places(text: str) -> str:
    """A message with the names of files, but without the folders of this machine."""
    return _PLACE.sub(r"\1", text)


def code_commit() -> dict[str, Any] | None:
    """Commit of the checkout the package runs from, None outside of one."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain", "--", "zoo"))}


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def hardware() -> dict[str, Any]:
    """Processor, cores, memory and accelerators; nothing that names the machine."""
    import torch

    found: dict[str, Any] = {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_gb": _memory_gb(),
        "accelerators": [],
    }
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        found["accelerators"] = [torch.cuda.get_device_name(i) for i in range(count)]
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):
        return None


def model_identity(
    model: Any, source: str | None = None, name: str | None = None
) -> dict[str, Any]:
    """Name, weights hash and size of a model.

    The name is the one given, else the catalogue name, else what the checkpoint calls itself;
    a folder's path never enters.
    """
    import torch

    report = getattr(model, "load_report", None)
    digest = getattr(report, "sha256", None)
    params = None
    if isinstance(model, torch.nn.Module):
        params = sum(parameter.numel() for parameter in model.parameters())
        digest = digest or state_hash(model)
    return {
        "name": name or _name_of(model, source),
        "class": type(model).__name__,
        "sha256": digest,
        "params": params,
        "commit": getattr(report, "commit", None),
        "converted_from": getattr(report, "converted_from", None),
    }


def _name_of(model: Any, source: str | None) -> str:
    if source is not None and not Path(source).exists():
        return source
    slug = getattr(model, "slug", type(model).__name__)
    provenance: Mapping[str, Any] = getattr(model, "provenance", {})
    tag = provenance.get("tag")
    if tag:
        return f"{slug}.{tag}"
    return Path(source).resolve().name if source is not None else str(slug)


def state_hash(model: nn.Module) -> str:
    """sha256 over names, types, shapes and bytes of the state dict, sorted by name."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
