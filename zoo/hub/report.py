"""What happened to each tensor while a checkpoint was loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

_LISTED: Final = 20


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """The outcome of one `from_pretrained` call, kept as `model.load_report`."""

    source: str
    """The folder, catalogue name or repository that was asked for."""
    folder: str
    """Where the files lie."""
    loaded: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Tensors of the model that the checkpoint does not have."""
    unexpected: tuple[str, ...] = ()
    """Tensors of the checkpoint that the model does not have."""
    mismatched: tuple[str, ...] = ()
    """`key: shape in the file, shape in the model`."""
    dropped: dict[str, str] = field(default_factory=dict)
    """Official tensors the converter left out, with the reason."""
    converted_from: dict[str, Any] | None = None
    sha256: str | None = None
    """Hash of the weights file; of the list of hashes when there are several shards."""
    commit: str | None = None
    """Commit of the Hub repository."""

    @property
    def clean(self) -> bool:
        """Whether file and model agree on every tensor."""
        return not (self.missing or self.unexpected or self.mismatched)

    def describe(self) -> str:
        """Readable lines; at most 20 keys a group."""
        lines = [f"{self.source}: {len(self.loaded)} tensors loaded from {self.folder}"]
        lines += _group("missing in the checkpoint", self.missing)
        lines += _group("unknown to the model", self.unexpected)
        lines += _group("of another shape", self.mismatched)
        dropped = tuple(f"{key} ({reason})" for key, reason in self.dropped.items())
        lines += _group("left out by the converter", dropped)
        return "\n".join(lines)


def _group(title: str, keys: tuple[str, ...]) -> list[str]:
    if not keys:
        return []
    lines = [f"  {len(keys)} {title}:", *(f"    {key}" for key in keys[:_LISTED])]
    if len(keys) > _LISTED:
        lines.append(f"    ... and {len(keys) - _LISTED} more")
    return lines
